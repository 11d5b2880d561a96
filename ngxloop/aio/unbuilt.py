"""Hooks of BaseEventLoop that have no transport yet; each says so in one sentence."""

from typing import Any, NoReturn


def _not_built(what: str) -> Any:
    def hook(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"ngxloop {what} yet; use asyncio's own event loop for it")

    return hook


class UnbuiltHooks:
    """Pipes and processes."""

    _make_read_pipe_transport = _not_built("has no pipe transport")
    _make_write_pipe_transport = _not_built("has no pipe transport")

    async def _make_subprocess_transport(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            "ngxloop starts no processes yet; use subprocess in an executor or asyncio's own loop"
        )
