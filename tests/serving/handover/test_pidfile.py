"""The pid file belongs to whoever holds its lock."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from ngxloop.serving.base.errors import StartError
from ngxloop.serving.handover.pidfile import Pidfile, lock_holder
from ngxloop.serving.process.process import fork_child
from ngxloop.serving.sockets.namedfile import OLD_SUFFIX
from tests.serving.support import environment, run_to_end

HOLD = """
import sys
from ngxloop.serving.handover.pidfile import Pidfile
pidfile = Pidfile(sys.argv[1])
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "app.pid")


@pytest.fixture
def owner(path):
    """Another process that owns the file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout.readline() == b"written\n"
    yield process
    process.kill()
    process.communicate()


def test_file_holds_the_process_id_and_goes_with_it(path):
    pidfile = Pidfile(path)
    with open(path) as file:
        assert file.read() == f"{os.getpid()}\n"
    pidfile.close()
    assert not os.path.exists(path)
    assert os.listdir(os.path.dirname(path)) == []


def test_file_of_a_living_owner_is_left_alone(path, owner):
    with pytest.raises(StartError, match=f"belongs to process {owner.pid}, which runs"):
        Pidfile(path)
    assert lock_holder(path) == owner.pid
    assert os.listdir(os.path.dirname(path)) == ["app.pid"]


def test_file_of_a_dead_owner_is_replaced(path, owner):
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert lock_holder(path) == 0
    Pidfile(path).close()
    assert not os.path.exists(path)


def test_file_with_the_id_of_another_program_is_replaced(path):
    with open(path, "w") as file:
        file.write(f"{os.getppid()}\n")
    Pidfile(path).close()


def test_forked_process_neither_holds_nor_removes_it(path):
    pidfile = Pidfile(path)
    pid = os.fork()
    if pid == 0:
        pidfile.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.path.exists(path)
    pidfile.close()


def test_way_is_given_and_taken_back(path):
    pidfile = Pidfile(path)
    pidfile.rename_aside()
    assert os.listdir(os.path.dirname(path)) == ["app.pid" + OLD_SUFFIX]
    pidfile.restore()
    assert os.listdir(os.path.dirname(path)) == ["app.pid"]
    pidfile.rename_aside()
    pidfile.close()
    assert os.listdir(os.path.dirname(path)) == []


def test_successors_file_is_not_removed(path):
    pidfile = Pidfile(path)
    os.unlink(path)
    with open(path, "w"):
        pass
    pidfile.close()
    assert os.path.exists(path)


def test_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(StartError, match=r"cannot write the pid file .*: No such file"):
        Pidfile(str(tmp_path / "no" / "app.pid"))


def test_child_of_the_master_has_no_descriptor_of_it_and_the_lock_stays(path):
    pidfile = Pidfile(path)
    pid = fork_child(lambda: None, lambda: int(any("app.pid" in one for one in open_links())))
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert any("app.pid" in one for one in open_links())
    code = "from ngxloop.serving.handover.pidfile import lock_holder"
    check = f"{code}; print(lock_holder({path!r}))"
    result = run_to_end([sys.executable, "-c", check])
    assert result.stdout == f"{os.getpid()}\n"
    pidfile.close()


def open_links():
    folder = "/proc/self/fd"
    found = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"{folder}/{name}"))
    return found


def test_what_is_no_file_of_a_master_has_no_holder(path, owner, tmp_path):
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with pytest.raises(OSError, match=r"symbolic links|not a regular file"):
            lock_holder(str(tmp_path / name))
