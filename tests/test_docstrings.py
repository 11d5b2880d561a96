"""Every public name tells what it is for: help() has something to say."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import ngxloop
from ngxloop import EventLoop
from ngxloop.transports import datagram, listener, pipe_read, pipe_write, stream, tls

TRANSPORTS = [
    datagram.DatagramTransport,
    listener.Listener,
    pipe_read.ReadPipeTransport,
    pipe_write.WritePipeTransport,
    stream.StreamTransport,
    tls.TlsTransport,
]


def public_methods(cls: type) -> dict[str, object]:
    """Return the methods of a class, but those that asyncio's own code brings."""
    methods = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
    return {
        name: method
        for name, method in methods.items()
        if callable(method) and not (getattr(method, "__module__", "") or "").startswith("asyncio.")
    }


def modules() -> list[ModuleType]:
    found = pkgutil.walk_packages(ngxloop.__path__, "ngxloop.")
    return [importlib.import_module(module.name) for module in found]


def public_names_of(module: ModuleType) -> dict[str, object]:
    """Return the classes and functions that a module defines for others."""
    return {
        f"{module.__name__}.{name}": value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (inspect.isclass(value) or inspect.isroutine(value))
    }


def test_public_names_of_the_package_are_documented():
    names = {name: getattr(ngxloop, name) for name in ngxloop.__all__ if name[0] != "_"}

    assert not [name for name, value in names.items() if not inspect.getdoc(value)]


@pytest.mark.parametrize("cls", [EventLoop, *TRANSPORTS], ids=lambda cls: cls.__name__)
def test_public_methods_are_documented(cls):
    assert not [name for name, value in public_methods(cls).items() if not inspect.getdoc(value)]


def test_modules_and_what_they_define_are_documented():
    names: dict[str, object] = {module.__name__: module for module in modules()}
    for module in modules():
        names.update(public_names_of(module))

    assert len(names) > 300
    assert not [name for name, value in names.items() if not getattr(value, "__doc__", None)]
