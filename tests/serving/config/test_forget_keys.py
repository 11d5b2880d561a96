"""Children that speak no TLS free the private keys that they inherit."""

import os
import re
import sys
import weakref
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ngxloop.serving.config.config import Config
from ngxloop.serving.config.keypasswords import left_passwords, take_passwords
from ngxloop.serving.config.tls import forget_keys
from tests.serving.support import status_process, wait_for_status_process
from tests.support.addresses import free_bind
from tests.support.authority import Authority

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can read the memory of others")


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def test_forget_keys_frees_the_contexts_of_every_configuration(authority):
    one, other = authority.issue("one.test"), authority.issue("other.test")
    certificates = (str(one.certificate), str(other.certificate))
    keys = (str(one.key), str(other.key))
    config = Config(app="web_tls:app", ssl_certfile=certificates, ssl_keyfile=keys)
    again = config.with_new_certificates()
    found = (config.tls.find_by_sni("one.test"), again.tls.find_by_sni("other.test"))
    contexts = [weakref.ref(context) for context in found]
    del found
    forget_keys()
    assert [context() for context in contexts] == [None, None]


def test_forget_keys_forgets_typed_passwords(tmp_path):
    (tmp_path / "passwords").write_text('{"/etc/one.key": "secret"}')
    fd = os.open(tmp_path / "passwords", os.O_RDONLY)
    take_passwords(fd)
    os.close(fd)
    forget_keys()
    with left_passwords() as left:
        assert left is None


@AS_ROOT
def test_status_process_frees_the_private_key(serve, authority):
    pair = authority.issue("localhost")
    options = ("--interface", "asgi", "--status-bind", free_bind(), *pair.options)
    server = serve("web_tls:app", *options).serving()
    wait_for_status_process(server.pid)
    assert has_key(server.pid, pair)
    assert not has_key(status_process(server.pid), pair)


def has_key(pid, pair):
    """Say whether a process has a private key in the form with which OpenSSL computes."""
    key = load_pem_private_key(pair.key.read_bytes(), None).private_numbers().private_value
    return key.to_bytes(32, sys.byteorder) in read_memory(pid)


def read_memory(pid):
    memory = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                begin, end = (int(number, 16) for number in found.groups())
                file.seek(begin)
                memory += file.read(end - begin)
    return bytes(memory)
