"""The ASGI extension tls, where no launcher has made the context."""

import asyncio
import contextlib
import json
import ssl

import pytest

from ngxloop.http import serve
from ngxloop.http.tlsextension import distinguished_name
from tests.support.streams import address_of
from tests.support.tls import client_context, server_context


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ((), ""),
        (((("commonName", "a"),),), "CN=a"),
        (((("countryName", "DE"),), (("commonName", "a"),)), "CN=a,C=DE"),
        (((("commonName", "a"), ("userId", "7")),), "CN=a+UID=7"),
        (((("commonName", ' a+b,"c" '),),), r"CN=\ a\+b\,\"c\"\ "),
        (((("commonName", "#1"),),), r"CN=\#1"),
        (((("commonName", "\\<>;\0"),),), r"CN=\\\<\>\;\00"),
        (((("commonName", " "),),), "CN=\\ "),
        (((("emailAddress", "a@b"),),), "emailAddress=a@b"),
    ],
)
def test_subject_is_written_as_rfc_4514_wants_it(subject, text):
    assert distinguished_name(subject) == text


async def test_request_over_any_context_has_the_extension():
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        body = json.dumps([scope["scheme"], scope["extensions"].get("tls")]).encode()
        scope["extensions"]["tls"]["changed"] = True
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    listening = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(app, "127.0.0.1", 0, ssl=server_context(), listening=listening.set_result)
    )
    host, port = address_of(await listening)
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname="localhost"
    )
    for _ in range(2):
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split()[0])
        scheme, tls = json.loads(await reader.readexactly(size))
        assert scheme == "https"
        assert tls == {
            "server_cert": None,
            "client_cert_chain": [],
            "client_cert_name": None,
            "client_cert_error": None,
            "tls_version": 0x0303,
            "cipher_suite": tls["cipher_suite"],
        }
        assert tls["cipher_suite"] > 0
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
