"""A master that is root, with workers that are not, obeys nothing that others can write."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ngxloop
from ngxloop.serving.errors import ConfigError, ExitCode
from ngxloop.serving.loading import Loader
from tests.serving.support import APPS, Server, environment, wait_gone

NOBODY = 65534
ROOT = Path(ngxloop.__file__).parent.parent
MODULE = [sys.executable, "-m", "ngxloop.cli"]
SAFE = [sys.executable, "-P", "-m", "ngxloop.cli"]
SERVE = ["process_state:State", "--app-dir", str(APPS), "--bind", "127.0.0.1:0"]
AS_NOBODY = ["--user", "nobody"]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: only root can run workers as another user"
)


@pytest.fixture
def ours(tmp_path):
    """A folder that only root can write, and everybody can read."""
    for one in (tmp_path, *tmp_path.parents):
        if one.stat().st_uid == 0 and str(one).startswith("/tmp/"):
            one.chmod(0o755)
    return tmp_path


@pytest.fixture
def theirs(ours):
    """A folder of the workers' user."""
    folder = ours / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


@pytest.fixture
def start(ours, monkeypatch):
    """Start a master in a folder; it is killed after the test."""
    servers = []

    def run(*options, folder=ours, program=SAFE, variables=None):
        with monkeypatch.context() as inside:
            inside.chdir(folder)
            inside.delenv("PWD", raising=False)
            for name, value in (variables or {}).items():
                inside.setenv(name, value)
            servers.append(Server([*SERVE, *options], program=program))
        return servers[-1]

    yield run
    for server in servers:
        server.close()


def evil(folder, name="hooks_of_ops.py"):
    """Write a module that leaves a mark if root runs it."""
    mark = folder / "was-root"
    (folder / name).write_text(
        f"import os\nif os.geteuid() == 0:\n    open({str(mark)!r}, 'w').close()\n"
        "def on_reload(): ...\n"
    )
    return mark


def refusal(server, code=ExitCode.USAGE):
    """Wait for the end; return the only line."""
    assert server.ended() == code
    (line,) = server.log.splitlines()
    assert "root obeys only what nobody else can write while --user is set: " in line
    return line


def refuses_reload(server, words):
    server.send(signal.SIGHUP)
    server.logged("reload failed: generation 1 goes on serving")
    assert words in server.log


# The configuration file ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ngxloop.toml", "pyproject.toml"])
def test_file_of_others_in_the_working_folder_starts_nothing(start, ours, name):
    table = "[tool.ngxloop]\n" if name == "pyproject.toml" else ""
    (ours / name).write_text(f'{table}user = "nobody"\n')
    os.chown(ours / name, NOBODY, -1)
    line = refusal(start())
    assert f": {ours}/{name} belongs to user nobody; root obeys" in line
    assert f"make {ours}/{name} and the folders above it root's" in line


@pytest.mark.parametrize("way", ["option", "variable"])
def test_file_that_is_named_in_a_folder_of_others_starts_nothing(start, theirs, way):
    file = theirs / "other.toml"
    file.write_text('user = "nobody"\n')
    options = ["--config", str(file)] if way == "option" else []
    variables = {"NGXLOOP_CONFIG": str(file)} if way == "variable" else None
    line = refusal(start(*options, variables=variables))
    assert f": {theirs} belongs to user nobody; root obeys" in line
    assert f"make {file} and the folders above it root's" in line


def test_link_to_a_file_of_others_starts_nothing(start, ours, theirs):
    (theirs / "real.toml").write_text("workers = 2\n")
    (ours / "ngxloop.toml").symlink_to(theirs / "real.toml")
    assert f"{theirs} belongs to user nobody" in refusal(start(*AS_NOBODY))


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_file_that_others_may_write_starts_nothing(start, ours, mode):
    (ours / "ngxloop.toml").write_text("workers = 2\n")
    (ours / "ngxloop.toml").chmod(mode)
    assert f"(mode {mode:04o})" in refusal(start(*AS_NOBODY))


def test_file_that_turns_up_later_is_not_obeyed(start, theirs):
    server = start(*AS_NOBODY, folder=theirs).serving()
    mark = evil(theirs)
    (theirs / "ngxloop.toml").write_text('user = "root"\nhooks = "hooks_of_ops"\n')
    refuses_reload(server, f"{theirs} belongs to user nobody; root obeys only")
    assert server.end() == 0
    assert not mark.exists()


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_user_stays_though_its_line_is_taken_out_of_the_file(start, ours, change):
    folder = ours / "app"
    folder.mkdir()
    (folder / "ngxloop.toml").write_text('user = "nobody"\n')
    server = start(folder=folder).serving()
    os.chown(folder, NOBODY, -1)
    (folder / "ngxloop.toml").unlink()
    if change == "replaced":
        (folder / "ngxloop.toml").write_text("workers = 2\n")
    refuses_reload(server, f"{folder} belongs to user nobody")
    assert server.end() == 0


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = 1\n" * 1_000_000])
def test_file_that_cannot_be_read_ends_no_master(start, theirs, text):
    server = start(*AS_NOBODY, folder=theirs).serving()
    (theirs / "ngxloop.toml").write_text(text)
    refuses_reload(server, f"{theirs}/ngxloop.toml")
    assert server.end() == 0


def test_pyproject_that_says_nothing_about_us_is_harmless(start, theirs):
    (theirs / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    server = start(*AS_NOBODY, folder=theirs).serving()
    server.send(signal.SIGHUP)
    server.logged("generation 2 serves, 1 drains")
    assert server.end() == 0


def test_file_of_others_is_obeyed_while_no_rights_are_given_up(start, theirs):
    (theirs / "ngxloop.toml").write_text("workers = 2\n")
    server = start(folder=theirs).serving()
    assert len(server.worker_pids(1)) == 2
    assert server.end() == 0


@pytest.mark.parametrize("words", [["check", *SERVE], [*SERVE, "--print-config"]])
def test_other_commands_refuse_it_as_well(theirs, words):
    (theirs / "ngxloop.toml").write_text('user = "nobody"\n')
    result = subprocess.run(
        [*SAFE, *words], cwd=theirs, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == ExitCode.USAGE
    assert f"{theirs} belongs to user nobody; root obeys only" in result.stderr


def test_new_master_needs_no_user_of_its_own_to_be_careful(theirs):
    config = theirs / "ngxloop.toml"
    for text in ("", "workers = 2\n"):
        config.write_text(text)
        Loader(["a:b"], {}, str(theirs)).load()
        with pytest.raises(ConfigError, match=f"{theirs} belongs to user nobody"):
            Loader(["a:b"], {}, str(theirs), is_strict=True).load()
    config.unlink()
    with pytest.raises(ConfigError, match=f"{theirs} belongs to user nobody"):
        Loader(["a:b"], {}, str(theirs), is_strict=True).load()


# Variables -----------------------------------------------------------------------------------


def test_file_of_variables_that_others_own_starts_nothing(start, ours, theirs):
    (theirs / "a.env").write_text("COLOUR=red\n")
    line = refusal(start(*AS_NOBODY, "--env-file", str(theirs / "a.env")))
    assert f"--env-file: {theirs} belongs to user nobody" in line


def test_file_of_variables_is_examined_again_at_a_reload(start, ours):
    (ours / "a.env").write_text("COLOUR=red\n")
    server = start(*AS_NOBODY, "--env-file", str(ours / "a.env")).serving()
    (ours / "a.env").chmod(0o666)
    refuses_reload(server, f"{ours}/a.env can be written by everybody (mode 0666)")
    assert server.end() == 0


# The hooks -----------------------------------------------------------------------------------


def test_hooks_of_others_are_not_run(start, theirs):
    mark = evil(theirs)
    line = refusal(start(*AS_NOBODY, "--hooks", "hooks_of_ops", "--app-dir", str(theirs)))
    assert f"--hooks: {theirs} belongs to user nobody and has the module hooks_of_ops" in line
    assert not mark.exists()


def test_hooks_that_others_have_taken_over_are_not_run_at_a_reload(start, ours):
    folder = ours / "app"
    folder.mkdir()
    (folder / "hooks_of_ops.py").write_text("")
    options = ["--hooks", "hooks_of_ops", "--app-dir", str(folder)]
    (folder / "process_state.py").write_bytes((APPS / "process_state.py").read_bytes())
    server = start(*AS_NOBODY, *options).serving()
    mark = evil(folder)
    os.chown(folder, NOBODY, -1)
    refuses_reload(server, f"{folder} belongs to user nobody and has the module hooks_of_ops")
    assert server.end() == 0
    assert not mark.exists()


def test_what_hooks_import_from_others_is_not_run(start, ours, theirs):
    (ours / "package").mkdir()
    (ours / "package" / "__init__.py").touch()
    (ours / "package" / "inner").symlink_to(theirs)
    (ours / "hooks_of_ops.py").write_text("import package.inner.evil\n")
    mark = evil(theirs, "evil.py")
    line = refusal(start(*AS_NOBODY, "--hooks", "hooks_of_ops", "--app-dir", str(ours)))
    assert f"--hooks: {theirs} belongs to user nobody" in line
    assert not mark.exists()


def test_bytecode_of_others_is_not_run(start, ours):
    (ours / "hooks_of_ops.py").write_text("")
    (ours / "__pycache__").mkdir()
    tag = sys.implementation.cache_tag
    cached = ours / "__pycache__" / f"hooks_of_ops.{tag}.pyc"
    cached.touch()
    os.chown(cached, NOBODY, -1)
    line = refusal(start(*AS_NOBODY, "--hooks", "hooks_of_ops", "--app-dir", str(ours)))
    assert f"{cached} belongs to user nobody" in line


def test_hooks_of_root_are_found_past_a_folder_of_others(start, ours, theirs):
    (ours / "hooks_of_ops.py").write_text(
        "import os, sys\ndef post_fork(slot):\n"
        "    import colorsys\n    print('as', os.geteuid(), file=sys.stderr, flush=True)\n"
    )
    mark = evil(theirs, "colorsys.py")
    (theirs / "process_state.py").write_bytes((APPS / "process_state.py").read_bytes())
    path = os.pathsep.join([str(ROOT), str(ours)])
    options = ["--hooks", "hooks_of_ops", "--app-dir", str(theirs)]
    server = start(*AS_NOBODY, *options, variables={"PYTHONPATH": path}).serving()
    assert "as 0\n" in server.log
    assert "raised" not in server.log
    assert server.end() == 0
    assert not mark.exists()


def test_working_folder_that_others_have_removed_ends_no_master(start, ours, theirs):
    (ours / "hooks_of_ops.py").write_text("def on_reload(): ...\n")
    path = os.pathsep.join([str(ROOT), str(ours)])
    options = ["--hooks", "hooks_of_ops", "--app-dir", ".", *AS_NOBODY]
    (theirs / "process_state.py").write_bytes((APPS / "process_state.py").read_bytes())
    server = start(*options, folder=theirs, variables={"PYTHONPATH": path}).serving()
    (theirs / "process_state.py").unlink()
    theirs.rmdir()
    refuses_reload(server, "hooks: the working folder, in which 'hooks_of_ops' is looked for, is")
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


def test_working_folder_of_others_on_the_path_starts_nothing(start, theirs):
    line = refusal(start(*AS_NOBODY, folder=theirs, program=MODULE))
    assert f"--user: {theirs} belongs to user nobody, and Python runs what is there" in line
    assert "take it off Python's path (PYTHONPATH, python -P)" in line


@pytest.mark.parametrize("name", [".", "missing"])
def test_folder_of_pythonpath_that_others_own_starts_nothing(start, theirs, name):
    path = os.pathsep.join([str(ROOT), str(theirs / name)])
    line = refusal(start(*AS_NOBODY, variables={"PYTHONPATH": path}))
    assert f"{theirs} belongs to user nobody, and Python runs what is there" in line


def test_sticky_folder_on_the_path_starts_nothing(start, ours):
    (ours / "sticky").mkdir()
    (ours / "sticky").chmod(0o1777)
    path = os.pathsep.join([str(ROOT), str(ours / "sticky")])
    line = refusal(start(*AS_NOBODY, variables={"PYTHONPATH": path}))
    assert "can be written by everybody (mode 1777)" in line


@pytest.mark.parametrize("name", ["more.pth", "module.py"])
def test_file_in_a_folder_of_roots_counts_if_python_runs_it(start, ours, name):
    folder = ours / "modules"
    folder.mkdir()
    (folder / name).touch()
    (folder / name).chmod(0o666)
    (folder / "sitecustomize.py").write_text("import module\n" if name == "module.py" else "")
    path = os.pathsep.join([str(ROOT), str(folder)])
    line = refusal(start(*AS_NOBODY, variables={"PYTHONPATH": path}))
    assert f"--user: {folder}/{name} can be written by everybody (mode 0666)" in line


def test_path_is_examined_again_at_a_reload(start, ours):
    folder = ours / "modules"
    folder.mkdir()
    path = os.pathsep.join([str(ROOT), str(folder)])
    server = start(*AS_NOBODY, variables={"PYTHONPATH": path}).serving()
    folder.chmod(0o777)
    refuses_reload(server, f"{folder} can be written by everybody (mode 0777), and Python runs")
    assert server.end() == 0


# The upgrade -----------------------------------------------------------------------------------


@pytest.mark.parametrize("program", [SAFE, MODULE], ids=["safe path", "module"])
def test_upgrade_in_a_folder_that_others_can_write_is_refused(start, ours, program):
    folder = ours / "app"
    folder.mkdir()
    server = start(*AS_NOBODY, folder=folder, program=program).serving()
    os.chown(folder, NOBODY, -1)
    mark = evil(folder, "asyncio.py")
    server.send(signal.SIGUSR2)
    server.logged(f"no upgrade: {folder} belongs to user nobody; root obeys only")
    assert server.end() == 0
    assert "new master started" not in server.log
    assert not mark.exists()


@pytest.mark.parametrize("change", ["interpreter", "script"])
def test_program_that_others_can_write_is_not_executed(start, ours, change):
    (ours / "bin").mkdir()
    python = ours / "bin" / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    script = ours / "bin" / "serve"
    script.write_text("from ngxloop.cli import main\nmain()\n")
    venv = ours / "pyvenv.cfg"
    venv.write_text(f"home = {os.path.dirname(os.path.realpath(sys.executable))}\n")
    path = os.pathsep.join(filter(None, [str(ROOT), *sys.path]))
    server = start(
        *AS_NOBODY, program=[str(python), "-P", str(script)], variables={"PYTHONPATH": path}
    ).serving()
    if change == "script":
        script.chmod(0o666)
    else:
        os.chown(ours / "bin", NOBODY, -1)
    server.send(signal.SIGUSR2)
    culprit = script if change == "script" else ours / "bin"
    server.logged(f"no upgrade: {culprit} (can be written by everybody|belongs to user nobody)")
    assert server.end() == 0


@pytest.mark.parametrize("program", [SAFE, MODULE], ids=["safe path", "module"])
def test_new_master_has_a_safe_path_and_is_as_careful(start, ours, program):
    folder = ours / "app"
    folder.mkdir()
    (folder / "ngxloop.toml").write_text('user = "nobody"\nhooks = "hooks_of_ops"\n')
    (ours / "hooks_of_ops.py").write_text(
        "import sys\ndef on_bind(addresses):\n"
        "    print('safe', sys.flags.safe_path, sys.orig_argv.count('-P'), file=sys.stderr)\n"
    )
    path = os.pathsep.join([str(ROOT), str(ours)])
    server = start(folder=folder, program=program, variables={"PYTHONPATH": path}).serving()
    server.send(signal.SIGUSR2)
    server.logged("safe True 1\n")
    new = int(server.logged(r"the new master \(process (\d+)\) serves").group(1))
    assert b'"is_strict": true' in Path(f"/proc/{new}/environ").read_bytes()
    assert server.end() == 0
    os.chown(folder, NOBODY, -1)
    (folder / "ngxloop.toml").unlink()
    os.kill(new, signal.SIGHUP)
    server.logged("reload failed: generation 1 goes on serving")
    assert f"{folder} belongs to user nobody" in server.log
    os.kill(new, signal.SIGTERM)
    wait_gone(new)


def test_upgrade_works_from_a_checkout_of_roots(start):
    server = start(*AS_NOBODY, folder=ROOT, program=MODULE).serving()
    server.send(signal.SIGUSR2)
    new = int(server.logged(r"the new master \(process (\d+)\) serves").group(1))
    os.kill(new, signal.SIGTERM)
    wait_gone(new)
    assert server.end() == 0


# Files of the master's own ---------------------------------------------------------------------


@pytest.mark.parametrize("option", ["pidfile", "control-socket"])
def test_folder_of_others_is_no_place_for_the_masters_files(start, theirs, option):
    line = refusal(start(*AS_NOBODY, f"--{option}", str(theirs / "app")))
    assert f"--{option}: {theirs} belongs to user nobody" in line
    assert list(theirs.iterdir()) == []


def test_sticky_folder_may_hold_the_masters_files(start, ours):
    (ours / "tmp").mkdir()
    (ours / "tmp").chmod(0o1777)
    server = start(*AS_NOBODY, "--pidfile", str(ours / "tmp" / "app.pid")).serving()
    assert server.end() == 0
