"""Certificates of a running master: reloads, upgrades, keys that only root can read, passwords."""

import os
import re
import resource
import signal
import stat

import pytest

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.tls import load_tls
from tests.serving.http_support import ask
from tests.serving.support import APPS, command, connect, wait_gone
from tests.serving.terminal_support import AtTerminal
from tests.serving.tls_support import ask_tls, shown_certificate, tls_connection
from tests.serving.untrusted import NOBODY
from tests.support.addresses import free_address
from tests.support.authority import Authority

ASGI = ("web_tls:app", "--interface", "asgi")
AS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: only root can run workers as another user"
)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def pair(authority):
    return authority.issue("localhost")


def reload(server, generation):
    server.send(signal.SIGHUP)
    server.logged(rf"reloaded: generation {generation} serves")
    wait_gone(*server.worker_pids(generation - 1))


# ---- HUP


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_reload_takes_new_certificates(serve, authority, pair, options):
    server = serve(*ASGI, *pair.options, *options).serving()
    old = pair.pem
    with tls_connection(server, authority.client_context()) as kept:
        assert ask(kept).status == 200
        authority.issue("localhost")
        assert shown_certificate(server, "localhost") == old
        server.send(signal.SIGHUP)
        server.logged(r"reloaded: generation 2 serves")
        assert ask(kept).status == 200
    wait_gone(*server.worker_pids(1))
    assert shown_certificate(server, "localhost") == pair.pem != old
    assert ask_tls(server, authority).status == 200


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_reload_with_wrong_files_keeps_the_old_certificates(serve, authority, pair, options):
    server = serve(*ASGI, *pair.options, *options).serving()
    old, workers = pair.pem, server.worker_pids(1)
    other = authority.issue("other.test")
    pair.key.write_bytes(other.key.read_bytes())
    server.send(signal.SIGHUP)
    line = rf"the key in {pair.key} does not match the certificate in {pair.certificate}; "
    server.logged(rf"ERROR .*--ssl-keyfile: {line}")
    server.logged(r"reload failed: generation 1 goes on serving")
    assert shown_certificate(server, "localhost") == old
    pair.certificate.unlink()
    server.send(signal.SIGHUP)
    server.logged(rf"ERROR .*cannot read {pair.certificate}: No such file or directory")
    assert shown_certificate(server, "localhost") == old
    assert server.worker_pids(1) == workers
    assert "Traceback" not in server.log
    new = authority.issue("localhost").pem
    reload(server, 2)
    assert shown_certificate(server, "localhost") == new


def test_worker_that_is_replaced_has_the_certificates_of_its_generation(serve, authority, pair):
    server = serve(*ASGI, *pair.options).serving()
    old = pair.pem
    pair.key.write_text("nothing")
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged(r"worker 1\.0 ready")
    assert shown_certificate(server, "localhost") == old


def test_reload_warns_of_an_expired_certificate(serve, authority, pair):
    server = serve(*ASGI, *pair.options).serving()
    authority.issue("localhost", days=-30)
    server.send(signal.SIGHUP)
    server.logged(rf"WARNING master\S+ the certificate in {pair.certificate} has expired on 20")
    server.logged(r"reloaded: generation 2 serves")


def test_program_with_a_master_of_its_own_gets_new_certificates_at_a_reload(authority, pair):
    files = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [str(pair.key)]}
    config = Config(app="a:b", **files)
    old = config.tls.context.certificate_pem
    new = authority.issue("localhost").pem
    fresh = config.with_new_certificates()
    assert fresh == config
    assert config.tls.context.certificate_pem == old
    assert fresh.tls.context.certificate_pem == new


def test_reload_without_free_descriptors_keeps_the_old_certificates(serve, pair):
    server = serve(*ASGI, *pair.options).serving()
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
    soft = resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (3, hard))[0]
    server.send(signal.SIGHUP)
    server.logged(r"ERROR .*Too many open files")
    server.logged(r"reload failed: generation 1 goes on serving")
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert shown_certificate(server, "localhost") == pair.pem
    reload(server, 2)
    assert "Traceback" not in server.log


def test_reload_takes_an_address_from_plain_to_tls_and_back(serve, authority, pair, tmp_path):
    file = tmp_path / "options.toml"
    file.write_text("")
    server = serve(*ASGI, "--config", str(file)).serving()
    names = f"ssl-certfile = {str(pair.certificate)!r}\nssl-keyfile = {str(pair.key)!r}\n"
    for generation, text in ((2, names), (3, "")):
        file.write_text(text)
        reload(server, generation)
        if text:
            assert ask_tls(server, authority).status == 200
        else:
            with connect(server.address) as sock:
                assert ask(sock).status == 200


# ---- USR2


def test_upgrade_takes_new_certificates(serve, authority, pair):
    server = serve(*ASGI, *pair.options).serving()
    new = authority.issue("localhost").pem
    server.send(signal.SIGUSR2)
    pid = int(server.logged(r"the new master \(process (\d+)\) serves")[1])
    assert server.end(signal.SIGQUIT) == 0
    assert shown_certificate(server, "localhost") == new
    os.kill(pid, signal.SIGQUIT)
    wait_gone(pid)


# ---- rights


@AS_ROOT
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_key_need_be_readable_for_root_alone(serve_as, authority, ours, options):
    authority.folder = ours
    pair = authority.issue("localhost")
    pair.key.chmod(0o400)
    server = serve_as("nobody", "process_state:State", *pair.options, *options).serving()
    (pid,) = server.worker_pids(1)
    assert os.stat(f"/proc/{pid}").st_uid == NOBODY
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o400
    with tls_connection(server, authority.client_context()):
        assert shown_certificate(server, "localhost") == pair.pem
    new = authority.issue("localhost")
    new.key.chmod(0o400)
    reload(server, 2)
    assert shown_certificate(server, "localhost") == new.pem


@AS_ROOT
@pytest.mark.parametrize("which", ["certificate", "key", "authorities"])
def test_file_that_others_can_write_is_refused_with_user(authority, ours, which):
    authority = Authority(ours)
    pair = authority.issue("localhost")
    files = {"ssl_certfile": [str(pair.certificate)], "ssl_keyfile": [str(pair.key)]}
    config = Config(app="a:b", ssl_ca_certs=str(authority.path), **files)
    load_tls(config, is_strict=True)
    path = {"certificate": pair.certificate, "key": pair.key, "authorities": authority.path}[which]
    os.chown(path, NOBODY, -1)
    with pytest.raises(ConfigError, match=f"{path} is owned by user nobody; .* chown {path} and"):
        load_tls(config, is_strict=True)
    load_tls(config, is_strict=False)


@AS_ROOT
def test_link_of_others_to_a_key_is_refused_with_user(ours, theirs):
    pair = Authority(ours).issue("localhost")
    link = theirs / "key.pem"
    link.symlink_to(pair.key)
    config = Config(app="a:b", ssl_certfile=[str(pair.certificate)], ssl_keyfile=[str(link)])
    with pytest.raises(ConfigError, match=f"{theirs} is owned by user nobody"):
        load_tls(config, is_strict=True)


@AS_ROOT
def test_file_that_turns_up_later_is_not_obeyed_at_a_reload(serve_as, authority, ours):
    authority.folder = ours
    pair = authority.issue("localhost")
    server = serve_as("nobody", "process_state:State", *pair.options).serving()
    old = pair.pem
    authority.issue("localhost")
    os.chown(pair.certificate, NOBODY, -1)
    server.send(signal.SIGHUP)
    server.logged(rf"ERROR .*{pair.certificate} is owned by user nobody")
    assert shown_certificate(server, "localhost") == old


# ---- the password


@pytest.mark.parametrize("way", ["option", "environment"])
def test_password_opens_the_key_at_the_start_and_at_a_reload(serve, authority, monkeypatch, way):
    pair = authority.issue("localhost", password="open sesame")
    options = ("--ssl-keyfile-password", "open sesame") if way == "option" else ()
    if way == "environment":
        monkeypatch.setenv("NGXLOOP_SSL_KEYFILE_PASSWORD", "open sesame")
    server = serve(*ASGI, *pair.options, *options).serving()
    new = authority.issue("localhost", password="open sesame").pem
    reload(server, 2)
    assert shown_certificate(server, "localhost") == new
    authority.issue("localhost", password="another")
    server.send(signal.SIGHUP)
    server.logged(rf"ERROR .*wrong password for the key in {pair.key}")
    assert shown_certificate(server, "localhost") == new
    assert "sesame" not in server.log


def test_password_that_was_typed_serves_reloads_and_upgrades(authority):
    pair = authority.issue("localhost", password="open sesame")
    host, port = free_address()
    address = ("--bind", f"{host}:{port}", "--app-dir", str(APPS))
    with AtTerminal(command(*ASGI, *pair.options, *address)) as server:
        server.shown(r"password of \S+: ")
        server.type(b"open sesame\n")
        server.shown(r"master\[\d+\] serving ")
        (old,) = re.findall(r"worker 1\.0 ready \(process (\d+)\)", server.text)
        os.kill(server.pid, signal.SIGHUP)
        server.shown(r"reloaded: generation 2 serves")
        wait_gone(int(old))
        new = authority.issue("localhost", password="open sesame").pem
        os.kill(server.pid, signal.SIGUSR2)
        pid = int(server.shown(r"the new master \(process (\d+)\) serves")[1])
        os.kill(server.pid, signal.SIGQUIT)
        server.shown(r"ended\r\n")
        assert shown_certificate((host, port), "localhost") == new
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [link for link in links if "memfd:passwords" in link]
        os.kill(pid, signal.SIGQUIT)
        wait_gone(pid)
        assert server.text.count("password of") == 1
        assert "sesame" not in server.text
