"""Contents that are files go with a home, as one stream."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aslp2p.errors import UserError
from aslp2p.limits import CHUNK_BYTES, MIB
from aslp2p.store.contents import ContentFiles
from aslp2p.transfer.packed import Unpacking, packed, packed_size
from tests.cli.conftest import run_asl
from tests.cli.running import running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = ContentFiles(tmp_path / "store.contents")
    for number in range(5):
        files.put(bytes([number]) * 32, os.urandom(number * 1000))
    files.settle()
    return files.folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("portion", [1, 35, 36, 37, 1 << 20])
def test_a_stream_is_the_same_files_again_in_any_portions(folder: Path, tmp_path: Path, portion: int) -> None:
    stream = b"".join(packed(folder))
    assert len(stream) == packed_size(folder) and packed_size(tmp_path / "nothing") == 0
    unpacking = Unpacking(tmp_path / "new")
    for at in range(0, len(stream), portion):
        unpacking.feed(stream[at : at + portion])
    unpacking.end()
    assert tree(tmp_path / "new") == tree(folder)


def test_a_stream_that_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    cut = Unpacking(tmp_path / "cut")
    cut.feed(b"".join(packed(folder))[:-1])
    with pytest.raises(UserError, match="cut off"):
        cut.end()
    with pytest.raises(UserError, match="longer than any"):
        Unpacking(tmp_path / "long").feed(bytes(32) + (CHUNK_BYTES + 1).to_bytes(4, "big"))


def test_a_backup_and_a_moved_home_hold_large_files(tmp_path: Path) -> None:
    data = os.urandom(2 * MIB + 7)
    (tmp_path / "film").write_bytes(data)
    home = tmp_path / "home"
    assert run_asl(home, "init", "home", "--name", "ann").exit_code == 0
    with running(home):
        assert run_asl(home, "put", str(tmp_path / "film"), "film").exit_code == 0
    assert run_asl(home, "backup", str(tmp_path / "backup")).exit_code == 0
    assert run_asl(home, "move", "out", str(tmp_path / "stick")).exit_code == 0
    for name, take in (("restored", ("restore", "backup")), ("moved", ("move", "in", "stick"))):
        *command, file = take
        taken = run_asl(tmp_path / name, *command, str(tmp_path / file))
        assert taken.exit_code == 0, taken.output
        got = run_asl(tmp_path / name, "get", "film", "-o", str(tmp_path / f"{name} film"))
        assert got.exit_code == 0, got.output
        assert (tmp_path / f"{name} film").read_bytes() == data
