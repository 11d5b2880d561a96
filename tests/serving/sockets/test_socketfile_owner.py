"""Files of Unix sockets in folders where others may exchange them."""

import os
import socket

import pytest

from ngxloop.serving.sockets.socketfiles import give_socket_file

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def path(tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "app.sock"))
        yield tmp_path / "app.sock"


@needs_root
def test_socket_file_is_given_to_user_and_group(path):
    give_socket_file(str(path), NOBODY, -1)
    give_socket_file(str(path), -1, -1)
    assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, os.getegid())


@needs_root
@pytest.mark.parametrize("exchange", ["symlink_to", "hardlink_to", "rename_from"])
def test_file_that_others_have_put_in_its_place_is_not_given(path, tmp_path, exchange):
    victim = tmp_path / "victim"
    victim.touch()
    path.unlink()
    if exchange == "rename_from":
        victim.rename(path)
        victim = path
    else:
        getattr(path, exchange)(victim)
    with pytest.raises(FileExistsError, match="another file"):
        give_socket_file(str(path), NOBODY, NOBODY)
    assert (victim.stat().st_uid, victim.stat().st_gid) == (0, 0)


@needs_root
def test_socket_file_with_another_name_is_not_given(path, tmp_path):
    (tmp_path / "other").hardlink_to(path)
    with pytest.raises(FileExistsError, match="another file"):
        give_socket_file(str(path), NOBODY, -1)
    assert path.stat().st_uid == 0
