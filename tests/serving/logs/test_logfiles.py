"""Log files that a master opens as root, where the user of its workers may put anything."""

import os
import signal
import socket

import pytest

from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.logs.logfiles import LogFile, RefusedFileError, check_log_file
from tests.serving.support import command, run_to_end
from tests.support.waiting import wait_until_blocking

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(ours):
    """The log folder of the workers' user, which can enter it."""
    found = ours / "log"
    found.mkdir()
    os.chown(found, NOBODY, NOBODY)
    return found


@pytest.fixture
def victim(ours):
    """A file that only root can read."""
    file = ours / "victim"
    file.write_text("secret\n")
    file.chmod(0o600)
    return file


def is_untouched(victim):
    found = victim.stat()
    return (found.st_uid, found.st_mode & 0o777, victim.read_text()) == (0, 0o600, "secret\n")


def _put_symlink(path, victim):
    path.symlink_to(victim)


def _put_dangling_link(path, victim):
    path.symlink_to(victim.with_name("new"))


def _put_hard_link(path, victim):
    path.hardlink_to(victim)


def _put_fifo(path, victim):
    os.mkfifo(path)


def _put_socket(path, victim):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


def _put_device(path, victim):
    os.mknod(path, 0o666 | 0o020000, os.makedev(1, 3))  # /dev/null's


def _put_folder(path, victim):
    path.mkdir()


def _put_strangers_file(path, victim):
    path.touch()
    os.chown(path, 1, 1)


TRAPS = {
    _put_symlink: "it is a symbolic link",
    _put_dangling_link: "it is a symbolic link",
    _put_hard_link: "it has another hard link",
    _put_fifo: "it is not a regular file",
    _put_socket: "it is not a regular file",
    _put_device: "it is not a regular file",
    _put_folder: "Is a directory",
    _put_strangers_file: "it is owned by user daemon",
}
each_trap = pytest.mark.parametrize(
    ("put", "words"), TRAPS.items(), ids=lambda one: getattr(one, "__name__", "")
)


@needs_root
@each_trap
def test_what_is_no_log_is_refused_and_left_as_it_was(folder, victim, put, words):
    path = folder / "error.log"
    put(path, victim)
    before = os.lstat(path)
    with pytest.raises(StartError, match=words):
        LogFile(str(path), owner_uid=NOBODY)
    with pytest.raises(ConfigError, match=f"error-log: cannot open '{path}': {words}"):
        check_log_file("error-log", str(path), NOBODY)
    assert is_untouched(victim)
    assert not victim.with_name("new").exists()
    assert os.lstat(path) == before


@needs_root
@each_trap
def test_old_file_stays_in_use_when_the_new_one_is_refused(folder, victim, put, words):
    path = folder / "error.log"
    log = LogFile(str(path), owner_uid=NOBODY)
    path.rename(folder / "old")
    put(path, victim)
    with pytest.raises(OSError, match=words):
        log.reopen()
    log.write("still here\n")
    log.close()
    assert (folder / "old").read_text() == "still here\n"
    assert is_untouched(victim)


@needs_root
def test_pipe_with_a_reader_is_refused_too(folder):
    os.mkfifo(folder / "error.log")
    reader = os.open(folder / "error.log", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(StartError, match="it is not a regular file"):
        LogFile(str(folder / "error.log"), owner_uid=NOBODY)
    os.close(reader)


@needs_root
def test_folder_that_others_have_replaced_by_a_link_is_not_entered(ours, folder):
    (ours / "etc").mkdir()
    (folder / "inner").symlink_to(ours / "etc")
    with pytest.raises(
        StartError, match="reached through inner, a symbolic link that others could have created"
    ):
        LogFile(str(folder / "inner" / "error.log"), owner_uid=NOBODY)
    assert list((ours / "etc").iterdir()) == []


@needs_root
def test_link_of_roots_to_a_folder_is_followed_as_far_as_root_made_it(ours, folder):
    (ours / "here").symlink_to("log/./../log")
    (ours / "absolute").symlink_to(folder)
    (folder / "trap").symlink_to(ours)
    (ours / "far").symlink_to("log/trap")
    for name in ("here", "absolute"):
        LogFile(str(ours / name / f"{name}.log"), owner_uid=NOBODY).close()
        assert (folder / f"{name}.log").stat().st_uid == NOBODY
    with pytest.raises(StartError, match="reached through trap, a symbolic link"):
        LogFile(str(ours / "far" / "error.log"), owner_uid=NOBODY)


@needs_root
def test_new_file_is_given_to_the_user(folder):
    LogFile(str(folder / "error.log"), owner_uid=NOBODY).close()
    assert (folder / "error.log").stat().st_uid == NOBODY


@needs_root
def test_file_of_root_is_given_away_only_in_a_folder_that_only_root_can_write(ours, folder):
    for path in (ours / "error.log", folder / "error.log"):
        path.touch()
        LogFile(str(path), owner_uid=NOBODY).close()
    assert (ours / "error.log").stat().st_uid == NOBODY
    assert (folder / "error.log").stat().st_uid == 0


@needs_root
def test_refused_file_raises_an_error_that_says_so(folder, victim):
    log = LogFile(str(folder / "error.log"), owner_uid=NOBODY)
    (folder / "error.log").unlink()
    (folder / "error.log").symlink_to(victim)
    with pytest.raises(RefusedFileError):
        log.reopen()
    log.close()


def test_without_another_user_a_log_may_be_a_link_or_a_device(ours):
    (ours / "link").symlink_to("file")
    for path in (ours / "link", "/dev/null"):
        LogFile(str(path)).close()
    assert (ours / "file").exists()


# In a master -------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("option", ["error-log", "access-log"])
@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["forked", "preloaded"])
def test_link_in_the_place_of_a_log_is_one_line_at_usr1(serve, folder, victim, option, options):
    path, error = folder / f"{option}.log", folder / "error-log.log"
    files = {"error-log": error, option: path}
    logs = [f"--{name}={file}" for name, file in files.items()]
    server = serve("process_state:State", *logs, "--user", "nobody", *options)
    wait_until_blocking(lambda: error.exists() and "serving " in error.read_text(), "a start")
    path.rename(folder / "old")
    path.symlink_to(victim)
    text = folder / "old" if path == error else error
    server.send(signal.SIGUSR1)
    line = f"cannot reopen {path}: it is a symbolic link; still writing to the old file"
    wait_until_blocking(lambda: line in text.read_text(), "the refusal")
    assert server.end() == 0
    assert "ended" in text.read_text()
    assert text.read_text().count("cannot reopen") == 1
    assert is_untouched(victim)


@needs_root
def test_start_with_a_link_for_a_log_is_refused_in_one_line(folder, victim):
    (folder / "error.log").symlink_to(victim)
    options = ["--user", "nobody", f"--error-log={folder}/error.log", "--bind", "127.0.0.1:0"]
    result = run_to_end(command("plain:Echo", *options))
    assert result.returncode == ExitCode.USAGE
    (line,) = result.stderr.splitlines()
    assert f"--error-log: cannot open '{folder}/error.log': it is a symbolic link" in line
    assert is_untouched(victim)


@needs_root
def test_log_that_a_reload_names_is_opened_as_carefully(serve, ours, folder, victim):
    config = ours / "ngxloop.toml"
    config.write_text('user = "nobody"\n')
    server = serve("process_state:State", "--config", str(config)).serving()
    (folder / "error.log").symlink_to(victim)
    config.write_text(f'user = "nobody"\nerror-log = "{folder}/error.log"\n')
    server.send(signal.SIGHUP)
    server.logged("reload failed: generation 1 goes on serving")
    assert f"cannot open '{folder}/error.log': it is a symbolic link" in server.log
    error = folder / "error.log"
    error.unlink()
    server.send(signal.SIGHUP)
    server.logged("generation 2 serves, 1 drains")
    assert server.end() == 0
    assert error.stat().st_uid == NOBODY
    assert "ended" in error.read_text()
    assert is_untouched(victim)
