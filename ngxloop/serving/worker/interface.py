"""Which kind of application an object is, and the adapter that serves it."""

import asyncio
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

from ngxloop.serving.base.application import kind_of, takes
from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.options.values import AUTO
from ngxloop.serving.worker.adapters.base import Adapter

_ADAPTERS = "ngxloop.serving.worker.adapters."
_PACKAGES = ("aiohttp", "uvicorn")  # which adapters need


def find_adapter(application: Any, config: Config) -> type[Adapter]:
    """Return the adapter class that serves an application as configured.

    Raises:
        StartError: See choose_adapter(); or it does not have an option that is set.
    """
    adapter = choose_adapter(application, config.interface, config.app)
    try:
        config.check_interface(adapter.name)
    except ConfigError as error:
        line = f"--{error.option}: {error.problem}"
        raise StartError(ExitCode.USAGE, line) from error
    return adapter


def choose_adapter(application: Any, interface: str, target: str) -> type[Adapter]:
    """Return the adapter class for the application.

    Args:
        application: What the user's module gave, or its factory made.
        interface: A name from config.INTERFACES; auto finds out.
        target: How the user named it, for the message.

    Raises:
        StartError: It is no application of that kind, or a package is missing that serves it.
    """
    tests = _DETECTORS if interface == AUTO else {interface: _RECOGNISERS[interface]}
    for name, recognises in tests.items():
        if recognises(application):
            return _import_adapter(name, target)
    found, wanted = kind_of(application), _DESCRIPTIONS[interface]
    raise StartError(
        ExitCode.NOT_AN_APPLICATION,
        f"{target} is {found}, not {wanted}; {_advice(application, interface)}",
    )


def _import_adapter(name: str, target: str) -> type[Adapter]:
    try:
        module = importlib.import_module(_ADAPTERS + name.replace("-", "_"))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            problem = f"{error}; a module of the application may have the name of another one"
            line = f"what serves {target} ({name}) cannot be imported: {problem}"
            raise StartError(ExitCode.IMPORT_FAILED, line, traceback.format_exc()) from error
        advice = "pip install 'ngxloop[serve]'" if package == "uvicorn" else f"install {package}"
        raise StartError(
            ExitCode.MISSING_PACKAGE,
            f"{target} is served ({name}) by {package}, which is not installed; {advice}",
        ) from error
    adapter: type[Adapter] = module.Adapter
    return adapter


def _is_aiohttp(application: Any) -> bool:
    web = sys.modules.get("aiohttp.web")  # not imported: then this cannot be one of its objects
    return web is not None and isinstance(application, web.Application)


def _is_protocol(application: Any) -> bool:
    return _is_protocol_class(application) and takes(application, 0)


def _is_stream_handler(application: Any) -> bool:
    return _is_async(application) and takes(application, 2) and not takes(application, 3)


def _is_any_stream_handler(application: Any) -> bool:
    return _is_async(application) and takes(application, 2)


def _is_main(application: Any) -> bool:
    return inspect.iscoroutinefunction(application) and takes(application, 0)


def _is_asgi(application: Any) -> bool:
    return callable(application) and not inspect.isclass(application) and takes(application, 3)


# In the order of asking: an aiohttp application can be called too.
_DETECTORS: dict[str, Callable[[Any], bool]] = {
    "aiohttp": _is_aiohttp,
    "protocol": _is_protocol,
    "streams": _is_stream_handler,
    "asgi": _is_asgi,
    "main": _is_main,
}
# If the user names the interface, less is asked: `*args` may hide a stream handler, and uvicorn
# serves ASGI 2 as well, which any callable could be.
_RECOGNISERS: dict[str, Callable[[Any], bool]] = {
    **_DETECTORS,
    "streams": _is_any_stream_handler,
    "asgi-uvicorn": callable,
}
_DESCRIPTIONS = {
    "asgi": "an ASGI 3 application",
    "asgi-uvicorn": "an ASGI application",
    "aiohttp": "an aiohttp.web.Application",
    "protocol": "an asyncio protocol class without arguments",
    "streams": "an async function of (reader, writer)",
    "main": "an async function without arguments",
    AUTO: "an application",
}


def _is_async(application: Any) -> bool:
    call = getattr(type(application), "__call__", None)  # noqa: B004 - an object with an async one
    return inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(call)


def _is_protocol_class(application: Any) -> bool:
    return inspect.isclass(application) and issubclass(application, asyncio.BaseProtocol)


def _advice(application: Any, interface: str) -> str:
    """Guess what the user meant."""
    if _is_protocol_class(application):
        return "its __init__ needs arguments: use --factory with a function that returns a class"
    if inspect.isclass(application):
        return "give an instance of it, or --factory to make one"
    if callable(application) and takes(application, 0):
        return "if it makes the application, add --factory"
    if callable(application) and takes(application, 2) and not _is_async(application):
        return "wrap a WSGI application, for example with a2wsgi"
    if interface != AUTO:
        return "leave --interface out to have it detected"
    return f"give {', '.join(_DESCRIPTIONS[name] for name in _DETECTORS)}"
