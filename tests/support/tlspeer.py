"""A TLS end that no event loop drives: an SSLObject over a non-blocking socket."""

import contextlib
import socket
import ssl

from tests.support.tls import client_context, server_context
from tests.support.waiting import wait_until


class TlsPeer:
    """The other end of a connection under test; nothing happens unless a test says so."""

    def __init__(
        self, sock: socket.socket, *, server_side: bool, context: ssl.SSLContext | None = None
    ) -> None:
        self.sock = sock
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        context = context or (server_context() if server_side else client_context())
        self.ssl_object = context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=server_side,
            server_hostname=None if server_side else "localhost",
        )

    def flush(self) -> None:
        """Send the ciphertext there is; it must fit into the kernel's buffer."""
        data = self.outgoing.read()
        assert not data or self.sock.send(data) == len(data)

    def pump(self) -> None:
        """Take what has come, and the end of the stream."""
        with contextlib.suppress(BlockingIOError):
            while data := self.sock.recv(65536):
                self.incoming.write(data)
            self.incoming.write_eof()

    async def handshake(self) -> None:
        """Shake hands; the loop under test must be doing the same."""

        def done() -> bool:
            self.pump()
            try:
                self.ssl_object.do_handshake()
            except ssl.SSLWantReadError:
                return False
            finally:
                self.flush()
            return True

        await wait_until(done, "the peer's handshake")

    def send(self, data: bytes) -> None:
        """Encrypt and send."""
        self.ssl_object.write(data)
        self.flush()

    def ciphertext(self, data: bytes) -> bytes:
        """Encrypt, and leave the sending to the test."""
        self.ssl_object.write(data)
        return self.outgoing.read()

    def say_goodbye(self) -> None:
        """Send a close_notify."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.ssl_object.unwrap()
        self.flush()

    async def receive(self, size: int) -> bytes:
        """Receive exactly size bytes of plaintext."""
        received = bytearray()

        def complete() -> bool:
            self.pump()
            with contextlib.suppress(ssl.SSLWantReadError):
                while len(received) < size:
                    chunk = self.ssl_object.read(size - len(received))
                    assert chunk, f"goodbye after {len(received)} of {size} bytes"
                    received.extend(chunk)
            self.flush()
            return len(received) == size

        await wait_until(complete, f"{size} bytes of plaintext")
        return bytes(received)

    async def receive_goodbye(self) -> bytes:
        """Receive up to the close_notify; return the plaintext before it."""
        received = bytearray()

        def ended() -> bool:
            self.pump()
            try:
                while chunk := self.ssl_object.read(65536):
                    received.extend(chunk)
            except ssl.SSLWantReadError:
                return False
            except ssl.SSLZeroReturnError:  # instead of b"", if we have said goodbye before
                pass
            return True

        await wait_until(ended, "the close_notify")
        return bytes(received)
