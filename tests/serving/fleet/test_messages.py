"""Workers that send invalid messages: each is replaced, and the master goes on."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from ngxloop.serving.process.message import MessageKind
from tests.serving.support import (
    can_refuse_descriptors,
    connect,
    http_get,
    receive_line,
    wait_gone,
)
from tests.support.waiting import wait_until_blocking

# Some of each sort; test_channel.py has them all.
INVALID = {
    "an empty packet": (b"", 0),
    "an unknown kind": (b"\x3f", 0),
    "READY a second time": (bytes([MessageKind.READY]) + b"asgi", 0),
    "READY with a line of its own": (bytes([MessageKind.READY]) + b"x\nERROR forged", 0),
    "MAX_REQUESTS_REACHED without --max-requests": (bytes([MessageKind.MAX_REQUESTS_REACHED]), 0),
    "DRAINING with descriptors": (bytes([MessageKind.DRAINING]), 253),
    "FAILED of brackets": (bytes([MessageKind.FAILED]) + b"[" * 60000, 0),
    "SPAWNED": (bytes([MessageKind.SPAWNED]) + b"1", 0),
    "BIND, which is for the keeper": (bytes([MessageKind.BIND]) + b"[]", 2),
    "ASK_LINE with an address": (bytes([MessageKind.ASK_LINE]) + b"127.0.0.1:1", 0),
    "BOUND with an address of its own": (bytes([MessageKind.BOUND]) + b"127.0.0.1:1", 0),
}


def packets_that_can_be_sent():
    """Return packets and their count of descriptors, which the master may be able to refuse."""
    if not can_refuse_descriptors():
        return list(INVALID.values())
    return [(packet, 0) for name, (packet, _) in INVALID.items() if "descriptors" not in name]


@pytest.fixture
def served(serve):
    options = ["--status-bind", "127.0.0.1:0", "--graceful-timeout", "1"]
    server = serve("faulty:Obey", "--workers", "2", *options).serving()
    host, _, port = server.status_address.rpartition(":")
    server.status = (host, int(port))
    return server


def tell(server, line):
    """Let a worker obey a line; return its process id and the connection to it."""
    sock = connect(server.address)
    pid = int(receive_line(sock))
    sock.sendall(line.encode() + b"\n")
    return pid, sock


def fd_count(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def status_of(server):
    return json.loads(http_get(server.status, "/status.json")[1])


def has_replaced(status, count):
    is_ready = [one["state"] == "ready" for one in status["workers"]]
    return is_ready == [True, True] and status["failures"]["malformed_messages"] == count


def test_application_that_asks_for_the_keeper_again_and_again_gets_nothing(served):
    _, sock = tell(served, f"flood {bytes([MessageKind.ASK_LINE]).hex()}")
    with sock:
        for _ in range(20):
            assert http_get(served.status, "/healthz") == (200, b"ok\n")
    assert served.end() == 0
    assert "is ended" not in served.log
    assert "keeper" not in served.log


def test_worker_that_sends_invalid_messages_is_replaced_and_named_once(served):
    before = fd_count(served)
    packets = packets_that_can_be_sent()
    for packet, count in packets:
        pid, sock = tell(served, f"packet {packet.hex() or '-'} {count}")
        with sock:
            served.logged(rf"worker 1\.\d \(process {pid}\) is ended: it has sent [^\n]+\n")
            wait_gone(pid)
        served.logged(r"worker 1\.\d ready")
    served.caught_up()
    served.read_log()
    # The master may be too slow for a report of now: then it is an older one.
    wait_until_blocking(lambda: has_replaced(status_of(served), len(packets)), "the report")
    assert sum(status_of(served)["failures"]["handlers"].values()) == 0
    assert fd_count(served) <= before + 2
    assert served.log.count("is ended: it has sent") == len(packets)
    assert "\nERROR forged" not in served.log
    metrics = http_get(served.status, "/metrics")[1].decode()
    assert f"ngxloop_malformed_messages_total {len(packets)}\n" in metrics


def test_message_that_no_handler_can_take_ends_its_worker_only(served):
    pid, sock = tell(served, f"packet {(bytes([MessageKind.BOUND]) + b'nowhere').hex()} 0")
    with sock:
        served.logged(rf"worker 1\.\d \(process {pid}\) is ended")
    served.logged(r"worker 1\.\d ready")
    assert http_get(served.status, "/healthz") == (200, b"ok\n")


def test_worker_that_floods_its_channel_delays_no_other(served):
    """BOUND with an address of --bind is valid, any number of times."""
    flood = bytes([MessageKind.BOUND]) + served.addresses[0].encode()
    _, sock = tell(served, f"flood {flood.hex()}")
    with sock:
        for _ in range(20):
            assert http_get(served.status, "/healthz") == (200, b"ok\n")
        served.send(signal.SIGHUP)
        served.logged("reloaded: generation 2 serves")
        for pid in served.worker_pids(1):
            wait_gone(pid)
    assert served.end() == 0


def test_worker_that_sends_invalid_messages_as_it_starts_backs_off(serve, tmp_path):
    text = Path(__file__).parents[1].joinpath("apps").joinpath("faulty.py").read_text()
    module = tmp_path / "nonsense.py"
    module.write_text(f"{text}\nif (_FOLDER / 'talk').exists():\n    send_packet(b'?', 0)\n")
    options = ["--app-dir", str(tmp_path), "--status-bind", "127.0.0.1:0"]
    server = serve("nonsense:Obey", *options, wrapper=["env", f"FAULTY_FOLDER={tmp_path}"])
    server.serving()
    (tmp_path / "talk").touch()
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged("was ended: it has sent the unknown kind 63")
    server.logged(r"ended \d+ times in a row within 5 s of starting; respawning in")
    (tmp_path / "talk").unlink()
    server.logged(r"worker 1\.0 ready")
    assert server.end() == 0


@pytest.mark.parametrize("interface", ["auto", "protocol"])
def test_worker_that_claims_to_serve_something_else_is_ended(serve, tmp_path, interface):
    """The master imports what serves the interface."""
    text = Path(__file__).parents[1].joinpath("apps").joinpath("faulty.py").read_text()
    lie = "nothing" if interface == "auto" else "aiohttp"
    talk = f"if (_FOLDER / 'talk').exists():\n    send_packet(b'\x01{lie}', 0)\n"
    (tmp_path / "nonsense.py").write_text(f"{text}\n{talk}")
    options = ["--app-dir", str(tmp_path), "--interface", interface]
    server = serve("nonsense:Obey", *options, wrapper=["env", f"FAULTY_FOLDER={tmp_path}"])
    server.serving()
    (tmp_path / "talk").touch()
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged(f"was ended: it has sent READY with interface '{lie}', not ")
    (tmp_path / "talk").unlink()
    server.logged(r"worker 1\.0 ready")
    assert server.end() == 0


MAX_REQUESTS_REACHED = "asyncio.get_running_loop().call_later(0.01, send_packet, bytes([4]), 0)"
LEAVES = "os.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize(
    ("action", "options", "line"),
    [
        (
            MAX_REQUESTS_REACHED,
            ["--max-requests", "1000"],
            "3 times in a row; a successor starts in 0.2 s",
        ),
        (LEAVES, [], "ended 3 times in a row within 5 s of starting; respawning in 0.2 s"),
    ],
    ids=["max-requests", "leaves"],
)
def test_workers_that_want_to_be_replaced_at_once_are_replaced_with_back_off(
    serve, tmp_path, action, options, line
):
    text = Path(__file__).parents[1].joinpath("apps").joinpath("faulty.py").read_text()
    more = f"import signal\n\ndef worker_ready(slot):\n    {action}\n"
    (tmp_path / "eager.py").write_text(f"{text}\n{more}")
    options = ["--app-dir", str(tmp_path), "--hooks", "eager", *options]
    server = serve("eager:Obey", *options).serving()
    server.logged(line)
    server.logged(r"worker 1\.0 ready")
    assert server.end() == 0


def test_generation_of_workers_that_send_invalid_messages_fails(serve, tmp_path):
    module = tmp_path / "site_app.py"
    module.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    server = serve("site_app:App", "--app-dir", str(tmp_path), "--workers", "2").serving()
    faulty = Path(__file__).parents[1].joinpath("apps").joinpath("faulty.py").read_text()
    module.write_text(f"{faulty}\nApp = Obey\nsend_packet(b'', 0)\n")
    server.send(signal.SIGHUP)
    server.logged(r"worker 2\.\d was ended: it has sent an empty packet")
    server.logged("reload failed: generation 1 goes on serving")
    assert server.end() == 0


@pytest.mark.parametrize(
    "packet",
    [
        b"\x3f",
        bytes([MessageKind.SPAWNED]) + b"1",
        bytes([MessageKind.SPAWNED]) + b"-1",
        b"",
        bytes([MessageKind.BIND]) + b"[]",
    ],
)
def test_zygote_that_sends_invalid_messages_while_it_loads_fails_its_generation(
    serve, tmp_path, packet
):
    module = tmp_path / "site_app.py"
    module.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    server = serve("site_app:App", "--app-dir", str(tmp_path), "--preload").serving()
    faulty = Path(__file__).parents[1].joinpath("apps").joinpath("faulty.py").read_text()
    module.write_text(f"{faulty}\nApp = Obey\nsend_packet({packet!r}, 0)\n")
    server.send(signal.SIGHUP)
    server.logged("the process that loads site_app:App has sent ")
    server.logged("reload failed: generation 1 goes on serving")
    assert server.end() == 0


def test_zygote_that_names_a_process_that_is_not_its_worker_is_not_believed(serve, tmp_path):
    faulty = Path(__file__).parents[1].joinpath("apps").joinpath("faulty.py").read_text()
    lie = (
        "from ngxloop.serving.process import channel\n"
        "send = channel.Channel.send\n"
        "def lie(self, kind, payload=b'', fds=()):\n"
        "    is_answer = kind == channel.MessageKind.SPAWNED\n"
        "    return send(self, kind, b'1' if is_answer else payload, fds)\n"
        "channel.Channel.send = lie\n"
    )
    (tmp_path / "site_app.py").write_text(f"{faulty}\nApp = Obey\n{lie}")
    server = serve("site_app:App", "--app-dir", str(tmp_path), "--preload").serving()
    assert "named process 1, which is not its worker; generation 1 loads its" in server.log
    assert re.search(r"worker 1\.0 ready", server.log)
    assert server.end() == 0


def test_death_of_a_worker_and_an_upgrade_in_one_poll_do_not_meet(serve, tmp_path):
    (tmp_path / "slow_hooks.py").write_text(
        "import os, time\n"
        "def on_reload():\n"
        "    while not os.path.exists(os.environ['GO']): time.sleep(0.01)\n"
    )
    go = tmp_path / "go"
    options = ["--hooks", "slow_hooks", "--workers", "2", "--log-level", "debug"]
    server = serve("plain:Echo", *options, wrapper=["env", f"PYTHONPATH={tmp_path}", f"GO={go}"])
    server.serving()
    first, second = server.worker_pids(1)
    os.kill(first, signal.SIGKILL)
    server.logged(r"worker 1\.\d ready")
    server.send(signal.SIGHUP)
    server.logged("reloading: generation 2 starts")
    # The master is in its hook: all of this is one batch of events when it polls again.
    server.send(signal.SIGUSR2)
    os.kill(second, signal.SIGKILL)
    go.touch()
    new = int(server.logged(r"the new master \(process (\d+)\) serves").group(1))
    server.read_log()
    assert "Traceback" not in server.log
    os.kill(new, signal.SIGQUIT)
    server.logged("this one continues")
    assert server.end() == 0
