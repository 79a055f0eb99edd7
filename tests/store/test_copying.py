"""Writing out: the same bytes by the kernel and without it, and holes where there is nothing but zeros."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from aslp2p.errors import UsageError
from aslp2p.limits import KIB, MIB
from aslp2p.store import copying

SPARSE = bytes(64 * KIB) + b"a" * 1000 + bytes(200 * KIB) + b"the end"
DENSE = os.urandom(300 * KIB + 7)


@pytest.fixture(params=["by the kernel", "across file systems", "from memory"])
def source_of(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Gives the open file that `copy` may copy from."""

    def give(data: bytes) -> int | None:
        if request.param == "from memory":
            return None
        file = tmp_path / "source"
        file.write_bytes(data)
        descriptor = os.open(file, os.O_RDONLY)
        request.addfinalizer(lambda: os.close(descriptor))
        return descriptor

    if request.param == "across file systems":

        def refused(*_: object) -> int:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

        monkeypatch.setattr(os, "copy_file_range", refused)
    return give


@pytest.mark.parametrize("data", [SPARSE, DENSE, b"", bytes(MIB), b"x"])
def test_what_is_written_is_what_was_read(data: bytes, source_of: object, tmp_path: Path) -> None:
    assert callable(source_of)
    with (tmp_path / "target").open("w+b") as target:
        copying.begin(target.fileno(), 5 + len(data))
        copying.copy(data, source_of(data), target.fileno(), 5)
        target.seek(0)
        assert target.read() == bytes(5) + data


def test_zeros_are_a_hole(source_of: object, tmp_path: Path) -> None:
    assert callable(source_of)
    data = bytes(4 * MIB) + b"the end"
    with (tmp_path / "target").open("w+b") as target:
        target.write(b"what was there before" * 1000)
        target.flush()
        copying.begin(target.fileno(), len(data))
        copying.copy(data, source_of(data), target.fileno(), 0)
        assert os.fstat(target.fileno()).st_blocks * 512 < MIB
        target.seek(0)
        assert target.read() == data


def test_only_a_file_that_can_be_written_anywhere_is_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"as it was")
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND):
        descriptor = os.open(file, flags)
        with pytest.raises(UsageError, match="not open to be written at any place"):
            copying.begin(descriptor, 1)
        os.close(descriptor)
    reading, writing = os.pipe()
    with pytest.raises(UsageError, match="only a regular file"):
        copying.begin(writing, 1)
    os.close(reading)
    os.close(writing)
    assert file.read_bytes() == b"as it was"


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "copy_file_range", full)
    with (tmp_path / "target").open("w+b") as target, pytest.raises(OSError, match="No space"):
        copying.copy(DENSE, target.fileno(), target.fileno(), 0)
