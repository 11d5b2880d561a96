"""How an application runs that is no coroutine function."""

from typing import Any


async def run_application(application: Any, scope: Any, receive: Any, send: Any) -> None:
    """Call an ASGI application and await what it returns."""
    await application(scope, receive, send)
