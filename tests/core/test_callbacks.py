"""Compiled code uses of the classes above it what ngxloop.core.callbacks lists, and no more."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngxloop import EventLoop
from ngxloop.core.callbacks import FdOwner, FdWatcher, LoopCallbacks, SlotOwner
from ngxloop.core.watch import Watcher
from ngxloop.transports.connecting import StreamConnecting
from ngxloop.transports.listener import Listener
from ngxloop.transports.transport import Transport
from tests.support.imports import NO_CODE

PACKAGE = Path(__file__).parents[2] / "ngxloop"
CORE = sorted((PACKAGE / "core").glob("*.pyx"))
COMPILED = CORE + sorted((PACKAGE / "transports").glob("*.pyx"))

# The compiled classes of which a loop is made, and the files that hold them.
LOOP_CLASSES = {
    "Polling": "polling",
    "Waiting": "waiting",
    "Reactor": "reactor",
    "Stepping": "stepping",
    "LoopAttributes": "attributes",
    "Scheduling": "scheduling",
    "FdWatching": "watch",
    "SockCalls": "sockops",
}

DECLARATION = re.compile(r"^\s+c?def (?:[\w.]+\*{0,2} )*(\w+) *(?=[(=]|$)", re.MULTILINE)
BLOCK = re.compile(r"^(?=\S)", re.MULTILINE)
CLASS = re.compile(r"cdef class (\w+)")
USED_OF_LOOP = re.compile(r"\b(?:loop|_loop|reactor|polling)\.(\w+)")
USED_OF_SELF = re.compile(r"\bself\.(\w+)")
USED_OF_OWNER = re.compile(r"(?:<object>\w+\.owner\)|\b(?:owner|watcher))\.(\w+)")


def code_of(path: Path) -> str:
    """Return a source without comments and long strings."""
    return NO_CODE.sub("", path.read_text())


def names_of_loop(text: str) -> Iterator[str]:
    """Give every attribute that a source uses of a loop, by whatever name it has one."""
    for block in BLOCK.split(text):
        yield from USED_OF_LOOP.findall(block)
        found = CLASS.match(block)
        if found and found[1] in LOOP_CLASSES:
            yield from USED_OF_SELF.findall(block)


def own_names() -> set[str]:
    """Return what the compiled loop classes declare; that of others in their files as well."""
    sources = [
        PACKAGE / "core" / f"{name}{end}"
        for name in LOOP_CLASSES.values()
        for end in (".pxd", ".pyx")
    ]
    return {name for path in sources for name in DECLARATION.findall(code_of(path))}


def members(protocol: type) -> dict[str, object]:
    """Return the methods and properties of a protocol, without those of the classes above it."""
    return {
        name: value
        for name, value in vars(protocol).items()
        if not name.startswith("__") and (inspect.isfunction(value) or isinstance(value, property))
    }


def is_special(name: str) -> bool:
    return name.startswith("__")


def test_compiled_code_uses_of_the_loop_what_it_declares_and_the_callbacks():
    used = {name for path in COMPILED for name in names_of_loop(code_of(path))}
    upwards = {name for name in used - own_names() if not is_special(name)}

    assert upwards == set(members(LoopCallbacks))


def test_the_core_uses_of_owners_of_slots_what_the_protocols_list():
    used = {name for path in CORE for name in USED_OF_OWNER.findall(code_of(path))}
    fields = set(DECLARATION.findall(code_of(PACKAGE / "core" / "watch.pxd")))
    expected = set(members(SlotOwner)) | set(members(FdOwner)) | set(members(FdWatcher))

    assert {name for name in used - fields if not is_special(name)} == expected


@pytest.mark.parametrize("name", sorted(members(LoopCallbacks)))
def test_event_loop_has_the_callback(name):
    promised = members(LoopCallbacks)[name]
    found = getattr(EventLoop, name)

    if isinstance(promised, property):
        assert not callable(found)
        return
    arguments = list(inspect.signature(promised).parameters)
    inspect.signature(found).bind(*arguments)


@pytest.mark.parametrize(
    ("owner", "protocols"),
    [
        (Transport, [SlotOwner, FdOwner]),
        (Listener, [SlotOwner, FdOwner]),
        (StreamConnecting, [SlotOwner, FdOwner]),
        (Watcher, [SlotOwner, FdWatcher]),
    ],
    ids=["transport", "listener", "connecting", "watcher"],
)
def test_owners_of_slots_have_what_the_core_calls(owner, protocols):
    assert all(callable(getattr(owner, name)) for each in protocols for name in members(each))


@pytest.mark.parametrize("protocol", [LoopCallbacks, SlotOwner, FdOwner, FdWatcher])
def test_every_callback_has_its_contract(protocol):
    assert all(value.__doc__ for value in members(protocol).values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cdef class Reactor(Polling):\n    cdef f(self):\n        self._up(self.down)",
            ["_up", "down"],
        ),
        ("cdef class Waker:\n    cdef f(self):\n        self._up()", []),
        ("cdef f(Handle handle):\n    handle._loop._up(1)", ["_up"]),
        ("cdef f(Reactor reactor):\n    reactor.queue.count += 1", ["queue"]),
        ("cdef f(self):\n    self.loop._up()", ["_up"]),
    ],
    ids=["self", "another_self", "loop_of_a_handle", "attribute_of_an_attribute", "loop_of_self"],
)
def test_uses_of_a_loop_are_found(text, expected):
    assert list(names_of_loop(text)) == expected
