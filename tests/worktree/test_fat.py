"""A folder on a real FAT: what it cannot hold is kept out with the reason, what it cannot keep is no change.

The kernel's where it has one and we are root, else a FAT in user space (Debian: `fusefat`); else skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.worktree.base import opened_base
from aslp2p.worktree.disk import Folder
from aslp2p.worktree.report import Report, Ways
from aslp2p.worktree.sync import Sync
from tests.worktree.model import Common
from tests.worktree.simulated import MemoryRemote

IMAGE_BYTES = 40 * 2**20
EVEN_MS = 1_600_000_000_000


@pytest.fixture
def fat(tmp_path: Path) -> Iterator[Path]:
    """A FAT of its own, mounted."""
    if shutil.which("mkfs.vfat", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
        pytest.skip("no mkfs.vfat here (Debian: apt install dosfstools)")
    image, place = tmp_path / "image", tmp_path / "fat"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    subprocess.run(("mkfs.vfat", image), check=True, capture_output=True, env=environment)
    mounts = (("mount", "-t", "vfat", "-o", "loop", image, place), ("fusefat", "-o", "rw+", image, place))
    tried = []
    for command in mounts:
        if shutil.which(str(command[0])) is None:
            tried.append(f"no {command[0]} here")
            continue
        mounted = subprocess.run(command, capture_output=True, check=False)
        if mounted.returncode == 0 and os.path.ismount(place):
            break
        tried.append(mounted.stderr.decode(errors="replace").strip().partition("\n")[0])
    else:
        pytest.skip(f"no FAT can be mounted here: {'; '.join(tried)}")
    try:
        yield place
    finally:
        subprocess.run(("umount", place), check=True)


class Ann:
    """Her folder is on an ordinary disk, and holds whatever she likes."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "ann"
        self.root.mkdir()
        self.common, self.contents = Common(), dict[str, bytes]()

    def sync(self, root: Path | None = None, name: str = "ann") -> Report:
        root = root or self.root
        with Folder(str(root)) as disk, opened_base(str(root)) as base:
            remote = MemoryRemote(self.common, name, self.contents)
            return Sync(disk, base, remote, ways=Ways(approved=True)).run()

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)


@pytest.fixture
def ann(tmp_path: Path) -> Ann:
    return Ann(tmp_path)


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - {".asl-checkout"}


def test_what_a_fat_cannot_hold_stays_in_the_history_with_the_reason(fat: Path, ann: Ann) -> None:
    kept = ("A", "DIR/other", "con.txt", "longer than eight.three")
    twins, perhaps = ("a", "dir/file"), ("x.", "y:z", "end ")  # it depends on whose FAT it is
    out = (*twins, *perhaps)
    for path in (*kept, *out):
        ann.write(path, path)
    ann.sync()
    for _ in range(2):
        report = ann.sync(fat, "bob")
        assert {*twins} <= {*report.out} <= {*out}, report.out
        assert report.out["a"] == "A has the same name on this file system"
        assert report.removed_there == report.put == 0 and not report.again, report.said
    assert set(ann.common.tree) == {*kept, *out}, "nothing is removed, and nothing put over another"
    for path in (*kept, *out):
        assert (ann.root / path).read_text() == path
    assert {(fat / path).read_text() for path in kept} == set(kept)


def test_what_a_fat_does_not_keep_is_no_change(fat: Path, ann: Ann) -> None:
    """Its times go by two seconds, and it has no executable bit."""
    for number, path in enumerate(("text", "program")):
        ann.write(path, path)
        os.utime(ann.root / path, ns=((EVEN_MS + 1_001) * 10**6,) * 2)
        (ann.root / path).chmod(0o755 if number else 0o644)
    ann.sync()
    ann.sync(fat, "bob")
    height = ann.common.height
    for _ in range(3):
        for report in (ann.sync(fat, "bob"), ann.sync()):
            assert (report.put, report.written, report.again) == (0, 0, False), report
    assert ann.common.height == height
    assert os.access(ann.root / "program", os.X_OK) and not os.access(ann.root / "text", os.X_OK)
    (fat / "program").write_text("edited on the stick")
    ann.sync(fat, "bob")
    ann.sync()
    assert (ann.root / "program").read_text() == "edited on the stick"
    assert os.access(ann.root / "program", os.X_OK), "its bit is as it was"


def test_edits_renames_and_removals_go_both_ways(fat: Path, ann: Ann) -> None:
    ann.write("plan.txt", "1")
    ann.write("old/notes", "notes")
    ann.sync()
    ann.sync(fat, "bob")
    (fat / "plan.txt").write_text("2")
    (fat / "new").mkdir()
    (fat / "old" / "notes").rename(fat / "new" / "notes")
    (fat / "old").rmdir()
    ann.sync(fat, "bob")
    ann.sync()
    assert names(ann.root) == {"plan.txt", "new/notes"} and (ann.root / "plan.txt").read_text() == "2"
    ann.write("plan.txt", "3")
    (ann.root / "new" / "notes").unlink()
    ann.sync()
    ann.sync(fat, "bob")
    assert names(fat) == {"plan.txt"} and (fat / "plan.txt").read_text() == "3"
