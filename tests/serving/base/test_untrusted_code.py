"""A master that is root, with workers that are not, runs no code that others can write."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.serving.support import APPS, wait_gone
from tests.serving.untrusted import (
    AS_NOBODY,
    MODULE,
    NOBODY,
    ROOT,
    SAFE,
    evil,
    refusal,
    refuses_reload,
)

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: only root can run workers as another user"
)


# The hooks -----------------------------------------------------------------------------------


def test_hooks_of_others_are_not_run(start_in, theirs):
    mark = evil(theirs)
    line = refusal(start_in(*AS_NOBODY, "--hooks", "hooks_of_ops", "--app-dir", str(theirs)))
    assert f"--hooks: {theirs} is owned by user nobody and has the module hooks_of_ops" in line
    assert not mark.exists()


def test_hooks_that_others_have_taken_over_are_not_run_at_a_reload(start_in, ours):
    folder = ours / "app"
    folder.mkdir()
    (folder / "hooks_of_ops.py").write_text("")
    options = ["--hooks", "hooks_of_ops", "--app-dir", str(folder)]
    (folder / "process_state.py").write_bytes((APPS / "process_state.py").read_bytes())
    server = start_in(*AS_NOBODY, *options).serving()
    mark = evil(folder)
    os.chown(folder, NOBODY, -1)
    refuses_reload(server, f"{folder} is owned by user nobody and has the module hooks_of_ops")
    assert server.end() == 0
    assert not mark.exists()


def test_what_hooks_import_from_others_is_not_run(start_in, ours, theirs):
    (ours / "package").mkdir()
    (ours / "package" / "__init__.py").touch()
    (ours / "package" / "inner").symlink_to(theirs)
    (ours / "hooks_of_ops.py").write_text("import package.inner.evil\n")
    mark = evil(theirs, "evil.py")
    line = refusal(start_in(*AS_NOBODY, "--hooks", "hooks_of_ops", "--app-dir", str(ours)))
    assert f"--hooks: {theirs} is owned by user nobody" in line
    assert not mark.exists()


def test_bytecode_of_others_is_not_run(start_in, ours):
    (ours / "hooks_of_ops.py").write_text("")
    (ours / "__pycache__").mkdir()
    tag = sys.implementation.cache_tag
    cached = ours / "__pycache__" / f"hooks_of_ops.{tag}.pyc"
    cached.touch()
    os.chown(cached, NOBODY, -1)
    line = refusal(start_in(*AS_NOBODY, "--hooks", "hooks_of_ops", "--app-dir", str(ours)))
    assert f"{cached} is owned by user nobody" in line


def test_folder_into_which_others_can_put_bytecode_is_refused(start_in, ours):
    (ours / "hooks_of_ops.py").write_text("")
    (ours / "__pycache__").mkdir()
    (ours / "__pycache__").chmod(0o777)
    line = refusal(start_in(*AS_NOBODY, "--hooks", "hooks_of_ops", "--app-dir", str(ours)))
    assert f"{ours}/__pycache__ can be written by everybody" in line


def test_hooks_of_root_are_found_past_a_folder_of_others(start_in, ours, theirs):
    (ours / "hooks_of_ops.py").write_text(
        "import os, sys\ndef post_fork(slot):\n"
        "    import colorsys\n    print('as', os.geteuid(), file=sys.stderr, flush=True)\n"
    )
    mark = evil(theirs, "colorsys.py")
    (theirs / "process_state.py").write_bytes((APPS / "process_state.py").read_bytes())
    path = os.pathsep.join([str(ROOT), str(ours)])
    options = ["--hooks", "hooks_of_ops", "--app-dir", str(theirs)]
    server = start_in(*AS_NOBODY, *options, variables={"PYTHONPATH": path}).serving()
    assert "as 0\n" in server.log
    assert "raised" not in server.log
    assert server.end() == 0
    assert not mark.exists()


def test_working_folder_that_others_have_removed_ends_no_master(start_in, ours, theirs):
    (ours / "hooks_of_ops.py").write_text("def on_reload(): ...\n")
    path = os.pathsep.join([str(ROOT), str(ours)])
    options = ["--hooks", "hooks_of_ops", "--app-dir", ".", *AS_NOBODY]
    (theirs / "process_state.py").write_bytes((APPS / "process_state.py").read_bytes())
    server = start_in(*options, folder=theirs, variables={"PYTHONPATH": path}).serving()
    (theirs / "process_state.py").unlink()
    theirs.rmdir()
    refuses_reload(
        server, "hooks: cannot look for 'hooks_of_ops', the working folder no longer exists"
    )
    assert server.end() == 0


def test_folder_of_the_application_is_never_on_the_masters_path(serve, tmp_path):
    (tmp_path / "hooks_of_ops.py").write_text(
        "import sys\nimport beside\n"
        "def show(where):\n"
        f"    is_there = {str(tmp_path)!r} in sys.path\n"
        "    print(where, is_there, 'beside' in sys.modules, file=sys.stderr)\n"
        "def on_bind(addresses):\n    show('master')\n    import later\n    print(later.WORD)\n"
        "def on_exit(code):\n    show('exit')\n    import later\n    later.WORD\n"
    )
    (tmp_path / "beside.py").touch()
    (tmp_path / "later.py").write_text("WORD = 'later'\n")
    (tmp_path / "app.py").write_text(
        "import sys\nprint('worker', 'beside' in sys.modules, file=sys.stderr, flush=True)\n"
        f"sys.path.append({str(APPS)!r})\nfrom process_state import State\n"
    )
    server = serve("app:State", "--hooks", "hooks_of_ops", "--app-dir", str(tmp_path)).serving()
    assert server.end() == 0
    for line in ("master False True", "exit False True", "worker False"):
        assert f"{line}\n" in server.log
    assert "raised" not in server.log


# Python's path ---------------------------------------------------------------------------------


def test_working_folder_of_others_on_the_path_starts_nothing(start_in, theirs):
    line = refusal(start_in(*AS_NOBODY, folder=theirs, program=MODULE))
    assert f"--user: {theirs} is owned by user nobody, and Python runs what is there" in line
    assert "remove it from Python's path (PYTHONPATH, python -P)" in line


@pytest.mark.parametrize("name", [".", "missing"])
def test_folder_of_pythonpath_that_others_own_starts_nothing(start_in, theirs, name):
    path = os.pathsep.join([str(ROOT), str(theirs / name)])
    line = refusal(start_in(*AS_NOBODY, variables={"PYTHONPATH": path}))
    assert f"{theirs} is owned by user nobody, and Python runs what is there" in line


def test_sticky_folder_on_the_path_starts_nothing(start_in, ours):
    (ours / "sticky").mkdir()
    (ours / "sticky").chmod(0o1777)
    path = os.pathsep.join([str(ROOT), str(ours / "sticky")])
    line = refusal(start_in(*AS_NOBODY, variables={"PYTHONPATH": path}))
    assert "can be written by everybody (mode 1777)" in line


@pytest.mark.parametrize("name", ["more.pth", "module.py"])
def test_file_in_a_folder_of_roots_counts_if_python_runs_it(start_in, ours, name):
    folder = ours / "modules"
    folder.mkdir()
    (folder / name).touch()
    (folder / name).chmod(0o666)
    (folder / "sitecustomize.py").write_text("import module\n" if name == "module.py" else "")
    path = os.pathsep.join([str(ROOT), str(folder)])
    line = refusal(start_in(*AS_NOBODY, variables={"PYTHONPATH": path}))
    assert f"--user: {folder}/{name} can be written by everybody (mode 0666)" in line


def test_path_is_examined_again_at_a_reload(start_in, ours):
    folder = ours / "modules"
    folder.mkdir()
    path = os.pathsep.join([str(ROOT), str(folder)])
    server = start_in(*AS_NOBODY, variables={"PYTHONPATH": path}).serving()
    folder.chmod(0o777)
    refuses_reload(server, f"{folder} can be written by everybody (mode 0777), and Python runs")
    assert server.end() == 0


# The upgrade -----------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [SAFE, MODULE], ids=["safe path", "module"])
def test_upgrade_in_a_folder_that_others_can_write_is_refused(start_in, ours, program):
    folder = ours / "app"
    folder.mkdir()
    server = start_in(*AS_NOBODY, folder=folder, program=program).serving()
    os.chown(folder, NOBODY, -1)
    mark = evil(folder, "asyncio.py")
    server.send(signal.SIGUSR2)
    server.logged(
        f"no upgrade: {folder} is owned by user nobody; with --user, the master uses only"
    )
    assert server.end() == 0
    assert "new master started" not in server.log
    assert not mark.exists()


@pytest.mark.parametrize("change", ["interpreter", "script"])
def test_program_that_others_can_write_is_not_executed(start_in, ours, change):
    (ours / "bin").mkdir()
    python = ours / "bin" / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    script = ours / "bin" / "serve"
    script.write_text("from ngxloop.cli import main\nmain()\n")
    venv = ours / "pyvenv.cfg"
    venv.write_text(f"home = {os.path.dirname(os.path.realpath(sys.executable))}\n")
    path = os.pathsep.join(filter(None, [str(ROOT), *sys.path]))
    server = start_in(
        *AS_NOBODY, program=[str(python), "-P", str(script)], variables={"PYTHONPATH": path}
    ).serving()
    if change == "script":
        script.chmod(0o666)
    else:
        os.chown(ours / "bin", NOBODY, -1)
    server.send(signal.SIGUSR2)
    culprit = script if change == "script" else ours / "bin"
    server.logged(f"no upgrade: {culprit} (can be written by everybody|is owned by user nobody)")
    assert server.end() == 0


@pytest.mark.parametrize("program", [SAFE, MODULE], ids=["safe path", "module"])
def test_new_master_has_a_safe_path_and_is_as_careful(start_in, ours, program):
    folder = ours / "app"
    folder.mkdir()
    (folder / "ngxloop.toml").write_text('user = "nobody"\nhooks = "hooks_of_ops"\n')
    (ours / "hooks_of_ops.py").write_text(
        "import sys\ndef on_bind(addresses):\n"
        "    print('safe', sys.flags.safe_path, sys.orig_argv.count('-P'), file=sys.stderr)\n"
    )
    path = os.pathsep.join([str(ROOT), str(ours)])
    server = start_in(folder=folder, program=program, variables={"PYTHONPATH": path}).serving()
    server.send(signal.SIGUSR2)
    server.logged("safe True 1\n")
    new = int(server.logged(r"the new master \(process (\d+)\) serves").group(1))
    assert b'"is_strict": true' in Path(f"/proc/{new}/environ").read_bytes()
    assert server.end() == 0
    os.chown(folder, NOBODY, -1)
    (folder / "ngxloop.toml").unlink()
    os.kill(new, signal.SIGHUP)
    server.logged("reload failed: generation 1 goes on serving")
    assert f"{folder} is owned by user nobody" in server.log
    os.kill(new, signal.SIGTERM)
    wait_gone(new)


def test_upgrade_works_from_a_checkout_of_roots(start_in):
    server = start_in(*AS_NOBODY, folder=ROOT, program=MODULE).serving()
    server.send(signal.SIGUSR2)
    new = int(server.logged(r"the new master \(process (\d+)\) serves").group(1))
    os.kill(new, signal.SIGTERM)
    wait_gone(new)
    assert server.end() == 0
