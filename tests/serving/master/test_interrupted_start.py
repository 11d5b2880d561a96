"""A worker that is told to end while it starts, or while it ends, does so without a traceback."""

import os
import signal

import pytest

from tests.support.waiting import wait_until_blocking

ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
BEGIN = "open('begun', 'w').close()\n"
SPIN = BEGIN + "while True:\n    pass\n"
SERVE = (
    "import asyncio\n"
    "async def main():\n"
    "    async with await asyncio.start_server(print, '127.0.0.1', 0) as server:\n"
    "        await server.serve_forever()\n"
    "asyncio.run(main())\n"
)
SIGNALS_IN_THE_HOOK = (
    "import os, signal\n"
    "def worker_exit(number):\n"
    "    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):\n"
    "        os.kill(os.getpid(), one)\n"
    "    open('hook', 'w').close()\n"
)


class Start:
    """A master in a folder of its own, whose workers write a file there once they have begun."""

    def __init__(self, serve, folder):
        self._serve = serve
        self.folder = folder
        self.begun = folder / "begun"

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def __call__(self, app, *options):
        where = ("--app-dir", str(self.folder), "--chdir", str(self.folder))
        options = (*where, "--log-level", "debug", "--workers", "1", *options)
        server = self._serve(*options, app, program=True)
        wait_until_blocking(self.begun.exists, "the start")
        return server


@pytest.fixture
def start(serve, tmp_path):
    return Start(serve, tmp_path)


def worker_of(server):
    return int(server.logged(r"worker 1\.0 started, process (\d+)")[1])


def test_script_that_is_importing_ends_with_code_0(start):
    start.write("server.py", SPIN)
    server = start("server.py")
    assert server.end() == 0
    server.logged(r"worker 1\.0 \(process \d+\) exited with code 0")
    assert "Traceback" not in server.log


@pytest.mark.parametrize("text", [SPIN, BEGIN + SERVE], ids=["spin", "serve"])
def test_signals_while_the_hook_of_the_end_runs_do_not_interrupt_it(start, text):
    start.write("server.py", text)
    start.write("shop_hooks.py", SIGNALS_IN_THE_HOOK)
    server = start("server.py", "--hooks", "shop_hooks")
    if text is not SPIN:
        server.serving()
    assert server.end() == 0
    server.logged(r"worker 1\.0 \(process \d+\) exited with code 0")
    assert "Traceback" not in server.log
    assert (start.folder / "hook").exists()


def test_script_that_waits_for_its_threads_ends_without_a_traceback(start):
    wait = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    start.write("server.py", wait + BEGIN)
    server = start("server.py", "--ready-on", "start")
    pid = worker_of(server)
    wait_until_blocking(lambda: is_waiting(pid), "the end of the main thread")
    assert server.end() == 0
    assert "Traceback" not in server.log


def is_waiting(pid):
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return "futex" in file.read()


def test_script_that_is_reloaded_while_it_imports_ends_with_code_0(start):
    start.write("server.py", BEGIN + SERVE)
    server = start("server.py").serving()
    start.begun.unlink()
    start.write("server.py", SPIN)
    server.send(signal.SIGHUP)
    wait_until_blocking(start.begun.exists, "the second generation")
    assert server.end() == 0
    server.logged(r"worker 2\.0 \(process \d+\) exited with code 0")
    assert "Traceback" not in server.log


@pytest.mark.parametrize("number", ENDINGS)
@pytest.mark.parametrize("place", ["application", "hook"])
def test_worker_that_is_importing_is_ended_by_term_and_ignores_others(start, place, number):
    start.write("app.py", SPIN if place == "application" else "app = None\n")
    spin = f"open({str(start.begun)!r}, 'w').close()\n    while True:\n        pass\n"
    hook = f"def post_fork(number):\n    {spin}"
    start.write("shop_hooks.py", hook if place == "hook" else "")
    server = start("app:app", "--bind", "127.0.0.1:0", "--hooks", "shop_hooks")
    pid = worker_of(server)
    os.kill(pid, number)
    if number is signal.SIGTERM:
        server.logged(rf"worker 1\.0 \(process {pid}\) was killed by SIGTERM")
        server.end()  # not by SIGKILL: another worker may be in the hook, which sees no end
    else:
        assert server.end() == 0
    assert "Traceback" not in server.read_log()


@pytest.mark.parametrize("number", ENDINGS)
def test_process_that_preloads_is_ended_by_term_and_ignores_others(start, number):
    start.write("app.py", "import os\nopen('pid', 'w').write(str(os.getpid()))\n" + SPIN)
    server = start("app:app", "--bind", "127.0.0.1:0", "--preload")
    os.kill(int((start.folder / "pid").read_text()), number)
    if number is signal.SIGTERM:
        server.logged("the process that loads app:app has died")
    else:
        assert server.end() == 0
    assert "Traceback" not in server.read_log()
