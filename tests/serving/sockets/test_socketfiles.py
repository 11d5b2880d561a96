"""The file of a dead socket is known without a connection; other files are left alone."""

import os
import socket

import pytest

from ngxloop.serving.sockets.socketfiles import (
    file_identity,
    give_socket_file,
    is_dead_socket,
    remove_dead_socket,
    remove_file,
)

KINDS = [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "a.sock")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_socket_is_dead_when_no_process_has_it_any_more(path, kind):
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(path)
        assert not is_dead_socket(path)  # though it does not listen
    assert is_dead_socket(path)


def test_a_listening_socket_is_alive_and_gets_no_connection(path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        sock.setblocking(False)
        assert not is_dead_socket(path)
        with pytest.raises(BlockingIOError):
            sock.accept()


def test_a_link_to_a_dead_socket_is_none(path, tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    assert not is_dead_socket(str(link))
    remove_dead_socket(str(link))
    assert link.is_symlink()


def test_what_is_no_socket_is_not_dead_and_stays(tmp_path):
    for one in (tmp_path / "text", tmp_path / "folder", tmp_path / "none"):
        if one.name == "text":
            one.write_text("precious")
        elif one.name == "folder":
            one.mkdir()
        assert not is_dead_socket(str(one))
        remove_dead_socket(str(one))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "text"]


def test_another_file_of_the_same_name_is_not_removed(tmp_path):
    path = tmp_path / "a"
    path.write_text("ours")
    identity = file_identity(str(path))
    (tmp_path / "theirs").write_text("theirs")  # while ours is there: inodes are given again
    (tmp_path / "theirs").rename(path)
    remove_file(str(path), identity)
    assert path.read_text() == "theirs"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_no_file_but_a_socket_is_given_away(tmp_path, path):
    text = tmp_path / "text"
    text.write_text("precious")
    (tmp_path / "link").symlink_to(text)
    for name in ("text", "link"):
        with pytest.raises(OSError, match="another file"):
            give_socket_file(str(tmp_path / name), 65534, 65534)
    assert text.stat().st_uid == 0
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        give_socket_file(path, 65534, -1)
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (65534, os.getegid())
