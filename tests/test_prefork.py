"""Master as a Python API: it runs in the caller's process and leaves that as it was."""

import os
import signal
import sys

import pytest

from ngxloop.prefork import Config, Master
from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import APPS, run_to_end

# Runs a master that is told to end as soon as it serves, then says what is left of it.
PROGRAM = """
import atexit, logging, os, resource, signal, sys, threading
from ngxloop.prefork import Master
from ngxloop.serving.config.config import Config

class EndWhenServing(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("serving "):
            os.kill(os.getpid(), signal.SIGTERM)

log = logging.getLogger("ngxloop.serve")
log.addHandler(EndWhenServing())
log.setLevel(logging.INFO)
atexit.register(print, "exit function of", os.getpid())
before = [signal.getsignal(number) for number in range(1, 32)]
fds = os.listdir("/proc/self/fd")
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
code = Master(Config(app="plain:Echo", workers=2, bind=["127.0.0.1:0"], app_dir=sys.argv[1])).run()
assert [signal.getsignal(number) for number in range(1, 32)] == before
assert os.listdir("/proc/self/fd") == fds
assert resource.getrlimit(resource.RLIMIT_NOFILE) == limits
assert threading.active_count() == 1
print("returned", code, "in", os.getpid())
"""


def test_run_returns_once_and_only_in_the_caller():
    result = run_to_end([sys.executable, "-c", PROGRAM, str(APPS)])
    assert result.stderr == ""  # the log went to the caller's own handler
    returned, exit_function = result.stdout.splitlines()
    pid = returned.removeprefix("returned 0 in ")
    assert exit_function == f"exit function of {pid}"


def test_run_returns_the_exit_code_of_what_failed(capfd):
    config = Config(app="no_such_module:app", bind=["127.0.0.1:0"], app_dir=str(APPS))
    assert Master(config).run() == ExitCode.NO_MODULE
    assert "ngxloop-serve: no module named 'no_such_module'" in capfd.readouterr().err


def test_second_run_is_refused():
    master = Master(Config(app="a:b", bind=["192.0.2.1:0"]))
    master.run()
    with pytest.raises(RuntimeError, match="runs once"):
        master.run()


def test_run_outside_the_main_thread_is_refused():
    program = (
        "import threading\n"
        "from ngxloop.prefork import Master\n"
        "from ngxloop.serving.config.config import Config\n"
        "threading.Thread(target=Master(Config(app='a:b', bind=['127.0.0.1:0'])).run).start()\n"
    )
    result = run_to_end([sys.executable, "-c", program])
    assert "call it in the main thread" in result.stderr


def test_children_of_the_caller_are_left_alone():
    pid = os.fork()
    if pid == 0:
        os._exit(5)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    config = Config(app="no_such_module:app", bind=["127.0.0.1:0"], app_dir=str(APPS))
    Master(config).run()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_caller_has_its_handlers_back_after_a_failure(number):
    before = signal.getsignal(number)
    Master(Config(app="a:b", bind=["192.0.2.1:0"])).run()
    assert signal.getsignal(number) is before
