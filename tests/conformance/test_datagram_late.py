"""sendto() between close() or abort() and connection_lost()."""

import asyncio

import pytest

from tests.support.datagrams import RecordingEndpoint, endpoint, udp_socket
from tests.support.waiting import DEADLINE

TOO_LARGE = bytes(70_000)


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_an_endpoint_without_a_remote_address_still_sends(end):
    async with endpoint() as (transport, protocol, _):
        with udp_socket() as peer:
            peer.settimeout(DEADLINE)
            getattr(transport, end)()
            transport.sendto(b"late", peer.getsockname())

            assert peer.recv(100) == b"late"
            await protocol.closed


async def test_an_endpoint_with_a_remote_address_does_not():
    loop = asyncio.get_running_loop()
    with udp_socket() as peer:
        transport, protocol = await loop.create_datagram_endpoint(
            RecordingEndpoint, remote_addr=peer.getsockname()
        )
        transport.close()
        transport.sendto(b"late")
        await protocol.closed

        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(100)


async def test_errors_of_what_is_sent_late_are_told():
    class Closing(RecordingEndpoint):
        def error_received(self, exc):
            errors.append(exc)
            self.transport.close()

    errors: list[Exception] = []
    async with endpoint(Closing) as (transport, protocol, address):
        transport.sendto(TOO_LARGE, address)
        transport.sendto(TOO_LARGE, address)
        await protocol.closed

    assert [type(exc) for exc in errors] == [OSError, OSError]
