"""The addresses that create_server binds: families, what is skipped, what is refused."""

import asyncio
import errno
import socket
import sys

import pytest

from tests.support.protocols import EchoProtocol
from tests.support.sockets import needs_ipv6

# An address that no interface has: TEST-NET-1, RFC 5737.
NOBODYS = "192.0.2.1"


@needs_ipv6
async def test_a_server_for_ipv6_leaves_ipv4_alone():
    loop = asyncio.get_running_loop()
    async with await loop.create_server(EchoProtocol, "::", 0) as server:
        (sock,) = server.sockets

        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


@pytest.mark.skipif(sys.version_info < (3, 13), reason="before 3.13 it raises")
async def test_an_address_that_no_interface_has_is_skipped_if_there_is_another():
    loop = asyncio.get_running_loop()
    async with await loop.create_server(EchoProtocol, [NOBODYS, "127.0.0.1"], 0) as server:
        listening = [sock.getsockname()[0] for sock in server.sockets]

    assert listening == ["127.0.0.1"]


async def test_an_address_that_no_interface_has_is_named_if_it_is_the_only_one():
    with pytest.raises(OSError, match=NOBODYS) as raised:
        await asyncio.get_running_loop().create_server(EchoProtocol, NOBODYS, 0)

    if sys.version_info < (3, 13):
        assert raised.value.errno == errno.EADDRNOTAVAIL
    else:
        assert "could not bind on any address out of" in str(raised.value)


async def test_a_port_of_each_family_is_bound_only_for_families_asked_for():
    loop = asyncio.get_running_loop()
    async with await loop.create_server(
        EchoProtocol, "localhost", 0, family=socket.AF_INET
    ) as server:
        families = {sock.family for sock in server.sockets}

    assert families == {socket.AF_INET}


async def test_a_host_that_cannot_be_resolved_is_refused():
    with pytest.raises(socket.gaierror):
        await asyncio.get_running_loop().create_server(
            EchoProtocol, "256.256.256.256", 0, flags=socket.AI_NUMERICHOST
        )


async def test_reuse_address_is_on_by_default_and_can_be_switched_off():
    loop = asyncio.get_running_loop()
    values = []
    for options in ({}, {"reuse_address": False}):
        async with await loop.create_server(EchoProtocol, "127.0.0.1", 0, **options) as server:
            (sock,) = server.sockets
            values.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))

    assert values == [1, 0]
