"""Lifespan: the application's start-up and shutdown (ASGI's lifespan protocol).

"on": the application must support it. "auto": one that raises before its start-up is complete, or
returns, does not support it, and is served without. That is a warning if it has received the
start-up event, as it may have failed in what it does then. "off": it is not asked. An application
that reports startup.failed is not served in either mode.
"""

import asyncio
import logging
from typing import Any

logger: logging.Logger = logging.getLogger("ngxloop.http")

MODES = ("auto", "on", "off")

# How long an application may take to return when its lifespan is over.
_RETURN_SECONDS = 0.5

# From which state a lifespan may go to which others.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "new": ("starting", "unsupported"),
    "starting": ("ready", "unsupported", "failed"),
    "ready": ("stopping", "failed"),
    "stopping": ("stopped", "failed"),
    "unsupported": (),
    "stopped": (),
    "failed": (),
}


class LifespanError(Exception):
    """The application's start-up or shutdown has failed; the text says why."""


class Lifespan:
    """The lifespan of one application."""

    def __init__(self, application: Any, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"lifespan must be one of {', '.join(MODES)}: {mode!r}")
        self.state_name: str = "new"
        # What the application puts there is in every request's scope; None if there is no lifespan.
        self.state: dict[str, Any] | None = None
        self._application = application
        self._mode = mode
        self._messages: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._failure = ""
        self._has_received = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run the application's start-up.

        Raises:
            LifespanError: it failed, or the application does not support it although it must.
        """
        if self._mode == "off":
            self._move("unsupported")
            return
        self.state = {}
        self._move("starting")
        self._messages.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.create_task(self._run(self.state), name="lifespan")
        try:
            await self._wait_while("starting")
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        if self.state_name == "unsupported":
            self.state = None
        if self.state_name == "failed":
            await self._end()
            raise LifespanError(self._failure)

    async def stop(self) -> None:
        """Run the application's shutdown, if its start-up was run.

        Raises:
            LifespanError: it failed, or the application raised after its start-up.
        """
        if self.state_name == "ready":
            self._move("stopping")
            if self._task is not None and self._task.done():  # it had nothing to shut down
                self._move("stopped")
            self._messages.put_nowait({"type": "lifespan.shutdown"})
            await self._wait_while("stopping")
            await self._end()
        if self.state_name == "failed":
            raise LifespanError(self._failure)

    async def _end(self) -> None:
        """Let the application return; it has nothing to do any more."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=_RETURN_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])

    def _move(self, state_name: str) -> None:
        if state_name not in TRANSITIONS[self.state_name]:
            raise RuntimeError(f"a lifespan that is {self.state_name} cannot become {state_name}")
        self.state_name = state_name
        self._changed.set()

    async def _wait_while(self, state_name: str) -> None:
        while self.state_name == state_name:
            self._changed.clear()
            await self._changed.wait()

    async def _run(self, state: dict[str, Any]) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
        }
        failure: BaseException | None = None
        try:
            await self._application(scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except (Exception, SystemExit) as exc:  # sys.exit("no database") is a way to refuse
            failure = exc
        self._returned(failure)

    def _returned(self, failure: BaseException | None) -> None:
        """The application has ended its lifespan, by an exception or without."""
        is_refusal = isinstance(failure, SystemExit)
        if self.state_name == "starting" and self._mode == "auto" and not is_refusal:
            self._tell_unsupported(failure)
            self._move("unsupported")
        elif self.state_name in ("starting", "ready", "stopping"):
            self._ended(failure)

    def _tell_unsupported(self, failure: BaseException | None) -> None:
        if self._has_received and failure is not None:
            logger.warning(
                "the application raised %r in its lifespan start-up, and is served without it; "
                "the lifespan mode 'on' makes that an error",
                failure,
            )
        else:
            logger.info("the application does not support the lifespan protocol")
        logger.debug("it has ended its lifespan at the beginning", exc_info=failure)

    def _ended(self, failure: BaseException | None) -> None:
        """The application has ended its lifespan without saying that it is complete."""
        if self.state_name == "ready" and failure is None:
            return  # it has nothing to shut down
        if failure is None:
            self._failure = "the application has ended its lifespan too early"
        else:
            logger.error("Exception in the lifespan of the ASGI application", exc_info=failure)
            self._failure = f"the application raised {failure!r}"
        self._move("failed")

    async def _receive(self) -> dict[str, str]:
        message = await self._messages.get()
        self._has_received = True
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and self.state_name == "starting":
            self._move("ready")
        elif kind == "lifespan.shutdown.complete" and self.state_name == "stopping":
            self._move("stopped")
        elif (kind, self.state_name) in (
            ("lifespan.startup.failed", "starting"),
            ("lifespan.shutdown.failed", "stopping"),
        ):
            phase = "start-up" if self.state_name == "starting" else "shutdown"
            self._failure = message.get("message", "") or f"the {phase} of the application failed"
            self._move("failed")
        else:
            raise RuntimeError(f"Unexpected ASGI message {kind!r} while {self.state_name}")
