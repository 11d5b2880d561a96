"""TLS of workers: certificates by name, client certificates, sessions, what speaks no TLS."""

import contextlib
import json
import os
import re
import signal
import ssl

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from ngxloop.serving.base.errors import ExitCode
from tests.serving.http_support import GET, ask, receive_answer
from tests.serving.support import connect, receive_line, wait_gone
from tests.serving.tls_support import ask_tls, shown_certificate, tls_connection
from tests.support.addresses import free_bind
from tests.support.authority import Authority

ASGI = ("web_tls:app", "--interface", "asgi")
AIOHTTP = ("aiohttp_tls:make_app", "--factory")
ECHO = ("plain:echo",)
PROTOCOL = ("plain:Echo",)
HTTP = pytest.mark.parametrize("app", [ASGI, AIOHTTP], ids=["asgi", "aiohttp"])
ALL = pytest.mark.parametrize(
    "app", [ASGI, AIOHTTP, ECHO, PROTOCOL], ids=["asgi", "aiohttp", "streams", "protocol"]
)
# As long as nine.test: a name in a hello that is not ASCII.
UNREADABLE_NAME = b"\xff" * 9


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def pair(authority):
    return authority.issue("localhost")


# ---- what is served


@HTTP
def test_http_is_served_over_tls_and_its_scheme_is_https(serve, authority, pair, app):
    server = serve(*app, *pair.options)
    server.logged(r"with 1 worker: https://127\.\S+\n")
    told = json.loads(ask_tls(server, authority).body)
    assert told["scheme"] == "https"
    with tls_connection(server, authority.client_context()) as sock:
        assert ask(sock).status == ask(sock).status == 200
    assert server.end() == 0


@pytest.mark.parametrize("app", [ECHO, PROTOCOL], ids=["streams", "protocol"])
def test_connections_of_protocols_are_encrypted(serve, authority, pair, app):
    server = serve(*app, *pair.options)
    server.logged(r"with 1 worker: tls://127\.\S+\n")
    with tls_connection(server, authority.client_context()) as sock:
        assert int(receive_line(sock)) in server.worker_pids(1)
        sock.sendall(b"there and back\n")
        assert receive_line(sock) == b"there and back\n"


@pytest.mark.parametrize(
    ("app", "chosen"), [(ASGI, "http/1.1"), (ECHO, None)], ids=["asgi", "streams"]
)
def test_http_alone_is_offered_to_clients_that_ask_for_protocols(
    serve, authority, pair, app, chosen
):
    server = serve(*app, *pair.options).serving()
    context = authority.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tls_connection(server, context) as sock:
        assert sock.selected_alpn_protocol() == chosen


def test_addresses_with_and_without_tls_side_by_side(serve, authority, pair, tmp_path):
    plain, unix = free_bind(), tmp_path / "plain.sock"
    more = ("--bind", free_bind(), "--bind", f"http://{plain}", "--bind", f"http://unix:{unix}")
    server = serve(*ASGI, *pair.options, *more)
    server.logged(rf"with 1 worker: https://\S+ http://{plain} unix:{unix}\n")
    assert json.loads(ask_tls(server, authority).body)["scheme"] == "https"
    host, _, port = plain.partition(":")
    for address in ((host, int(port)), str(unix)):
        with connect(address) as sock:
            told = json.loads(ask(sock).body)
            assert told["scheme"] == "http"
            assert told["tls"] is None


@pytest.mark.parametrize("options", [("--preload",), ("--accept", "reuseport"), ("--workers", "2")])
def test_addresses_keep_their_kind_however_workers_get_them(serve, authority, pair, options):
    plain = free_bind()
    binds = ("--bind", free_bind(), "--bind", f"http://{plain}")
    server = serve(*ASGI, *pair.options, *binds, *options).serving()
    assert ask_tls(server, authority).status == 200
    host, _, port = plain.partition(":")
    with connect((host, int(port))) as sock:
        assert ask(sock).status == 200


def test_address_that_nobody_gave_speaks_tls(serve, authority, pair, monkeypatch):
    host, _, port = free_bind().partition(":")
    monkeypatch.setenv("PORT", port)
    server = serve(*ASGI, *pair.options, bind=None)
    server.logged(rf"with 1 worker: https://0\.0\.0\.0:{port}\n")
    with tls_connection((host, int(port)), authority.client_context()) as sock:
        assert ask(sock).status == 200


# ---- certificates of the server


def test_certificate_is_chosen_by_the_name_that_the_client_asks_for(serve, authority):
    first = authority.issue("first.test", "shared.test")
    second = authority.issue("second.test", "*.second.test", "shared.test")
    server = serve(*ASGI, *first.options, *second.options).serving()
    by_name = {
        "first.test": first,
        "second.test": second,
        "any.second.test": second,
        "SECOND.test": second,
        "not.any.second.test": first,
        "shared.test": first,
        "unknown.test": first,
    }
    for name, expected in by_name.items():
        assert shown_certificate(server, name) == expected.pem, name
    told = json.loads(ask_tls(server, authority, name="any.second.test").body)
    assert told["tls"]["server_cert"] == second.pem


def test_server_name_that_is_no_text_writes_no_traceback(serve, authority):
    pairs = (authority.issue("first.test"), authority.issue("second.test"))
    server = serve(*ASGI, *pairs[0].options, *pairs[1].options).serving()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.client_context()
    connection = client.wrap_bio(incoming, outgoing, server_hostname="nine.test")
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    hello = outgoing.read().replace(b"nine.test", UNREADABLE_NAME)
    for _ in range(3):
        with connect(server.address) as sock:
            sock.sendall(hello)
            sock.recv(1000)
    assert ask_tls(server, authority, name="first.test").status == 200
    assert server.end() == 0
    assert "Traceback" not in server.log
    assert "UnicodeDecodeError" not in server.log


# ---- certificates of clients


def is_refused(server, context):
    """Return whether a client gets no answer; with TLS 1.3 it learns of it after its handshake."""
    try:
        with tls_connection(server, context) as sock:
            sock.sendall(GET)
            return sock.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


@HTTP
def test_client_without_a_certificate_is_refused_where_one_is_required(serve, authority, pair, app):
    checks = ("--ssl-ca-certs", str(authority.path), "--ssl-cert-reqs", "required")
    server = serve(*app, *pair.options, *checks).serving()
    assert is_refused(server, authority.client_context())
    server.logged(r"TLS handshake with 127\.\S+ failed: peer did not return a certificate\n")
    client = authority.issue("a.client")
    with tls_connection(server, authority.client_context(client)) as sock:
        assert ask(sock).status == 200


def test_certificate_of_a_stranger_is_refused_where_one_is_optional(serve, authority, pair):
    checks = ("--ssl-ca-certs", str(authority.path), "--ssl-cert-reqs", "optional")
    server = serve(*ASGI, *pair.options, *checks).serving()
    stranger = Authority(authority.folder, "Stranger").issue("stranger.test")
    assert is_refused(server, authority.client_context(stranger))
    server.logged(r"TLS handshake with 127\.\S+ failed: certificate verify failed\n")
    told = json.loads(ask_tls(server, authority).body)
    assert told["tls"]["client_cert_chain"] == []
    assert told["tls"]["client_cert_name"] is None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_application_learns_who_the_client_is(serve, authority, pair, version):
    checks = ("--ssl-ca-certs", str(authority.path), "--ssl-cert-reqs", "2")
    server = serve(*ASGI, *pair.options, *checks).serving()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sample, Inc."),
            x509.NameAttribute(NameOID.COMMON_NAME, "a client"),
        ]
    )
    client = authority.issue(subject=subject, stem="client")
    context = authority.client_context(client, maximum_version=version)
    with tls_connection(server, context) as sock:
        cipher = sock.cipher()
        told = json.loads(ask(sock).body)["tls"]
        assert json.loads(ask(sock).body)["tls"] == told
    assert told["server_cert"] == pair.pem
    assert told["client_cert_chain"][0] == client.pem
    assert told["client_cert_name"] == r"CN=a client,O=Sample\, Inc.,C=DE"
    assert told["client_cert_error"] is None
    assert told["tls_version"] == {"TLSv1_2": 0x0303, "TLSv1_3": 0x0304}[version.name]
    known = {one["name"]: one["id"] & 0xFFFF for one in context.get_ciphers()}
    assert told["cipher_suite"] == known[cipher[0]]


def test_aiohttp_application_learns_who_the_client_is(serve, authority, pair):
    checks = ("--ssl-ca-certs", str(authority.path), "--ssl-cert-reqs", "optional")
    server = serve(*AIOHTTP, *pair.options, *checks).serving()
    client = authority.client_context(authority.issue("a.client"))
    with tls_connection(server, client) as sock:
        assert json.loads(ask(sock).body)["subject"] == [[["commonName", "a.client"]]]
    assert json.loads(ask_tls(server, authority).body)["subject"] is None


# ---- versions and ciphers


def test_older_version_than_the_oldest_is_refused(serve, authority, pair):
    server = serve(*ASGI, *pair.options, "--ssl-min-version", "1.3").serving()
    old = authority.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError), tls_connection(server, old):
        pass
    server.logged(r"TLS handshake with 127\.\S+ failed: unsupported protocol\n")
    assert ask_tls(server, authority).status == 200


def test_ciphers_are_those_of_the_option(serve, authority, pair):
    name = "ECDHE-ECDSA-CHACHA20-POLY1305"
    server = serve(*ASGI, *pair.options, "--ssl-ciphers", name).serving()
    context = authority.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    with tls_connection(server, context) as sock:
        assert sock.cipher()[0] == name


# ---- sessions


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_session_is_resumed_by_another_worker_until_a_reload(serve, authority, pair, version):
    options = ("--workers", "2", "--accept", "plain")
    server = serve(*ASGI, *pair.options, *options).serving()
    context = authority.client_context(maximum_version=version)
    pid, session = ask_with_session(server, context)
    others = set()
    for _ in range(300):
        other, is_reused = resume(server, context, session)
        assert is_reused
        others.add(other)
        if others - {pid}:
            break
    assert others - {pid}, "no other worker was met"
    server.send(signal.SIGHUP)
    server.logged(r"reloaded: generation 2 serves")
    wait_gone(*server.worker_pids(1))
    assert not resume(server, context, session)[1]


def ask_with_session(server, context):
    """Return the worker that has answered, and the session that it has given."""
    with tls_connection(server, context) as sock:
        pid = json.loads(ask(sock).body)["pid"]
        return pid, sock.session


def resume(server, context, session):
    """Return the worker that has answered, and whether it has resumed the session."""
    with tls_connection(server, context, session=session) as sock:
        return json.loads(ask(sock).body)["pid"], sock.session_reused


# ---- what speaks no TLS, and what speaks it where it is not spoken


@HTTP
@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.1", b"DELETE /a HTTP/1.1"], ids=["GET", "DELETE"]
)
def test_plain_request_gets_a_plain_answer_and_one_line(serve, authority, pair, app, request_line):
    server = serve(*app, *pair.options).serving()
    for _ in range(3):
        with connect(server.address) as sock:
            sock.sendall(request_line + b"\r\nHost: test\r\n\r\n")
            answer = receive_answer(sock)
            assert answer.status == 400
            assert b"plain HTTP request" in answer.body
            assert sock.recv(1) == b""
    line = r"plain HTTP request on a TLS port, from 127\.\S+; answered with 400\n"
    server.logged(rf"WARNING worker \S+ {line}")
    assert ask_tls(server, authority).status == 200
    assert server.end() == 0
    assert server.log.count("plain HTTP request") == 1
    assert "Traceback" not in server.log


def test_plain_request_with_a_large_body_gets_its_answer(serve, pair):
    server = serve(*ASGI, *pair.options).serving()
    with connect(server.address) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 40000\r\n\r\n")
        sock.sendall(bytes(40000))
        assert receive_answer(sock).status == 400


def test_noise_is_one_line_without_a_traceback(serve, authority, pair):
    server = serve(*ASGI, *pair.options).serving()
    for noise in (b"\x00" * 100, b"SSH-2.0-OpenSSH_9.9\r\n", b"\x16\x03\x01\x00\x05aaaaa"):
        with connect(server.address) as sock:
            sock.sendall(noise)
            with contextlib.suppress(ConnectionError):
                while sock.recv(1000):
                    pass
    server.logged(r"INFO +worker \S+ TLS handshake with 127\.\S+ failed: ")
    assert ask_tls(server, authority).status == 200
    assert server.end() == 0
    assert server.log.count("TLS handshake with") == 1
    assert "Traceback" not in server.log


def test_proxy_protocol_is_named(serve, pair):
    server = serve(*ASGI, *pair.options).serving()
    with connect(server.address) as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 443\r\n")
        with contextlib.suppress(ConnectionError):
            while sock.recv(1000):
                pass
    server.logged(r"TLS handshake with 127\.\S+ failed: the PROXY protocol is not supported")


@HTTP
def test_tls_on_a_plain_port_gets_400_and_one_line(serve, authority, app):
    server = serve(*app).serving()
    for _ in range(3):
        with pytest.raises(ssl.SSLError), tls_connection(server, authority.client_context()):
            pass
    server.logged(r"WARNING worker \S+ a client began a TLS handshake on a port without TLS")
    assert server.end() == 0
    assert server.log.count("handshake on a port without TLS") == 1
    assert "Traceback" not in server.log


# ---- handshakes that do not end


def test_handshake_that_takes_too_long_is_ended(serve, authority, pair):
    server = serve(*ASGI, *pair.options, "--ssl-handshake-timeout", "0.2").serving()
    with connect(server.address) as sock:
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(1) == b""
    assert ask_tls(server, authority).status == 200


@ALL
def test_handshakes_that_do_not_end_do_not_hold_a_worker(serve, pair, app):
    options = ("--idle-grace", "0.1", "--graceful-timeout", "600")
    server = serve(*app, *pair.options, *options).serving()
    with contextlib.ExitStack() as opened:
        silent = [opened.enter_context(connect(server.address)) for _ in range(3)]
        silent[0].sendall(b"\x16\x03\x01\x02")
        assert server.end() == 0
        for sock in silent:
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1) == b""
    assert "not drained" not in server.log


# ---- refusals that only a worker can make


@pytest.mark.parametrize("app", ["streams_main:main", "plain:echo"])
def test_program_that_makes_its_own_connections_has_no_certificates(serve, pair, app):
    options = ("--interface", "main") if app == "streams_main:main" else ()
    server = serve(app, *pair.options, *options)
    if app == "plain:echo":
        server.serving()
        return
    assert server.ended() == ExitCode.USAGE
    assert re.search(r"--ssl-certfile: a program does not have this option", server.log)


def test_keys_leave_the_open_files_as_they_were(serve, authority, pair):
    server = serve(*ASGI, *pair.options).serving()
    assert ask_tls(server, authority).status == 200
    (pid,) = server.worker_pids(1)
    for process in (pid, server.pid):
        links = [os.readlink(f"/proc/{process}/fd/{name}") for name in fds(process)]
        assert not [link for link in links if "memfd:pem" in link or str(authority.folder) in link]


def fds(pid):
    return os.listdir(f"/proc/{pid}/fd")
