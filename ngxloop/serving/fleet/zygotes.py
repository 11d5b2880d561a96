"""The zygotes of a master (preload.py), one for each generation that is preloaded."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.timing import GROUP_SIGNAL_SECONDS
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.children import is_child
from ngxloop.serving.process.poller import Handler, Poller
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.preload import Zygote, adopt_strays

Done = Callable[[StartError | None], None]


class LostError(OSError):
    """A zygote could not fork; a worker that it has forked all the same waits for its BEGIN."""


class Zygotes:
    """Started with a generation, asked for its workers, closed with it."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._zygotes: dict[int, Zygote] = {}  # by the number of the generation
        self.ever_started: bool = (
            False  # orphans of our descendants are ours to reap, since the first one
        )

    def start(
        self, assign: Callable[[Channel], Assignment], forget: Callable[[], None], done: Done
    ) -> None:
        """Load the application in a process of its own; done() is called with what went wrong.

        Raises:
            OSError: It could not be forked.
        """
        adopt_strays(True)
        self.ever_started = True
        zygote = Zygote(assign, forget)
        is_told = False  # it can be ready and dead in the same moment
        number, seconds = zygote.generation, zygote.config.start_timeout

        def tell(error: StartError | None) -> None:
            nonlocal is_told
            if not is_told:
                is_told = True
                done(error)

        def end(error: StartError) -> None:
            self.close(number)
            tell(error)

        def give_up() -> None:
            advice = "see where it waits, or raise --start-timeout"
            line = f"{zygote.config.app} was not loaded after {seconds:g} s; {advice}"
            end(StartError(ExitCode.START_TIMEOUT, line))

        def fail() -> None:
            line = f"a message of the process that loads {zygote.config.app} could not be handled"
            end(StartError(ExitCode.START_FAILED, line))

        try:
            handler = Handler(
                HandlerName.ZYGOTE_CHANNEL,
                lambda: self._hear(zygote, tell, end),
                fail,
                f"generation {number}",
            )
            self._poller.add(zygote.channel.fileno(), handler)
        except BaseException:
            zygote.kill()
            zygote.close()
            raise
        self._zygotes[number] = zygote
        alarm = self._poller.call_later(seconds, Handler(HandlerName.ZYGOTE_TIMEOUT, give_up))
        zygote.cancel = alarm.cancel

    def has(self, number: int) -> bool:
        """Say whether a generation has one."""
        return number in self._zygotes

    def spawn(
        self, assignment: Assignment, find_children: Callable[[], AbstractSet[int]]
    ) -> int | None:
        """Fork a worker of its generation and return its process id.

        None if there is no zygote: then the worker is forked from the master.

        Args:
            assignment: The worker's.
            find_children: Returns those that there are: an id that the zygote makes up may be one
                of them.

        Raises:
            LostError: There is none any more. The channel must not be another worker's, too.
        """
        zygote = self._zygotes.get(assignment.generation)
        if zygote is None:
            return None
        try:
            pid = zygote.spawn(assignment)
            if pid in find_children() or pid == zygote.pid or not is_child(pid):
                raise ChildProcessError(
                    f"the preloading process named process {pid}, which is not its worker"
                )
        except OSError as error:
            log.warning(
                "%s; generation %d loads its application in each worker from now on",
                error,
                assignment.generation,
            )
            zygote.kill()
            self.close(assignment.generation)
            raise LostError(*error.args) from error
        return pid

    def reopen_logs(self) -> None:
        """Let them write to the new log files."""
        for zygote in self._zygotes.values():
            zygote.reopen_logs()

    def close(self, number: int) -> None:
        """Let the zygote of a generation end, if there is one."""
        zygote = self._zygotes.pop(number, None)
        if zygote is None:
            return
        zygote.cancel()
        self._poller.remove(zygote.channel.fileno())
        if not zygote.is_ready:
            zygote.kill()  # the application has it
        zygote.close()

    def close_all(self) -> None:
        """Let all of them end."""
        for number in list(self._zygotes):
            self.close(number)

    def forget_in_child(self) -> None:
        """Close the copies of our ends in another child."""
        for zygote in self._zygotes.values():
            zygote.close_in_child()

    def _hear(self, zygote: Zygote, done: Done, end: Callable[[StartError], None]) -> None:
        was_ready = zygote.is_ready
        failure = zygote.hear()
        if failure is not None or not zygote.channel.is_open:
            self._poller.look_first(GROUP_SIGNAL_SECONDS)
            if self._zygotes.get(zygote.generation) is not zygote:
                return  # closed by an order to end
            if was_ready:
                self._warn(zygote)
            end(failure or _unexpected_end(zygote))
        elif zygote.is_ready and not was_ready:
            zygote.cancel()
            done(None)

    def _warn(self, zygote: Zygote) -> None:
        """Log the end of one that had loaded; it was killed, probably."""
        fault = zygote.channel.fault
        log.warning(
            "the process that had loaded %s for generation %d %s; new workers load it themselves",
            zygote.config.app,
            zygote.generation,
            f"has sent {fault} and is ended" if fault else "is gone",
        )
        zygote.kill()


def _unexpected_end(zygote: Zygote) -> StartError:
    line = f"the process that loads {zygote.config.app}"
    if zygote.channel.fault:
        return StartError(ExitCode.START_FAILED, f"{line} has sent {zygote.channel.fault}")
    return StartError(ExitCode.START_TIMEOUT, f"{line} has died; load it by itself to see why")
