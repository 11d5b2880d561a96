"""The zygotes of a master (preload.py), one for each generation that is preloaded."""

from collections.abc import Callable

from ngxloop.serving.assignment import Assignment
from ngxloop.serving.channel import Channel
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.logs import log
from ngxloop.serving.poller import Poller
from ngxloop.serving.preload import Zygote, adopt_orphans

Done = Callable[[StartError | None], None]


class Zygotes:
    """Started with a generation, asked for its workers, closed with it."""

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._zygotes: dict[int, Zygote] = {}  # by the number of the generation
        self.have_been: bool = (
            False  # orphans of our descendants are ours to reap, since the first one
        )

    def start(
        self, assign: Callable[[Channel], Assignment], forget: Callable[[], None], done: Done
    ) -> None:
        """Load the application in a process of its own; done() is called with what went wrong.

        Raises:
            OSError: It could not be forked.
        """
        adopt_orphans(True)
        self.have_been = True
        zygote = Zygote(assign, forget)
        number, target = zygote.generation, zygote.config.app
        seconds = zygote.config.start_timeout
        self._zygotes[number] = zygote

        def give_up() -> None:
            advice = "see where it waits, or raise --start-timeout"
            line = f"{target} was not loaded after {seconds:g} s; {advice}"
            self.close(number)
            done(StartError(ExitCode.START_TIMEOUT, line))

        alarm = self._poller.call_later(seconds, give_up)

        def hear() -> None:
            was_ready = zygote.is_ready
            failure = zygote.hear()
            if was_ready:
                self._watch(number, target)
            elif zygote.is_ready:
                alarm.cancel()
                done(None)
            elif failure is not None or not zygote.channel.is_open:
                alarm.cancel()
                self.close(number)
                done(failure or _unexpected_end(target))

        zygote.cancel = alarm.cancel
        self._poller.add(zygote.channel.fileno(), hear)

    def spawn(self, assignment: Assignment) -> int | None:
        """Fork a worker of its generation and return its process id.

        None if there is no zygote: then the worker is forked from the master.
        """
        zygote = self._zygotes.get(assignment.generation)
        if zygote is None:
            return None
        try:
            return zygote.spawn(assignment)
        except OSError as error:
            log.warning(
                "%s; generation %d loads its application in each worker from now on",
                error,
                assignment.generation,
            )
            zygote.kill()
            self.close(assignment.generation)
            return None

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
        """Close our ends in another child: a zygote ends when the last one is closed."""
        for zygote in self._zygotes.values():
            zygote.close()

    def _watch(self, number: int, target: str) -> None:
        """Drop a zygote that has died; it was killed, as a rule."""
        zygote = self._zygotes[number]
        if not zygote.channel.is_open:
            log.warning(
                "the process that had loaded %s for generation %d is gone; new workers load it "
                "themselves",
                target,
                number,
            )
            self.close(number)


def _unexpected_end(target: str) -> StartError:
    line = f"the process that loads {target} has died"
    return StartError(ExitCode.START_TIMEOUT, f"{line}; load it by itself to see why")
