"""The library itself: what it strikes, what it leaves alone, and that a hit has an effect."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ngxloop
from tests.faults.errors import ERRORS, TRANSPARENT
from tests.faults.injection import CALLS, ROOT, Rule, new_board, symbols
from tests.faults.running import explore, failures

PACKAGE = Path(ngxloop.__file__).parent

# What compiled modules import from libc and cannot usefully fail: no call, or none that can fail
# with the arguments it is given.
HARMLESS = {
    *("memchr", "memcmp", "memcpy", "memmove", "memset", "strlen", "strrchr"),
    *("in6addr_loopback", "inet_ntop", "inet_pton", "clock_gettime", "getpid", "munmap"),
    *("snprintf", "time"),
    "ceil",  # of libm: some compilers have an instruction for it
}


def run(source, *rules):
    """Run a program under rules; return what it printed, the hits of each rule and the counts."""
    with new_board() as board:
        board.arm(*rules)
        program = subprocess.run(
            [sys.executable, "-c", source],
            cwd=ROOT,
            env={**os.environ, **board.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        hits = [board.hits(i) for i in range(len(rules))]
        return program.stdout + program.stderr, hits, board.counts()


def test_library_covers_every_call_of_compiled_modules(library):
    imported = {
        name
        for module in PACKAGE.rglob("*.so")
        for name in symbols(module, "--undefined-only")
        if not name.startswith(("Py", "_Py", "__", "_ITM_"))
    }
    assert imported - symbols(library, "--defined-only") - HARMLESS == set()


def test_every_call_in_table_of_errors_can_be_named():
    assert set(ERRORS) | set(TRANSPARENT) - {"*"} <= set(CALLS)
    for call, errors in ERRORS.items():
        for error in errors:
            assert str(Rule.parse(f"{call}:{error}")) == f"{call}:{error}:1"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule("recv", 4), "recv:EINTR:1"),
        (Rule("recv", None, first=3), "recv:short:3"),
        (Rule("recv", 4, first=2, last=5), "recv:EINTR:2-5"),
        (Rule("recv", 4, last=2**64 - 1, percent=20, seed=7), "recv:EINTR:1-%20/7"),
    ],
)
def test_rule_has_text_form(rule, text):
    assert str(rule) == text
    assert Rule.parse(text) == rule


def test_rule_for_unknown_call_is_refused():
    with pytest.raises(ValueError, match="no such call"):
        Rule("telepathy", 1)


def test_struck_call_fails_and_the_others_pass():
    source = """
import os
for _ in range(4):
    try:
        os.close(os.eventfd(0))
        print("made")
    except OSError as error:
        print(error.strerror)
"""
    output, hits, counts = run(source, Rule.parse("eventfd:EMFILE:2-3"))
    assert output.split("\n")[:4] == ["made", *["Too many open files"] * 2, "made"]
    assert hits == [2]
    assert counts["eventfd"] == 4


def test_process_without_armed_board_is_left_alone():
    with new_board() as board:
        board.arm(Rule.parse("socketpair:EMFILE:1-"))
        board.disarm()
        subprocess.run(
            [sys.executable, "-c", "import socket; [x.close() for x in socket.socketpair()]"],
            env={**os.environ, **board.environment},
            check=True,
        )
        assert (board.hits(), board.counts()) == (0, {})


def test_short_transfer_moves_less():
    source = """
import os, socket
a, b = socket.socketpair()
print(a.send(b"x" * 10), a.sendmsg([b"y" * 3, b"z" * 3]), a.send(b"w" * 10))
"""
    rules = Rule("send", None, short_count=4), Rule("sendmsg", None, short_count=5)
    output, hits, _ = run(source, *rules)
    assert (output, hits) == ("4 3 10\n", [1, 1])


def test_message_of_datagram_socket_is_never_short():
    source = """
import socket
for kind in socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
    a, b = socket.socketpair(socket.AF_UNIX, kind)
    print(a.send(b"x" * 10), len(b.recv(10)))
"""
    output, hits, _ = run(source, Rule.parse("send:short:1-"), Rule.parse("recv:short:1-"))
    assert (output, hits) == ("10 10\n10 10\n", [0, 0])


def test_rule_holds_for_kind_of_descriptor_alone():
    source = """
import os, socket
a, b = socket.socketpair()
r, w = os.pipe()
results = []
for fd in a.fileno(), w:
    try:
        results.append(os.write(fd, b"x"))
    except OSError as error:
        results.append(error.strerror)
print(*results)
"""
    output, hits, _ = run(source, Rule("write", 5, fd_kind="pipe"))
    assert (output, hits) == ("1 Input/output error\n", [1])


def test_child_processes_are_disturbed_and_one_may_be_left_out():
    source = """
import os, sys
for _ in range(2):
    if (pid := os.fork()) == 0:
        try:
            os.eventfd(0)
        except OSError:
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
os.eventfd(0)
"""
    with new_board() as board:
        process = subprocess.Popen(
            [sys.executable, "-c", "input()\n" + source],
            env={**os.environ, **board.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        board.arm(Rule("eventfd", 24, last=9, pid=-process.pid))
        output, _ = process.communicate("go\n")
        assert (output, process.returncode, board.hits()) == ("1\n1\n", 0, 2)


def test_random_rule_strikes_the_same_calls_for_the_same_seed():
    source = """
import os
for _ in range(200):
    try:
        os.close(os.eventfd(0))
        print(".", end="")
    except OSError:
        print("!", end="")
"""
    first = run(source, Rule.parse("eventfd:EMFILE:1-%30/1"))
    again = run(source, Rule.parse("eventfd:EMFILE:1-%30/1"))
    other = run(source, Rule.parse("eventfd:EMFILE:1-%30/2"))
    assert first == again
    assert first[0] != other[0]
    assert 30 < first[1][0] < 90


def test_hit_changes_the_outcome_of_a_scenario():
    undisturbed = explore("tcp_echo", "send:ECONNRESET:1000")
    disturbed = explore("tcp_echo", "send:ECONNRESET:1")
    assert "told []" in undisturbed.output
    assert "hit 1, told [ConnectionResetError(104" in disturbed.output


def test_fault_that_is_never_hit_fails_its_test():
    outcome = explore("watching", "sendfile:EIO")
    assert outcome.code == 1
    assert "never hit" in failures(outcome)


def test_run_that_hangs_fails_its_test(monkeypatch):
    monkeypatch.setenv("FAULTS_HANG_SECONDS", "0.5")
    outcome = explore("tcp_echo", "recv:short:1")  # an edge-triggered loop may rely on it
    assert "python -m tests.faults tcp_echo recv:short:1\n    ! hung" in failures(outcome)
