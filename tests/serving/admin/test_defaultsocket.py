"""A master is found by its user and name, without an option."""

import json
import os
import re
import signal
import stat

import pytest

from ngxloop.serving.admin.defaultsocket import default_name, find_sockets, make_path
from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import command, run_to_end, wait_gone


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder for control sockets that no other test has."""
    monkeypatch.chdir(tmp_path)  # no configuration file
    monkeypatch.setenv("NGXLOOP_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def ctl(*arguments):
    return run_to_end(command("ctl", *arguments))


def pid_of(*arguments):
    result = ctl(*arguments, "status", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)["pid"]


def refusal(*arguments):
    result = ctl(*arguments, "status")
    assert result.returncode == ExitCode.NOT_DONE
    return result.stderr


def test_only_master_needs_no_option(serve, place):
    server = serve("plain:Echo").serving()
    assert pid_of() == server.pid
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert [one.name for one in place.iterdir()] == ["plain:Echo.sock"]
    assert server.end() == 0
    assert list(place.iterdir()) == []
    searched = f"(looked for control sockets in {place})"
    assert f"no server of this user runs {searched}; give the --control-socket" in refusal()


def test_folder_that_others_can_read_is_used(serve, place):
    place.mkdir()
    place.chmod(0o755)  # systemd makes one so: RuntimeDirectory=
    server = serve("plain:Echo").serving()
    assert pid_of() == server.pid


def test_named_folder_in_which_others_can_write_is_warned_of(serve, place):
    place.mkdir()
    place.chmod(0o777)
    server = serve("plain:Echo").serving()
    assert f"no control socket: NGXLOOP_RUNTIME_DIR={place} is not a folder that" in server.log


def test_one_of_several_masters_is_meant_by_its_name(serve):
    first = serve("plain:Echo", "--name", "first").serving()
    second = serve("plain:Echo", "--name", "second").serving()
    assert "several servers run: first, second; give --name" in refusal()
    assert pid_of("--name", "first") == first.pid
    assert pid_of("--name", "second") == second.pid
    assert "no server of this user is named 'third' (looked" in refusal("--name", "third")
    assert first.end() == 0
    assert pid_of() == second.pid


def test_name_may_stand_in_the_file_of_the_working_folder(serve, tmp_path):
    serve("plain:Echo", "--name", "other").serving()
    (tmp_path / "ngxloop.toml").write_text('name = "shop"\ncontrol-socket = "elsewhere.sock"\n')
    server = serve("plain:Echo", "--control-socket", str(tmp_path / "elsewhere.sock")).serving()
    assert pid_of() == server.pid
    assert pid_of("--name", "other") != server.pid


def test_name_that_another_master_has_is_refused(serve):
    first = serve("plain:Echo", "--name", "shop").serving()
    second = serve("plain:Echo", "--name", "shop")
    assert second.ended() == ExitCode.ADDRESS_IN_USE
    assert "another server of this user is named 'shop'; give it another --name" in second.log
    assert pid_of() == first.pid


def test_second_master_for_an_application_serves_without_a_control_socket(serve):
    first = serve("plain:Echo").serving()
    second = serve("plain:Echo").serving()
    assert "this server has no control socket" in second.log
    assert pid_of() == first.pid
    assert second.end() == 0
    assert pid_of() == first.pid


def test_socket_of_a_killed_master_is_not_counted_and_replaced(serve):
    killed = serve("plain:Echo").serving()
    assert killed.end(signal.SIGKILL) == -signal.SIGKILL
    wait_gone(*killed.worker_pids(1))
    assert "no server of this user runs" in refusal()
    assert serve("plain:Echo").serving().pid == pid_of()


def test_name_goes_to_the_new_master_of_an_upgrade(serve):
    server = serve("plain:Echo", "--name", "shop").serving()
    assert ctl("upgrade").stderr == ""
    new = int(re.search(r"new master started, process (\d+)", server.read_log())[1])
    assert pid_of("--name", "shop") == new
    assert server.end(signal.SIGQUIT) == 0
    assert pid_of() == new
    assert ctl("stop").returncode == 0
    wait_gone(new)


def test_master_is_found_while_a_new_one_has_not_made_its_socket_yet(serve, place):
    server = serve("plain:Echo").serving()
    socket = place / "plain:Echo.sock"
    socket.rename(f"{socket}.oldbin")
    assert pid_of() == server.pid
    assert pid_of("--name", "plain:Echo") == server.pid
    assert "several" not in ctl("status").stderr
    socket.with_suffix(".sock.oldbin").rename(socket)


@pytest.mark.parametrize("value", ["none", "no", "off"])
def test_there_may_be_no_control_socket(serve, place, value):
    serve("plain:Echo", "--control-socket", value).serving()
    assert not place.exists()


def test_master_is_called_by_its_name_in_the_list_of_processes(serve):
    pytest.importorskip("setproctitle")
    server = serve("plain:Echo", "--name", "shop").serving()
    with open(f"/proc/{server.pid}/cmdline") as file:
        assert file.read().startswith("ngxloop: master [shop]")


@pytest.mark.parametrize(
    ("app", "name"),
    [
        ("shop.web:app", "shop.web:app"),
        ("-m shop.serve", "shop.serve"),
        ("bin/server.py", "server.py"),
        ("folder/", "folder"),
        ("./.hidden", "hidden"),
        ("a name/with spaces.py", "with_spaces.py"),
        (".", "_"),
        ("x" * 100, "x" * 48),
    ],
)
def test_name_without_an_option_is_what_is_served(app, name):
    assert default_name(app) == name


@pytest.mark.parametrize("fault", ["open to others", "of another user", "a link", "a file"])
def test_folder_that_others_may_have_made_is_not_used(place, fault, tmp_path):
    if fault == "a file":
        place.touch()
    elif fault == "a link":
        (tmp_path / "real").mkdir(0o700)
        place.symlink_to(tmp_path / "real")
    else:
        place.mkdir(0o700)
    if fault == "open to others":
        place.chmod(0o770)
    elif fault == "of another user":
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(place, 65534, -1)
    assert make_path("shop", os.environ) is None
    assert find_sockets(None, os.environ) == []
