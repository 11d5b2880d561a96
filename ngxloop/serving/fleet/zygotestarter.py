"""Has the application of a generation loaded once, in a process that forks its workers."""

from collections.abc import Callable

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.service import GenerationService, GenerationServices
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.fleet.zygotes import Zygotes
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.worker.assignment import Assignment


class ZygoteStarter:
    """What the machine wants of the zygotes.

    Args:
        tell: Takes events.
        zygotes: The processes.
        services: What the generations serve.
        assign: Returns what a process is to do, given its end of a channel.
        forget: Closes, in a fresh child, what belongs to the master.
    """

    def __init__(
        self,
        tell: Callable[[events.Event], None],
        zygotes: Zygotes,
        services: GenerationServices,
        assign: Callable[[WorkerProcess, Channel], Assignment],
        forget: Callable[[GenerationService], None],
    ) -> None:
        self._tell = tell
        self._zygotes = zygotes
        self._services = services
        self._assign = assign
        self._forget = forget

    def start(self, action: actions.StartZygote) -> None:
        """Load the application of a generation, and tell how that went."""
        service = self._services[action.generation]

        def done(error: StartError | None) -> None:
            if error is None:
                self._tell(events.ZygoteReady(action.generation))
            else:
                self._tell(events.ZygoteFailed(action.generation, error))

        process = WorkerProcess(WorkerId(0, 0), service, 0)
        try:
            self._zygotes.start(
                lambda channel: self._assign(process, channel),
                lambda: self._forget(service),
                done,
            )
        except OSError as error:
            line = f"cannot fork a process to load {service.config.app}: {error}"
            done(StartError(ExitCode.START_FAILED, line))

    def close(self, action: actions.CloseZygotes) -> None:
        """Let one zygote end, or all."""
        if action.generation is None:
            self._zygotes.close_all()
        else:
            self._zygotes.close(action.generation)
