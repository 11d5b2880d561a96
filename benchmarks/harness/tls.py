"""Questions about TLS servers: what EchoQuestion asks, over TLS.

There is no C server to compare with; aiofastnet takes part, on uvloop. All use the OpenSSL of the
interpreter's ssl module. The load generator cannot be compiled without OpenSSL's headers: where
they are missing, these cases run only when they are named, and fail.
"""

import asyncio
import dataclasses
import ssl
from collections.abc import Sequence

from benchmarks.harness.contenders import ROOT, Contender
from benchmarks.harness.echo import BACKLOG, HOST, Address, EchoQuestion
from benchmarks.harness.echo_protocol import KEPT, EchoProtocol
from benchmarks.harness.load import has_header
from benchmarks.harness.question import Case

CERTIFICATES = ROOT / "tests" / "support" / "certificates"
AIOFASTNET = Contender("aiofastnet", "benchmarks.harness.aiofastnet_loop:new_event_loop")


class TlsQuestion(EchoQuestion):
    """A way to write a TLS server with asyncio."""

    generator = "tls_generator"

    def __init__(self, cases: Sequence[Case]) -> None:
        super().__init__(start_tls_server, cases)
        if not has_header("openssl/ssl.h"):
            self.cases = [dataclasses.replace(case, optional=True) for case in cases]

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        """Add aiofastnet where its loop, uvloop, takes part."""
        names = [contender.name for contender in loops]
        return (*loops, AIOFASTNET) if "uvloop" in names else loops


async def start_tls_server(loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    """Listen on a free port and return its address; the loop keeps the server alive."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem")
    server = await loop.create_server(EchoProtocol, HOST, 0, backlog=BACKLOG, ssl=context)
    KEPT.append(server)
    host, port = server.sockets[0].getsockname()
    return host, port
