"""An action in another process has the rights of a user, none of ours, and an end."""

import contextlib
import errno
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from ngxloop.serving.impersonation import act_as
from ngxloop.serving.privileges import Identity, find_identity
from tests.support.leaks import fds_opened_since, open_fds

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

NOBODY = Identity(65534, 65534, "nobody")
LONG = 60.0


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = open_fds(), children()
    yield
    assert fds_opened_since(before[0]) == []
    assert children() == before[1]


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()


def state():
    text = open("/proc/self/status").read()  # noqa: SIM115 - the process ends
    capabilities = text.partition("CapEff:\t")[2].partition("\n")[0]
    found = [os.getresuid(), os.getresgid(), sorted(os.getgroups()), int(capabilities, 16)]
    return json.dumps(found).encode()


def test_effective_user_and_groups_are_taken_on_without_a_capability():
    uids, gids, groups, capabilities = json.loads(act_as(NOBODY, state, LONG))
    assert uids == [0, 65534, 0]  # real and saved: no process of nobody's may signal it
    assert gids[1] == 65534
    assert groups == sorted(os.getgrouplist("nobody", 65534))
    assert capabilities == 0
    assert os.getresuid() == (0, 0, 0)


def test_a_user_without_a_name_has_one_group():
    _, _, groups, _ = json.loads(act_as(find_identity("54321", "54322"), state, LONG))
    assert groups == [54322]


def test_without_an_identity_the_action_runs_here():
    assert act_as(None, lambda: str(os.getpid()).encode(), LONG) == str(os.getpid()).encode()


def test_an_error_of_the_action_is_raised_here():
    def look():
        os.listdir("/proc/1/fd")
        return b""

    with pytest.raises(PermissionError):
        act_as(NOBODY, look, LONG)


def test_a_socket_that_was_passed_is_bound_and_is_still_ours():
    with socket.socket() as sock:
        address = ("127.0.0.1", 0)
        assert act_as(NOBODY, lambda: sock.bind(address) or b"", LONG, [sock.fileno()]) == b""
        assert sock.getsockname()[1] != 0


def test_no_other_descriptor_reaches_the_action():
    def look():
        return json.dumps(os.listdir("/proc/self/fd")).encode()

    with socket.socket() as kept, socket.socket():
        found = json.loads(act_as(NOBODY, look, LONG, [kept.fileno()]))
        assert str(kept.fileno()) in found
    assert len(found) == 3  # the pipe, and the one that lists the folder


def test_an_action_that_does_not_end_is_killed():
    reader, writer = os.pipe()
    with pytest.raises(TimeoutError):
        act_as(NOBODY, lambda: signal.pause() or b"", 0.01, [writer])
    os.close(writer)
    assert os.read(reader, 1) == b""  # no other process has it: the child has ended
    os.close(reader)
    reap_next()


def test_an_action_that_ends_without_an_outcome_is_an_error():
    with pytest.raises(OSError, match="Input/output error") as caught:
        act_as(NOBODY, lambda: os._exit(0), LONG)
    assert caught.value.errno == errno.EIO
    reap_next()


def reap_next():
    """Wait for the end of the process that was killed; the next call reaps it."""
    with contextlib.suppress(ChildProcessError):  # it has been reaped
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    assert act_as(NOBODY, lambda: b"", LONG) == b""


def test_a_process_of_the_user_cannot_stop_or_kill_it():
    assert act_as(NOBODY, lambda: _attack(os.getpid()), LONG) == b"EPERM EPERM"


def _attack(target):
    """Let a process that is the user, for good, send signals; return how that went."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.seteuid(0)
        NOBODY.take_on()
        os.write(
            writer, " ".join(_kill(target, n) for n in (signal.SIGSTOP, signal.SIGKILL)).encode()
        )
        os._exit(0)
    outcome = os.read(reader, 100)
    os.wait()
    return outcome


def _kill(target, number):
    try:
        os.kill(target, number)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
