"""A master that is root, with workers that are not, obeys no files that others can write."""

import os
import signal
import subprocess

import pytest

from ngxloop.serving.base.errors import ConfigError, ExitCode
from ngxloop.serving.config.loading import ConfigReader
from tests.serving.support import environment
from tests.serving.untrusted import AS_NOBODY, NOBODY, SAFE, SERVE, evil, refusal, refuses_reload

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: only root can run workers as another user"
)


# The configuration file ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ngxloop.toml", "pyproject.toml"])
def test_file_of_others_in_the_working_folder_starts_nothing(start_in, ours, name):
    table = "[tool.ngxloop]\n" if name == "pyproject.toml" else ""
    (ours / name).write_text(f'{table}user = "nobody"\n')
    os.chown(ours / name, NOBODY, -1)
    line = refusal(start_in())
    assert f": {ours}/{name} is owned by user nobody; with --user, the master uses" in line
    assert f"chown {ours}/{name} and the folders above it to root" in line


@pytest.mark.parametrize("way", ["option", "variable"])
def test_file_that_is_named_in_a_folder_of_others_starts_nothing(start_in, theirs, way):
    file = theirs / "other.toml"
    file.write_text('user = "nobody"\n')
    options = ["--config", str(file)] if way == "option" else []
    variables = {"NGXLOOP_CONFIG": str(file)} if way == "variable" else None
    line = refusal(start_in(*options, variables=variables))
    assert f": {theirs} is owned by user nobody; with --user, the master uses" in line
    assert f"chown {file} and the folders above it to root" in line


def test_link_to_a_file_of_others_starts_nothing(start_in, ours, theirs):
    (theirs / "real.toml").write_text("workers = 2\n")
    (ours / "ngxloop.toml").symlink_to(theirs / "real.toml")
    assert f"{theirs} is owned by user nobody" in refusal(start_in(*AS_NOBODY))


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_file_that_others_may_write_starts_nothing(start_in, ours, mode):
    (ours / "ngxloop.toml").write_text("workers = 2\n")
    (ours / "ngxloop.toml").chmod(mode)
    assert f"(mode {mode:04o})" in refusal(start_in(*AS_NOBODY))


def test_file_that_turns_up_later_is_not_obeyed(start_in, theirs):
    server = start_in(*AS_NOBODY, folder=theirs).serving()
    mark = evil(theirs)
    (theirs / "ngxloop.toml").write_text('user = "root"\nhooks = "hooks_of_ops"\n')
    refuses_reload(server, f"{theirs} is owned by user nobody; with --user, the master uses only")
    assert server.end() == 0
    assert not mark.exists()


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_user_stays_though_its_line_is_taken_out_of_the_file(start_in, ours, change):
    folder = ours / "app"
    folder.mkdir()
    (folder / "ngxloop.toml").write_text('user = "nobody"\n')
    server = start_in(folder=folder).serving()
    os.chown(folder, NOBODY, -1)
    (folder / "ngxloop.toml").unlink()
    if change == "replaced":
        (folder / "ngxloop.toml").write_text("workers = 2\n")
    refuses_reload(server, f"{folder} is owned by user nobody")
    assert server.end() == 0


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "x = 1\n" * 1_000_000])
def test_file_that_cannot_be_read_ends_no_master(start_in, theirs, text):
    server = start_in(*AS_NOBODY, folder=theirs).serving()
    (theirs / "ngxloop.toml").write_text(text)
    refuses_reload(server, f"{theirs}/ngxloop.toml")
    assert server.end() == 0


def test_pyproject_that_says_nothing_about_us_is_harmless(start_in, theirs):
    (theirs / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    server = start_in(*AS_NOBODY, folder=theirs).serving()
    server.send(signal.SIGHUP)
    server.logged("generation 2 serves, 1 drains")
    assert server.end() == 0


def test_file_of_others_is_obeyed_while_no_rights_are_given_up(start_in, theirs):
    (theirs / "ngxloop.toml").write_text("workers = 2\n")
    server = start_in(folder=theirs).serving()
    assert len(server.worker_pids(1)) == 2
    assert server.end() == 0


@pytest.mark.parametrize("words", [["check", *SERVE], [*SERVE, "--print-config"]])
def test_other_commands_refuse_it_as_well(theirs, words):
    (theirs / "ngxloop.toml").write_text('user = "nobody"\n')
    result = subprocess.run(
        [*SAFE, *words], cwd=theirs, env=environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == ExitCode.USAGE
    assert f"{theirs} is owned by user nobody; with --user, the master uses only" in result.stderr


def test_new_master_needs_no_user_of_its_own_to_be_careful(theirs):
    config = theirs / "ngxloop.toml"
    for text in ("", "workers = 2\n"):
        config.write_text(text)
        ConfigReader(["a:b"], {}, str(theirs)).load()
        with pytest.raises(ConfigError, match=f"{theirs} is owned by user nobody"):
            ConfigReader(["a:b"], {}, str(theirs), is_strict=True).load()
    config.unlink()
    with pytest.raises(ConfigError, match=f"{theirs} is owned by user nobody"):
        ConfigReader(["a:b"], {}, str(theirs), is_strict=True).load()


# Variables -----------------------------------------------------------------------------------


def test_file_of_variables_that_others_own_starts_nothing(start_in, ours, theirs):
    (theirs / "a.env").write_text("COLOUR=red\n")
    line = refusal(start_in(*AS_NOBODY, "--env-file", str(theirs / "a.env")))
    assert f"--env-file: {theirs} is owned by user nobody" in line


def test_file_of_variables_is_examined_again_at_a_reload(start_in, ours):
    (ours / "a.env").write_text("COLOUR=red\n")
    server = start_in(*AS_NOBODY, "--env-file", str(ours / "a.env")).serving()
    (ours / "a.env").chmod(0o666)
    refuses_reload(server, f"{ours}/a.env can be written by everybody (mode 0666)")
    assert server.end() == 0


# Files of the master's own ---------------------------------------------------------------------


@pytest.mark.parametrize("option", ["pidfile", "control-socket"])
def test_folder_of_others_is_no_place_for_the_masters_files(start_in, theirs, option):
    line = refusal(start_in(*AS_NOBODY, f"--{option}", str(theirs / "app")))
    assert f"--{option}: {theirs} is owned by user nobody" in line
    assert list(theirs.iterdir()) == []


def test_sticky_folder_may_hold_the_masters_files(start_in, ours):
    (ours / "tmp").mkdir()
    (ours / "tmp").chmod(0o1777)
    server = start_in(*AS_NOBODY, "--pidfile", str(ours / "tmp" / "app.pid")).serving()
    assert server.end() == 0
