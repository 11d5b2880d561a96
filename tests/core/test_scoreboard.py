"""Scoreboard: its arguments, a life of a slot, and what processes share."""

import copy
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ngxloop.core.scoreboard import DEAD, DRAINING, READY, STARTING, STOPPING, Scoreboard
from tests.core.wakeup_fds import board_and_wakeup_fds, eventfds, was_woken

ROOT = Path(__file__).parents[2]


def run_program(text: str) -> str:
    """Run a program of its own, so that it may fork; return what it prints."""
    program = [sys.executable, "-c", textwrap.dedent(text)]
    return subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_states_have_the_codes_of_the_protocol():
    assert (DEAD, STARTING, READY, DRAINING, STOPPING) == (0, 1, 2, 3, 4)


def test_new_board_is_empty():
    board = Scoreboard(3)
    assert board.slot_count == 3
    assert board.mutex_pid == 0
    assert [set(board.read(slot).values()) for slot in range(3)] == [{0}] * 3


@pytest.mark.parametrize(
    ("slot_count", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (4097, ValueError),
        (1 << 70, ValueError),
        ("4", TypeError),
        (4.0, TypeError),
        (None, TypeError),
    ],
)
def test_board_of_a_wrong_size_is_refused(slot_count, error):
    with pytest.raises(error):
        Scoreboard(slot_count)


def test_board_without_a_size_is_refused():
    with pytest.raises(TypeError):
        Scoreboard.__new__(Scoreboard)


@pytest.mark.parametrize("slot", [-1, 3, 1 << 70])
@pytest.mark.parametrize(
    "call",
    [
        lambda board, slot: board.read(slot),
        lambda board, slot: board.claim(slot, 7),
        lambda board, slot: board.release(slot, 7),
        lambda board, slot: board.set_state(slot, READY),
    ],
    ids=["read", "claim", "release", "set_state"],
)
def test_slot_out_of_range_is_refused(call, slot):
    board = Scoreboard(3)
    with pytest.raises(ValueError, match=r"slot must be from 0 to 2|cannot fit"):
        call(board, slot)


@pytest.mark.parametrize("slot", [None, "1", 1.0])
def test_slot_that_is_no_number_is_refused(slot):
    board = Scoreboard(3)
    with pytest.raises(TypeError):
        board.read(slot)


@pytest.mark.parametrize("pid", [0, -1])
def test_wrong_pid_is_refused_before_anything_changes(pid):
    board = Scoreboard(3)
    with pytest.raises(ValueError, match="pid must be positive"):
        board.claim(0, pid)
    with pytest.raises(ValueError, match="pid must be positive"):
        board.release(0, pid)
    assert set(board.read(0).values()) == {0}


@pytest.mark.parametrize("state", [-1, 5, 1 << 70])
def test_wrong_state_is_refused_before_anything_changes(state):
    board = Scoreboard(3)
    board.claim(0, 7)
    with pytest.raises(ValueError):  # noqa: PT011
        board.set_state(0, state)
    assert board.read(0)["state"] == STARTING


def test_board_is_not_copied():
    board = Scoreboard(3)
    with pytest.raises(TypeError):
        pickle.dumps(board)
    with pytest.raises(TypeError):
        copy.copy(board)


def test_claimed_slot_belongs_to_a_starting_process():
    board = Scoreboard(3)
    board.claim(1, 4711)
    assert (board.read(1)["pid"], board.read(1)["state"]) == (4711, STARTING)
    assert board.read(0)["pid"] == board.read(2)["pid"] == 0


def test_released_slot_is_dead():
    board = Scoreboard(3)
    board.claim(1, 4711)
    board.set_state(1, READY)
    assert board.release(1, 4711) is False
    assert (board.read(1)["pid"], board.read(1)["state"]) == (0, DEAD)


def test_release_for_a_process_that_lost_its_slot_changes_nothing():
    board = Scoreboard(3)
    board.claim(1, 4711)
    board.release(1, 4712)
    assert board.read(1)["pid"] == 4711


def test_state_rings_for_nobody_who_did_not_leave():
    board, wakeup_fds = board_and_wakeup_fds(2)
    board.claim(0, 4711)
    board.claim(1, 4712)
    board.set_state(1, DRAINING)
    assert [was_woken(fd) for fd in wakeup_fds] == [False, False]


def test_release_rings_for_the_workers_that_are_left():
    board, wakeup_fds = board_and_wakeup_fds(3)
    board.claim(0, 4711)
    board.claim(1, 4712)
    board.release(0, 4711)
    assert [was_woken(fd) for fd in wakeup_fds] == [False, True, False]


def test_board_has_the_wakeup_fds_that_were_asked_for_and_no_other():
    before = eventfds()
    board = Scoreboard(8)
    assert eventfds() == before
    board.open_wakeup_fds(3)
    assert len(eventfds() - before) == 3
    board.open_wakeup_fds(2)
    board.open_wakeup_fds(100)
    assert len(eventfds() - before) == 8


def test_board_without_wakeup_fds_works():
    board = Scoreboard(2)
    board.claim(0, 4711)
    board.claim(1, 4712)
    board.set_state(1, DRAINING)
    board.wake()
    board.release(1, 4712)
    assert board.read(1)["state"] == DEAD


def test_state_and_release_wake_no_worker_when_told_so():
    board, wakeup_fds = board_and_wakeup_fds(2)
    board.claim(0, 4711)
    board.claim(1, 4712)
    board.set_state(0, DRAINING, wakes_workers=False)
    board.release(0, 4711, wakes_workers=False)
    assert [was_woken(fd) for fd in wakeup_fds] == [False, False]


def test_claim_repairs_wakeup_fds_that_would_block_or_are_full():
    board, wakeup_fds = board_and_wakeup_fds(3)
    os.eventfd_write(wakeup_fds[0], 2**64 - 2)
    os.eventfd_write(wakeup_fds[1], 1)
    for fd in wakeup_fds[:2]:
        os.set_blocking(fd, True)
    board.claim(2, 4711)
    assert not any(map(os.get_blocking, wakeup_fds))
    os.eventfd_write(wakeup_fds[0], 1)
    assert [was_woken(fd) for fd in wakeup_fds] == [True, True, False]


def test_board_gives_back_its_fds_and_memory():
    fds = os.listdir("/proc/self/fd")
    maps = Path("/proc/self/maps").read_text().count("/dev/zero")
    for _ in range(10):
        Scoreboard(100).open_wakeup_fds(100)
    assert os.listdir("/proc/self/fd") == fds
    assert Path("/proc/self/maps").read_text().count("/dev/zero") == maps


def test_wakeup_fds_without_enough_fds_are_an_os_error_and_the_board_takes_them_along():
    program = """
        import os, resource
        from ngxloop.core.scoreboard import Scoreboard
        before = os.listdir("/proc/self/fd")
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
        board = Scoreboard(100)
        try:
            board.open_wakeup_fds(100)
        except OSError as error:
            del board
            print(error, os.listdir("/proc/self/fd") == before)
    """
    assert run_program(program) == "[Errno 24] eventfd() failed: Too many open files True\n"


def test_forked_process_and_its_parent_share_the_board():
    program = """
        import os
        from ngxloop.core.scoreboard import READY, Scoreboard
        board = Scoreboard(2)
        if (pid := os.fork()) == 0:
            board.claim(1, os.getpid())
            board.set_state(1, READY)
            os._exit(0)
        os.waitpid(pid, 0)
        values = board.read(1)
        print(values["pid"] == pid, values["state"] == READY)
    """
    assert run_program(program) == "True True\n"


def test_counters_go_on_and_gauges_begin_anew_when_a_worker_is_replaced():
    program = """
        import asyncio, os, signal, socket
        import ngxloop
        from ngxloop.core.gates import make_gate
        from ngxloop.core.scoreboard import READY, Scoreboard

        def work(board, sock):
            board.claim(0, os.getpid())
            loop = ngxloop.new_event_loop()
            loop.set_accept_gate(make_gate("fair", board, 0))
            class Greeter(asyncio.Protocol):
                def connection_made(self, transport):
                    transport.write(b"x")
            loop.run_until_complete(loop.create_server(Greeter, sock=sock))
            board.set_state(0, READY)
            loop.run_forever()

        board = Scoreboard(1)
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        for accepted in (1, 2):
            if (pid := os.fork()) == 0:
                work(board, sock)
            with socket.create_connection(sock.getsockname()) as client:
                client.recv(1)
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            values = board.read(0)
            print(values["accepted"], values["active"], values["listening"], values["turns"] > 0)
            board.release(0, pid)
            values = board.read(0)
            print(values["accepted"], values["active"], values["listening"], values["beat_ns"])
    """
    assert run_program(program).splitlines() == [
        "1 1 True True",
        "1 0 False 0",
        "2 1 True True",
        "2 0 False 0",
    ]


GARBAGE = """
    import ctypes, random
    from pathlib import Path
    from ngxloop.core.scoreboard import DEAD, READY, Scoreboard

    board = Scoreboard(4)
    board.claim(0, 77)
    board.set_state(0, READY)
    known = [(77, READY), (0, DEAD), (0, DEAD), (0, DEAD)]
    for seed in range(100):
        for line in Path("/proc/self/maps").read_text().splitlines():
            if " rw-s " in line and "/dev/zero" in line:
                start, end = (int(one, 16) for one in line.split()[0].split("-"))
                ctypes.memmove(start, random.Random(seed).randbytes(end - start), end - start)
        assert not any(board.is_right(slot, *one) for slot, one in enumerate(known))
        for slot, one in enumerate(known):
            board.repair(slot, *one)
        board.unlock(board.mutex_pid)
        assert all(board.is_right(slot, *one) for slot, one in enumerate(known))
        assert board.mutex_pid == 0
        assert 0 <= board.read(0)["active"] < 2**31
        assert [board.read(slot)["active"] for slot in (1, 2, 3)] == [0, 0, 0]
    print("repaired")
"""


def test_board_with_garbage_in_it_is_repaired():
    assert run_program(GARBAGE) == "repaired\n"


def test_repair_leaves_what_can_be_right():
    board = Scoreboard(1)
    board.claim(0, 77)
    assert not board.is_right(0, 77, READY)
    board.repair(0, 77, READY)
    assert board.is_right(0, 77, READY)
    assert board.add_request(0) == 1
    board.repair(0, 77, DRAINING)
    assert board.read(0)["requests"] == 1


def test_mutex_is_unlocked_for_its_holder_only():
    board = Scoreboard(1)
    board.unlock(77)
    assert board.mutex_pid == 0


@pytest.mark.parametrize("state", [-1, 5, 1 << 40])
def test_repair_to_a_state_that_is_none_is_refused(state):
    with pytest.raises(ValueError, match="state must be"):
        Scoreboard(1).repair(0, 1, state)
