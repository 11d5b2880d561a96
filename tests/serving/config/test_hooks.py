"""The operator's functions are called at their turning points, and their mistakes are one line."""

import os
import re
import signal
import sys
import textwrap

import pytest

from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.hooks import HOOKS, Hooks, load_hooks
from tests.serving.support import APPS

RECORDING = "\n".join(
    f"def {name}({', '.join(arguments)}):\n"
    f"    print('hook {name}', {', '.join(arguments) or repr('')}, file=sys.stderr, flush=True)\n"
    for name, (arguments, _) in HOOKS.items()
    if name != "on_config"
)


@pytest.fixture
def hooks(tmp_path):
    """Write a module with the hooks, next to an application that serves."""

    def write(source):
        (tmp_path / "own_hooks.py").write_text(f"import sys\n{source}")
        path = f"import sys\nsys.path.append({str(APPS)!r})\n"
        (tmp_path / "echo.py").write_text(f"{path}from plain import Echo\n")
        return ["--hooks", "own_hooks", "--app-dir", str(tmp_path)]

    return write


def refusal(tmp_path, source):
    (tmp_path / "own_hooks.py").write_text(source)
    with pytest.raises(ConfigError) as caught:
        load_hooks("own_hooks", str(tmp_path))
    return str(caught.value)


def test_worker_calls_its_hooks_in_order(serve, hooks):
    server = serve("echo:Echo", *hooks(RECORDING)).serving()
    assert server.end() == 0
    calls = [line for line in server.log.splitlines() if line.startswith("hook ")]
    names = ("post_fork", "worker_init", "worker_ready", "worker_draining", "worker_exit")
    assert [call for call in calls if call.split()[1] in names] == [
        f"hook {name} 0" for name in names
    ]


def test_master_calls_its_hooks(serve, hooks):
    server = serve("echo:Echo", *hooks(RECORDING)).serving()
    (pid,) = server.worker_pids(1)
    os.kill(pid, signal.SIGKILL)
    server.logged(r"worker 1\.0 ready")
    server.send(signal.SIGHUP)
    server.logged("generation 2 serves, 1 drains")
    assert server.end() == 0
    second, third = server.worker_pids(1)[1], server.worker_pids(2)[0]
    masters = ("on_bind", "pre_fork", "child_exit", "on_reload", "on_exit")
    calls = [line for line in server.log.splitlines() if line.startswith("hook ")]
    assert [call for call in calls if call.split()[1] in masters] == [
        f"hook on_bind ['{server.addresses[0]}']",
        "hook pre_fork 0",
        f"hook child_exit 0 {-signal.SIGKILL} {pid}",
        "hook pre_fork 0",
        f"hook on_bind ['{server.addresses[0]}']",
        "hook on_reload ",
        "hook pre_fork 0",
        f"hook child_exit 0 0 {second}",
        f"hook child_exit 0 0 {third}",
        "hook on_exit 0",
    ]


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["", "preload"])
def test_pre_fork_is_called_for_each_worker(serve, hooks, options):
    source = "def pre_fork(slot):\n    print('hook pre_fork', slot, file=sys.stderr, flush=True)\n"
    server = serve("echo:Echo", "--workers", "3", *options, *hooks(source)).serving()
    assert server.end() == 0
    assert re.findall(r"hook pre_fork (\d)", server.log) == ["0", "1", "2"]


def test_worker_sees_what_its_pre_fork_hook_has_changed(serve, hooks):
    """The hook of the next worker comes after its fork, and with no signal blocked."""
    code = """
        import os, signal

        def pre_fork(slot):
            os.environ["SLOT"] = f"{slot} {len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))}"

        def post_fork(slot):
            print("hook post_fork", slot, os.environ["SLOT"], file=sys.stderr, flush=True)
    """
    server = serve("echo:Echo", "--workers", "3", *hooks(textwrap.dedent(code))).serving()
    assert server.end() == 0
    assert sorted(re.findall(r"hook post_fork (.*)", server.log)) == ["0 0 0", "1 1 0", "2 2 0"]


def test_end_of_a_worker_may_be_heard_of_without_its_process_id(serve, hooks):
    source = "def child_exit(slot, status):\n    print('gone', slot, status, file=sys.stderr)\n"
    server = serve("echo:Echo", *hooks(source)).serving()
    assert server.end() == 0
    assert "gone 0 0\n" in server.log


def test_sockets_may_be_refused_by_a_hook_which_changes_nothing_on_a_reload(serve, hooks):
    options = hooks("def on_bind(addresses): ...\n")
    server = serve("echo:Echo", *options).serving()
    hooks("def on_bind(addresses):\n    raise ValueError(len(addresses))\n")
    server.send(signal.SIGHUP)
    # the options are not read anew here: no file, but the module is
    server.logged("the hook on_bind raised ValueError: 1")
    server.logged("reload failed: generation 1 goes on serving")
    assert server.end() == 0


def test_configuration_may_be_refused_by_a_hook(serve, hooks):
    source = "def on_config(config):\n    raise ValueError(f'not {config.app}')\n"
    server = serve("echo:Echo", *hooks(source))
    assert server.ended() == ExitCode.START_FAILED
    assert "ngxloop-serve: the hook on_config raised ValueError: not echo:Echo" in server.log


def test_worker_may_be_refused_by_a_hook(serve, hooks):
    server = serve("echo:Echo", *hooks("def worker_init(slot):\n    sys.exit('no')\n"), "-w", "2")
    assert server.ended() == ExitCode.START_FAILED
    assert "ngxloop-serve: the hook worker_init raised SystemExit: no" in server.log


def test_other_hook_that_raises_is_logged_and_no_more(serve, hooks):
    server = serve("echo:Echo", *hooks("def worker_ready(slot):\n    1 / 0\n")).serving()
    assert server.end() == 0
    assert "the hook worker_ready raised ZeroDivisionError: division by zero" in server.log
    assert server.log.count("1 / 0") == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def worker_redy(slot): ...\n", ["the unknown hook worker_redy()", "mean worker_ready?"]),
        ("def worker_ready(): ...\n", ["own_hooks.worker_ready(slot) cannot be called like this"]),
        ("async def on_exit(code): ...\n", ["own_hooks.on_exit(code) is async"]),
        ("on_exit = 5\n", ["own_hooks.on_exit(code) cannot be called"]),
        ("1 / 0\n", ["hooks: importing own_hooks failed: ZeroDivisionError"]),
    ],
)
def test_module_that_is_wrong_is_one_line(tmp_path, source, words):
    line = refusal(tmp_path, source)
    for word in words:
        assert word in line
    assert "\n" not in line


def test_module_that_is_missing_is_one_line(tmp_path):
    for name in ("no_such_hooks", "no_such.hooks", ".hooks"):
        with pytest.raises(ConfigError, match=f"no module named '{name}' in {tmp_path}"):
            Config(app="a:b", hooks=name, app_dir=str(tmp_path)).prepare()


def test_module_is_run_anew_for_each_configuration(tmp_path):
    file = tmp_path / "own_hooks.py"
    for text in ("first", "the second"):
        file.write_text(f"def on_exit(code):\n    raise ValueError({text!r})\n")
        with pytest.raises(StartError, match=f"on_exit raised ValueError: {text}"):
            load_hooks("own_hooks", str(tmp_path)).require("on_exit", 0)


def test_hooks_keep_what_they_have_imported_from_beside_them(tmp_path):
    (tmp_path / "counting.py").write_text("calls = []\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "inner.py").write_text("from counting import calls\n")
    (tmp_path / "own_hooks.py").write_text(
        "def on_exit(code):\n    import package.inner\n    package.inner.calls.append(code)\n"
        "def on_reload():\n    from counting import calls\n    raise ValueError(calls)\n"
    )
    before = set(sys.modules)
    for _ in range(2):
        hooks = load_hooks("own_hooks", str(tmp_path))
        for code in (1, 2):
            hooks.require("on_exit", code)
        with pytest.raises(StartError, match=r"ValueError: \[1, 2\]"):  # anew for each reload
            hooks.require("on_reload")
    assert set(sys.modules) == before
    assert str(tmp_path) not in sys.path


def test_hooks_in_a_package_beside_the_application_are_found(tmp_path):
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "__init__.py").write_text("CODE = 5\n")
    source = "from . import CODE\ndef on_exit(code):\n    raise ValueError(CODE)\n"
    (tmp_path / "ops" / "hooks.py").write_text(source)
    with pytest.raises(StartError, match="ValueError: 5"):
        load_hooks("ops.hooks", str(tmp_path)).require("on_exit", 0)
    assert "ops" not in sys.modules


def test_hook_that_is_not_there_is_none():
    Hooks({}).call("on_exit", 0)
    load_hooks(None, ".").require("on_config", None)
