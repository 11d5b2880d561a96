"""Every public name that asyncio's transports, handles and loops have exists on ngxloop's.

Generated from the classes of the running version of Python, so that a new name is missed at once.
"""

import asyncio
import inspect
from asyncio import events, selector_events, sslproto, unix_events

import pytest

import ngxloop
from ngxloop.core.handle import Handle
from ngxloop.core.threadsafe_handle import ThreadsafeHandle
from ngxloop.core.timers import TimerHandle
from ngxloop.transports.datagram import DatagramTransport
from ngxloop.transports.pipe_read import ReadPipeTransport
from ngxloop.transports.pipe_write import WritePipeTransport
from ngxloop.transports.stream import StreamTransport
from ngxloop.transports.tls import TlsTransport
from tests.support.sockets import unix_pair

PAIRS = {
    StreamTransport: selector_events._SelectorSocketTransport,
    TlsTransport: sslproto._SSLProtocolTransport,
    DatagramTransport: selector_events._SelectorDatagramTransport,
    ReadPipeTransport: unix_events._UnixReadPipeTransport,
    WritePipeTransport: unix_events._UnixWritePipeTransport,
    Handle: asyncio.Handle,
    TimerHandle: asyncio.TimerHandle,
    ThreadsafeHandle: getattr(events, "_ThreadSafeHandle", asyncio.Handle),
    ngxloop.EventLoop: asyncio.SelectorEventLoop,
}

# What ngxloop has besides, by the class that brings it.
ADDED = {
    StreamTransport: {"set_reusable"},
    DatagramTransport: {"set_reusable"},
    # One base class for both ends of a pipe.
    ReadPipeTransport: {"abort", "get_write_buffer_limits", "set_write_buffer_limits"},
    # Public since Python 3.12; there is no reason to leave it out before.
    Handle: {"get_context"},
    TimerHandle: {"get_context"},
    ThreadsafeHandle: {"get_context"},
    ngxloop.EventLoop: {
        "abort_handshakes",
        "poll_count",
        "set_accept_gate",
        "set_busy_poll",
        "set_handshake_refusal",
        "set_slow_callback_hook",
        "set_write_coalescing",
        "slow_callback_duration",  # asyncio sets it in __init__
        "stats",
        "turn_count",
    },
}

# Methods that take what they pass on to asyncio's own: the versions differ.
PASSED_ON = {"create_task", "create_datagram_endpoint"}
# asyncio documents `nbytes`, and calls it `n` in this class alone.
DOCUMENTED_OTHERWISE = {"sock_recv"}

CLASSES = pytest.mark.parametrize(
    ("ours", "theirs"), PAIRS.items(), ids=[ours.__name__ for ours in PAIRS]
)


def public_names(owner: type) -> set[str]:
    return {name for name in dir(owner) if not name.startswith("_")}


def parameters(method) -> list[tuple[str, object, bool]]:
    """Return name, kind and whether there is a default, of all parameters but the first."""
    found = list(inspect.signature(method).parameters.values())[1:]
    return [(one.name, one.kind, one.default is one.empty) for one in found]


@CLASSES
def test_every_public_name_of_asyncios_exists(ours, theirs):
    assert public_names(theirs) - public_names(ours) == set()


@CLASSES
def test_nothing_is_added_unintentionally(ours, theirs):
    added = public_names(ours) - public_names(theirs)

    assert added <= ADDED.get(ours, set())


@CLASSES
def test_methods_take_the_arguments_that_asyncios_take(ours, theirs):
    names = public_names(ours) & public_names(theirs) - PASSED_ON - DOCUMENTED_OTHERWISE
    methods = [name for name in sorted(names) if callable(getattr(theirs, name))]
    differing = {
        name: (parameters(getattr(ours, name)), parameters(getattr(theirs, name)))
        for name in methods
        if parameters(getattr(ours, name)) != parameters(getattr(theirs, name))
    }

    assert methods
    assert differing == {}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("write", (b"data",)),
        ("writelines", ([b"data"],)),
        ("write_eof", ()),
        ("can_write_eof", ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_datagram_endpoint_refuses_what_only_streams_can(name, arguments):
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))

    with pytest.raises(NotImplementedError):
        getattr(transport, name)(*arguments)

    transport.close()


@pytest.mark.parametrize("name", ["is_reading", "pause_reading", "resume_reading"])
async def test_the_writing_end_of_a_pipe_refuses_to_read(name):
    with unix_pair() as (ours, _):
        transport, _ = await asyncio.get_running_loop().connect_write_pipe(
            asyncio.BaseProtocol, ours
        )

        with pytest.raises(NotImplementedError):
            getattr(transport, name)()

        transport.close()
