"""EventLoop has every method and attribute that compiled code uses of the classes above it."""

from ngxloop import EventLoop
from ngxloop.core.callbacks import LoopCallbacks


def callbacks_of(loop: EventLoop) -> LoopCallbacks:
    return loop
