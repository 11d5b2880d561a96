"""For methods that return a coroutine without being coroutine functions: they behave as if."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any


def check_arguments(coroutine_function: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Raise TypeError in the call, as a coroutine function does, for arguments that do not fit."""
    coroutine_function(*args, **options).close()


def look_like(method: Any, original: Any) -> None:
    """Give a method that returns a coroutine the signature of a coroutine function."""
    method.__signature__ = inspect.signature(original)
    if hasattr(inspect, "markcoroutinefunction"):  # Python 3.12
        inspect.markcoroutinefunction(method)
    else:
        method._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
