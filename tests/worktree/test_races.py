"""A real folder while somebody plants links, swaps folders and fills the disk at every step of a sync."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from aslp2p.errors import UserError
from aslp2p.limits import CHUNK_BYTES
from aslp2p.worktree.base import opened_base
from aslp2p.worktree.disk import Folder
from aslp2p.worktree.report import Report, Ways
from aslp2p.worktree.sync import Sync
from tests.worktree.model import Common
from tests.worktree.simulated import MemoryRemote

METHODS = frozenset(
    ("entries", "status", "reading", "create", "rename", "exchange", "remove", "make_folders")
)


class Interrupted:
    """A `Folder` before whose call number `at` something happens, once."""

    def __init__(self, folder: Folder, at: int, happens: Callable[[], None]) -> None:
        self._folder = folder
        self._left = at
        self._happens = happens
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            self.calls += 1
            if self.calls == self._left:
                self._happens()
        return getattr(self._folder, name)


class Place:
    """A folder that agrees with a Common about `a/one`, `a/two` and `b`, which have then changed there; and
    outside of it what must stay as it is."""

    def __init__(self, tmp_path: Path) -> None:
        self.root, self.outside = tmp_path / "dir", tmp_path / "outside"
        for folder in (self.root / "a", self.outside):
            folder.mkdir(parents=True)
        for name in ("one", "two", "new"):
            (self.outside / name).write_text("outside")
        self.common, self.contents = Common(), dict[str, bytes]()
        for path in ("a/one", "a/two", "b"):
            (self.root / path).write_text(f"1 {path}")
        self.sync()
        other = tmp_path / "other"
        with Folder(str(other)) as disk, opened_base(str(other)) as base:
            self._run(disk, base, "bob")
            (other / "a" / "one").write_text("2, theirs")
            (other / "a" / "two").unlink()
            (other / "a" / "new").write_text("new, theirs")
            self._run(disk, base, "bob")
        (self.root / "b").write_text("2, ours")

    def sync(self, at: int = 0, happens: Callable[[], None] = lambda: None) -> tuple[Report, int]:
        """What came of it, and how many calls it took."""
        with Folder(str(self.root)) as disk, opened_base(str(self.root)) as base:
            interrupted: Any = Interrupted(disk, at, happens)
            return self._run(interrupted, base, "ann"), interrupted.calls

    def texts(self) -> set[str]:
        """What is in the folder now."""
        files = (path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink())
        return {path.read_text() for path in files if path.name != ".asl-checkout"}

    def _run(self, disk: Any, base: Any, name: str) -> Report:
        remote = MemoryRemote(self.common, name, self.contents)
        return Sync(disk, base, remote, ways=Ways(approved=True)).run()


def plant_link(place: Place) -> None:
    """In place of a folder, a link to one with files of the same names."""
    (place.root / "a").rename(place.root / "was-a")
    (place.root / "a").symlink_to(place.outside)


def plant_link_for_file(place: Place) -> None:
    (place.root / "b").unlink()
    (place.root / "b").symlink_to(place.outside / "one")


def swap_folder(place: Place) -> None:
    shutil.move(place.root / "a", place.root / "elsewhere")
    (place.root / "a").mkdir()
    (place.root / "a" / "mine").write_text("mine")


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a disk: a folder for each step is many syncs to disk."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("plant", [plant_link, plant_link_for_file, swap_folder])
def test_what_is_planted_at_any_step_is_not_followed(
    quick_disk: Path, plant: Callable[[Place], None], pytestconfig: pytest.Config
) -> None:
    """And nothing that somebody had in the folder is lost by it. At every third step; with --long at each."""
    stride = 1 if pytestconfig.getoption("--long") else 3
    at, calls = 1, 2
    while at <= calls:
        place = Place(quick_disk / str(at))
        with suppress(OSError, UserError):
            _, calls = place.sync(at, lambda place=place: plant(place))  # type: ignore[misc]
        assert {path.name: path.read_text() for path in place.outside.iterdir()} == dict.fromkeys(
            ("one", "two", "new"), "outside"
        )
        for _ in range(2):
            place.sync()
        texts = {data.decode() for data in place.contents.values()}
        texts |= place.texts()
        assert {"2, theirs", "new, theirs"} <= texts
        assert plant is plant_link_for_file or "2, ours" in texts
        assert plant is not swap_folder or "mine" in texts
        at += stride
    assert at > 20


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of 1 MiB."""
    made = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder), capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"cannot mount: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(("umount", folder), check=True)


def test_a_full_disk_is_said_in_one_line_and_removes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "small"
    root.mkdir()
    common, contents = Common(), dict[str, bytes]()
    other = tmp_path / "other"
    with Folder(str(other)) as disk, opened_base(str(other)) as base:
        for name in ("a", "b"):
            (other / name).write_bytes(name.encode() * 1000)
        Sync(disk, base, MemoryRemote(common, "bob", contents)).run()
        with small_disk(root):

            def synced() -> Report:
                with Folder(str(root)) as small, opened_base(str(root)) as kept:
                    return Sync(small, kept, MemoryRemote(common, "ann", contents)).run()

            assert synced().written == 2
            (other / "a").write_bytes(os.urandom(CHUNK_BYTES))
            Sync(disk, base, MemoryRemote(common, "bob", contents)).run()
            before = common.height
            report = synced()
            assert report.said == {"a": "no space left on device"} and report.again
            assert (root / "a").read_bytes() == b"a" * 1000 and sorted(os.listdir(root)) == [
                ".asl-checkout",
                "a",
                "b",
            ]
            assert common.height == before, "nothing is proposed"
            (other / "a").write_bytes(b"small again")
            Sync(disk, base, MemoryRemote(common, "bob", contents)).run()
            synced()
            assert (root / "a").read_bytes() == b"small again"
        assert common.tree.keys() == {"a", "b"}
