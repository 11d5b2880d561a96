"""python -m tests.support.half_made FILE: misuse every compiled class, made every way Python knows.

How it works. An object whose __init__ never ran, or failed, can be had by __new__, by copying and
by unpickling. Every method of every such object is called with arguments that mean nothing, and
every attribute is set and deleted. What comes of it must be an exception of a user's mistake; a
crash ends this process. A call that waits is ended by an alarm. FILE holds what was tried last: it
is mapped, for a line on stderr before each of a million calls took half of the time.

Ways that give an object in the same state, __init__ not having run, share the arguments among them.
"""

import asyncio
import copyreg
import faulthandler
import gc
import importlib
import importlib.machinery
import importlib.util
import itertools
import mmap
import os
import pickle
import pkgutil
import resource
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import ngxloop
from ngxloop.core.scoreboard import Scoreboard

# Seconds after which a call is interrupted: it may wait for events that nothing here can cause.
PATIENCE = 0.02

# Exceptions that tell of a mistake of ours, not of the caller.
OURS = (SystemError, AssertionError, UnboundLocalError, MemoryError)

ARGUMENTS = [None, -1, 1 << 70, float("nan"), b"bytes", object(), int, []]
COUNTS = (1, 2, 4)
SAME_FOR_EACH = {"__class__", "__init_subclass__", "__subclasshook__"}


NOTE_BYTES = 4096


class LastTried:
    """The text of the last attempt, in a file that outlives a crash."""

    def __init__(self, path: str) -> None:
        with open(path, "w+b") as file:
            os.truncate(file.fileno(), NOTE_BYTES)
            self._memory = mmap.mmap(file.fileno(), NOTE_BYTES)

    def note(self, what: str) -> None:
        """Write over the text of the attempt before."""
        line = what.encode()[: NOTE_BYTES - 1] + b"\n"
        self._memory[: len(line)] = line


last_tried: LastTried


class TookTooLongError(Exception):
    """A call that waited has been interrupted."""


def call(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call; everything that an alarm may interrupt has this function among its callers."""
    return function(*args)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """End a call; what surrounds it, which the alarm may strike as well, goes on."""
    while frame is not None:
        if frame.f_code is call.__code__:
            raise TookTooLongError
        frame = frame.f_back


def compiled_classes() -> list[type]:
    """Return every class of every compiled module, those a user cannot name too."""
    classes = {}
    for found in pkgutil.walk_packages(ngxloop.__path__, "ngxloop."):
        spec = importlib.util.find_spec(found.name)
        if spec and isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
            module = importlib.import_module(found.name)
            found_here = [value for value in vars(module).values() if is_compiled(value)]
            classes.update({cls: None for cls in found_here if cls.__module__ == found.name})
    return list(classes)


def is_compiled(value: object) -> bool:
    """Tell a class with a C struct from the Python classes that stand in the same module."""
    heap_type = 1 << 9
    return isinstance(value, type) and not value.__flags__ & heap_type


def subclass(cls: type) -> type:
    return type("Subclass", (cls,), {})


def unpickled(cls: type) -> Any:
    return pickle.loads(f"c{cls.__module__}\n{cls.__name__}\n)\x81.".encode("latin-1"))


WAYS: dict[str, Callable[[Any], Any]] = {
    "call": lambda cls: cls(),
    "call with a loop": lambda cls: cls(ngxloop.new_event_loop()),
    "new": lambda cls: cls.__new__(cls),
    "object.new": object.__new__,
    "copyreg": copyreg.__newobj__,
    "reconstructor": lambda cls: copyreg._reconstructor(cls, object, None),
    "unpickled": unpickled,
    "subclass": lambda cls: subclass(cls)(),
    "new of a subclass": lambda cls: (kind := subclass(cls)).__new__(kind),
    "new with a number": lambda cls: cls.__new__(cls, 3),
    "new with a negative number": lambda cls: cls.__new__(cls, -1),
    "new with a huge number": lambda cls: cls.__new__(cls, 1 << 40),
    "new with None": lambda cls: cls.__new__(cls, None, None),
    "new with a scoreboard": lambda cls: cls.__new__(cls, Scoreboard(1), 0),
    "new with too small a scoreboard": lambda cls: cls.__new__(cls, Scoreboard(1), 7),
}

# __new__ alone, by whatever name.
SAME_STATE = ("new", "object.new", "copyreg", "reconstructor", "unpickled")


def argument_lists() -> Iterator[tuple[Any, ...]]:
    """Give what the methods are called with."""
    yield ()
    for argument, count in itertools.product(ARGUMENTS, COUNTS):
        yield (argument,) * count
    yield from itertools.product([int, -1, None], repeat=2)


def attempt(what: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call and forgive what a wrong call raises; note first what is tried."""
    last_tried.note(what)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, PATIENCE)
    try:
        result = call(function, args)
    except OURS as exc:
        print(f"{what}{args!r:.100}: {exc!r}")
        return None
    except (Exception, KeyboardInterrupt):
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if asyncio.iscoroutine(result):
        result.close()
    return result


def arguments_of(way_name: str) -> list[tuple[Any, ...]]:
    """Return the argument lists that fall to a way: every nth, if n ways do the same."""
    group = SAME_STATE if way_name in SAME_STATE else (way_name,)
    return list(argument_lists())[group.index(way_name) :: len(group)]


def misuse(label: str, make: Callable[[], Any], lists: list[tuple[Any, ...]]) -> None:
    """Do everything to objects that `make` gives."""
    for args in lists:
        victim = make()
        names = [name for name in dir(victim) if name not in SAME_FOR_EACH]
        for name in names:
            member = attempt(f"get {label}.{name}", getattr, victim, name)
            if callable(member):
                attempt(f"call {label}.{name}", member, *args)
        if len(args) == 1:
            for name in names:
                attempt(f"set {label}.{name}", setattr, victim, name, *args)
    victim = make()
    for name in dir(victim):
        if name not in SAME_FOR_EACH:
            attempt(f"del {label}.{name}", delattr, victim, name)


def main() -> None:
    """Misuse all; what must not have happened is printed, then how many objects there were."""
    global last_tried  # noqa: PLW0603 - what a crash leaves behind
    last_tried = LastTried(sys.argv[1])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # loops with callbacks stay, unclosed
    warnings.simplefilter("ignore")
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _interrupt)
    made = 0
    classes = compiled_classes()
    gc.freeze()
    for cls in classes:
        for way_name, way in WAYS.items():
            gc.collect()  # loops that were not closed have descriptors
            if attempt(f"make {cls.__name__}: {way_name}", way, cls) is not None:
                made += 1
                label = f"{cls.__name__} ({way_name})"
                misuse(label, lambda way=way, cls=cls: way(cls), arguments_of(way_name))
    print(f"{made} made and misused")


if __name__ == "__main__":
    main()
