"""Atomic files: old bytes or new ones, and nothing left over."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from aslp2p.errors import DiskFault, UserError
from aslp2p.home.files import atomic_create, atomic_write, is_there, read_small


def test_write_replaces_and_keeps_the_mode_from_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = os.umask(0o077)
    try:
        atomic_write(path, b"old")
        assert path.stat().st_mode & 0o777 == 0o600
        atomic_write(path, b"new", 0o644)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["file"]


def test_create_never_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_create(path, b"first")
    with pytest.raises(FileExistsError):
        atomic_create(path, b"second")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        atomic_create(path, b"third")
    assert os.listdir(tmp_path) == ["file"]


def test_the_order_is_sync_then_name_then_sync_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        real_fsync(descriptor)

    def replace(old: Path, new: Path) -> None:
        done.append("name")
        assert old.read_bytes() == b"data"
        real_replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    atomic_write(tmp_path / "file", b"data")
    assert done == ["file", "name", "folder"]


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace"])
@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, DiskFault), (errno.EIO, DiskFault), (errno.EACCES, UserError)]
)
def test_a_refusing_disk_leaves_the_old_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, kind: type[Exception]
) -> None:
    path = tmp_path / "file"
    atomic_write(path, b"old")

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, refuse)
        with pytest.raises(kind, match=f"cannot write {path}"):
            atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_crashed_process_left_under_our_number_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aslp2p.home import files

    monkeypatch.setattr(files, "_numbers", iter([5]))
    (tmp_path / f".tmp-file-{os.getpid()}-5").write_bytes(b"left")
    atomic_write(tmp_path / "file", b"data")
    assert os.listdir(tmp_path) == ["file"]


def test_a_missing_folder_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="see that its folder"):
        atomic_write(tmp_path / "no" / "file", b"")


def test_reading_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert read_small(path, 3) is None
    path.write_bytes(b"abc")
    assert read_small(path, 3) == b"abc"
    with pytest.raises(UserError, match="longer than 2 bytes"):
        read_small(path, 2)
    with pytest.raises(UserError, match="cannot read"):
        read_small(tmp_path, 3)


def test_what_cannot_be_seen_is_not_said_to_be_missing(tmp_path: Path) -> None:
    assert not is_there(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    assert is_there(tmp_path / "file")
    with pytest.raises(UserError, match=r"cannot read .*Not a directory"):
        is_there(tmp_path / "file" / "in-a-file")
