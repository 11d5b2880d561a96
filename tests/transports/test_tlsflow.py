"""How the data of a TLS connection reaches the kernel."""

from tests.support.syscalls import calls_between_marks, needs_strace

WRITE = """
    import asyncio, os
    import ngxloop
    from tests.support.protocols import RecordingProtocol
    from tests.support.tls import tls_connection
    from tests.support.waiting import wait_until

    async def main():
        async with tls_connection(RecordingProtocol) as (transport, _, server):
            os.getppid()
            transport.write(bytes(102_400))
            await wait_until(lambda: len(server.received) == 102_400)
            os.getppid()

    ngxloop.run(main())
"""


@needs_strace
def test_a_message_of_100_kib_leaves_in_one_call():
    calls = calls_between_marks(WRITE, "sendto", "sendmsg")

    assert calls["sendto"] + calls["sendmsg"] == 1
