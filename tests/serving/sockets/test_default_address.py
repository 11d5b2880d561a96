"""An application for which no address is given listens where its platform expects it."""

import pytest

from ngxloop.serving.options.binds import TcpBind
from ngxloop.serving.sockets.default_address import default_address
from tests.serving.support import connect, receive_line
from tests.support.addresses import free_address

USUAL = TcpBind("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, USUAL),
        ({"PORT": "8080"}, TcpBind("0.0.0.0", 8080)),
        ({"PORT": ""}, USUAL),
        ({"PORT": "0"}, USUAL),
        ({"PORT": "65536"}, USUAL),
        ({"PORT": "tcp://10.0.0.1:80"}, USUAL),
        ({"PORT": "٣"}, USUAL),
    ],
)
def test_default_address_follows_the_platform(environment, expected):
    assert default_address(environment) == expected


def test_application_without_an_address_serves_at_the_port_of_its_platform(serve, monkeypatch):
    port = free_address()[1]
    monkeypatch.setenv("PORT", str(port))
    server = serve("plain:Echo", "--workers", "2", "--env", "PORT=1", bind=None).serving()
    assert f" 0.0.0.0:{port}\n" in server.log
    for host in ("127.0.0.1", "127.0.0.2"):
        with connect((host, port)) as sock:
            assert int(receive_line(sock)) in server.worker_pids(1)
