"""Every method of a transport that is lost, whose loop is closed, or that nobody ought to have."""

import asyncio
import contextlib

import pytest

from tests.core.conftest import make_loop
from tests.support.sockets import unix_pair
from tests.support.streams import connected
from tests.support.waiting import turns
from tests.transports.unclosed import drop_and_expect_warning


def connect(loop, sock):
    """Return a transport and its protocol."""
    return loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=sock))


METHODS = [
    lambda t: t.write(b"x"),
    lambda t: t.writelines([b"x", b"y"]),
    lambda t: t.write_eof(),
    lambda t: t.close(),
    lambda t: t.abort(),
    lambda t: t.pause_reading(),
    lambda t: t.resume_reading(),
    lambda t: t.is_reading(),
    lambda t: t.is_closing(),
    lambda t: t.can_write_eof(),
    lambda t: t.get_write_buffer_size(),
    lambda t: t.get_write_buffer_limits(),
    lambda t: t.set_write_buffer_limits(0),
    lambda t: t.set_write_buffer_limits(high=10, low=5),
    lambda t: t.get_protocol(),
    lambda t: t.set_protocol(asyncio.Protocol()),
    lambda t: t.get_extra_info("socket"),
    lambda t: t.get_extra_info("peername"),
    lambda t: t.get_extra_info("sockname"),
    lambda t: t.get_extra_info("nothing", 1),
    lambda t: t._fatal_error(OSError()),
    lambda t: t._force_close(None),
    lambda t: t._extra,
    lambda t: t._sock,
    lambda t: t._buffer,
    repr,
    hash,
]


async def test_methods_of_lost_transport_are_harmless():
    async with connected() as (transport, protocol, _):
        transport.abort()
        await protocol.closed

        for method in METHODS:
            method(transport)

        assert transport.is_closing()
        await turns(2)
    assert protocol.calls == ["connection_made", "connection_lost"]


@pytest.mark.parametrize("buffered", [0, 10_000_000], ids=["idle", "with_output"])
def test_methods_of_transport_of_closed_loop_are_harmless(buffered):
    loop = make_loop()
    with unix_pair() as (ours, _):
        kept = [*connect(loop, ours)]
        kept[0].write(bytes(buffered))
        loop.close()

        for method in METHODS:
            with contextlib.suppress(RuntimeError):  # Event loop is closed
                method(kept[0])

        drop_and_expect_warning(kept)


def test_methods_of_transport_made_by_hand_are_harmless(loop):
    with unix_pair() as (ours, _):
        transport, _ = connect(loop, ours)
        made_by_hand = type(transport).__new__(type(transport))

        for method in METHODS:
            with contextlib.suppress(TypeError, RuntimeError):
                method(made_by_hand)

        assert made_by_hand.is_closing()
        transport.abort()
        loop.run_until_complete(turns(2))


def test_transport_cannot_be_constructed_or_subclassed(loop):
    with unix_pair() as (ours, _):
        transport, _ = connect(loop, ours)

        with pytest.raises(TypeError, match="transports are made by create_connection"):
            type(transport)()
        with pytest.raises(TypeError, match="not an acceptable base type"):
            type("Sub", (type(transport),), {})

        transport.abort()
        loop.run_until_complete(turns(2))
