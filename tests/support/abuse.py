"""Programs that do to a loop what nobody should, each in a process under the debug allocator."""

from tests.support.programs import run_program

_PRELUDE = """
    import asyncio, contextlib, gc, logging, os, socket, threading, warnings
    from ngxloop import EventLoop

    # Debug mode warns of callbacks that were slow, as all are on a busy machine.
    logging.getLogger("asyncio").setLevel(logging.ERROR)

    def pair():
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.setblocking(False)
        return ours, peer
"""


def run_abuse(program: str) -> None:
    """Run a program that must neither crash, nor hang, nor write a word on stderr."""
    run_program(_PRELUDE + program)
