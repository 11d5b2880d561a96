"""Whether others than root can change what a path leads to."""

import os

import pytest

from ngxloop.serving.base.trust import MAX_BYTES, find_fault, read_text

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder(tmp_path):
    """A folder that only root can write, and so are those above it, but for a sticky one."""
    assert find_fault(tmp_path) == ""
    return tmp_path


@needs_root
@pytest.mark.parametrize(
    ("owner", "mode", "words"),
    [
        (0, 0o644, ""),
        (NOBODY, 0o644, "is owned by user nobody"),
        (0, 0o664, "can be written by group root (mode 0664)"),
        (0, 0o646, "can be written by everybody (mode 0646)"),
    ],
)
def test_file_is_trusted_if_only_root_owns_and_writes_it(folder, owner, mode, words):
    file = folder / "file"
    file.touch()
    file.chmod(mode)
    os.chown(file, owner, -1)
    expected = words and f"{file} {words}"
    assert find_fault(file) == expected
    assert read_text(file).fault == expected


@needs_root
@pytest.mark.parametrize("mode", [0o757, 0o775, 0o755])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_every_folder_above_counts(folder, mode, depth):
    open_folder = folder / "open"
    below = open_folder.joinpath(*["inner"] * depth)
    below.mkdir(parents=True)
    (below / "file").touch()
    open_folder.chmod(mode)
    if mode == 0o755:
        os.chown(open_folder, NOBODY, -1)
    for path in (below / "file", below / "missing"):
        assert find_fault(path).startswith(f"{open_folder} ")


@needs_root
def test_sticky_folder_keeps_roots_entries_but_is_none_to_search(folder):
    sticky = folder / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    (sticky / "ours").mkdir()
    (sticky / "theirs").touch()
    os.chown(sticky / "theirs", NOBODY, -1)
    assert find_fault(sticky / "ours") == ""
    assert find_fault(sticky / "ours" / "missing") == ""
    assert find_fault(sticky / "ours", is_searched=True) == ""
    assert "is owned by user nobody" in find_fault(sticky / "theirs")
    assert (
        find_fault(sticky / "missing")
        == f"{sticky}/missing does not exist, and others could create it"
    )
    assert "can be written by everybody (mode 1777)" in find_fault(sticky, is_searched=True)


@needs_root
def test_links_are_examined_where_they_stand_and_where_they_lead(folder):
    theirs = folder / "theirs"
    theirs.mkdir()
    (theirs / "file").touch()
    (folder / "ours").touch()
    (theirs / "back").symlink_to(folder / "ours")
    os.chown(theirs, NOBODY, -1)
    (folder / "there").symlink_to("theirs/file")
    (folder / "absolute").symlink_to(theirs)
    (folder / "good").symlink_to("./ours")
    (folder / "loop").symlink_to("loop")
    assert find_fault(folder / "good") == ""
    for path in ("there", "absolute/file", "theirs/back", "theirs/../ours"):
        assert find_fault(folder / path) == f"{theirs} is owned by user nobody", path
    assert "too many symbolic links" in find_fault(folder / "loop")


@needs_root
def test_link_of_another_in_a_sticky_folder_is_not_followed(folder):
    (folder / "ours").touch()
    folder.chmod(0o1777)
    (folder / "link").symlink_to("ours")
    assert find_fault(folder / "link") == ""
    os.lchown(folder / "link", NOBODY, -1)
    assert find_fault(folder / "link") == f"{folder}/link is owned by user nobody"


@needs_root
def test_what_is_inherited_as_a_descriptor_is_the_starters(folder):
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"workers = 2\n")
    os.close(write_fd)
    assert read_text(f"/dev/fd/{read_fd}") == ("workers = 2\n", "")
    os.close(read_fd)


def test_pipe_is_refused_where_a_file_is_expected(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        read_text(tmp_path / "fifo", is_regular=True)


def test_file_has_a_largest_size(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(OSError, match=f"more than {MAX_BYTES} bytes"):
        read_text(tmp_path / "large")


def test_path_in_an_archive_is_that_of_the_archive(tmp_path):
    (tmp_path / "modules.zip").touch()
    assert find_fault(tmp_path / "modules.zip" / "module.py") == find_fault(
        tmp_path / "modules.zip"
    )
