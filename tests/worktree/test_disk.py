"""The folder on a real disk: nothing is followed out of it, and what takes a place takes it whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from aslp2p.errors import UserError
from aslp2p.limits import MIB
from aslp2p.worktree.base import Base, opened_base
from aslp2p.worktree.disk import FILE, Folder, InTheWay
from aslp2p.worktree.portable import Traits
from aslp2p.worktree.rules import Rules
from aslp2p.worktree.scan import CHANGING, LINKED, SPECIAL, WRITER_NS, Scanner
from aslp2p.worktree.system import sync_file_system
from aslp2p.worktree.trees import Entry, Found, Like
from aslp2p.worktree.writing import Changed, Writer

LATER = 2**62


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with Folder(str(tmp_path / "dir")) as folder:
        yield folder


@pytest.fixture
def base(folder: Folder) -> Iterator[Base]:
    with opened_base(folder.path) as base:
        yield base


def written(folder: Folder, path: str, data: bytes) -> Found:
    file = Path(folder.path, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    status = folder.status(path)
    assert status is not None and status.kind == FILE
    return Found(Like("00", status.executable), status.identity)


def test_a_file_takes_its_place_whole(folder: Folder) -> None:
    over = written(folder, "a/b", b"old")
    entry = Entry(Like("11", True), 3, 1_600_000_000_123)
    Writer(folder).write("a/b", entry, over, lambda: iter([b"n", b"ew"]))
    status = Path(folder.path, "a/b").stat()
    assert Path(folder.path, "a/b").read_bytes() == b"new" and status.st_mode & 0o100
    assert status.st_mtime_ns == 1_600_000_000_123_000_000
    assert os.listdir(Path(folder.path, "a")) == ["b"]


def test_holes_stay_holes_and_every_byte_is_where_it_was(folder: Folder) -> None:
    """Zeros within a block, at the end of a chunk and of the file, and a file of nothing else."""
    random = Random(7)
    for number in range(20):
        blocks = [random.choice((bytes(4096), random.randbytes(4096))) for _ in range(64)]
        data = b"".join(blocks) + bytes(random.randrange(5000)) + b"x" * random.randrange(2)
        chunks = [data[at : at + 100_000] for at in range(0, len(data), 100_000)]
        entry = Entry(Like("11", False), len(data), 0)
        Writer(folder).write(f"{number}", entry, None, lambda chunks=chunks: iter(chunks))  # type: ignore[misc]
        assert Path(folder.path, f"{number}").read_bytes() == data
    hollow = 64 * MIB
    entry = Entry(Like("11", False), hollow + 1, 1_600_000_000_123)
    Writer(folder).write("hollow", entry, None, lambda: iter([bytes(MIB)] * 64 + [b"1"]))
    status = Path(folder.path, "hollow").stat()
    assert status.st_size == hollow + 1 and status.st_blocks * 512 < MIB
    assert status.st_mtime_ns == 1_600_000_000_123_000_000


def test_many_files_wait_for_the_disk_once(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few of them one by one; and where the system has no such call, or fails, none is taken for durable."""
    called: list[str] = []
    sync_all, sync_one = sync_file_system, os.fsync

    def count_all(descriptor: int) -> bool:
        called.append("all")
        return sync_all(descriptor)

    def count_one(descriptor: int) -> None:
        called.append("one")
        sync_one(descriptor)

    monkeypatch.setattr("aslp2p.worktree.disk.sync_file_system", count_all)
    monkeypatch.setattr(os, "fsync", count_one)

    def flushed(count: int) -> list[str]:
        paths = [f"{len(called)}-{number}" for number in range(count)]
        for path in paths:
            folder.create(path, [b"x"], executable=False, modified_ms=0)
        called.clear()
        folder.flush(paths)
        return [*called]

    assert flushed(3) == ["one"] * 3
    assert flushed(40) == ["all"]
    monkeypatch.setattr("aslp2p.worktree.disk.sync_file_system", lambda _: False)
    assert flushed(40) == ["one"] * 40


def test_what_was_saved_in_the_last_moment_comes_back(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor renames its file into place right before the exchange, or before the removal."""
    file = Path(folder.path, "a")
    exchange, rename = folder.exchange, folder.rename

    def saved_first(one: str, other: str) -> bool:
        Path(folder.path, "mine").write_bytes(b"saved")
        Path(folder.path, "mine").replace(file)
        monkeypatch.setattr(folder, "exchange", exchange)
        return exchange(one, other)

    over = written(folder, "a", b"old")
    monkeypatch.setattr(folder, "exchange", saved_first)
    with pytest.raises(Changed):
        Writer(folder).write("a", Entry(Like("11", False), 3, 0), over, lambda: iter([b"new"]))
    assert file.read_bytes() == b"saved" and os.listdir(folder.path) == ["a"]

    def saved_before(old: str, new: str) -> None:
        monkeypatch.setattr(folder, "rename", rename)
        Path(folder.path, "mine").write_bytes(b"again")
        Path(folder.path, "mine").replace(file)
        rename(old, new)

    status = folder.status("a")
    assert status is not None
    monkeypatch.setattr(folder, "rename", saved_before)
    with pytest.raises(Changed):
        Writer(folder).delete("a", Found(Like("00", False), status.identity))
    assert file.read_bytes() == b"again" and os.listdir(folder.path) == ["a"]


def test_no_link_is_followed(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    Path(folder.path, "way").symlink_to(outside)
    Path(folder.path, "file").symlink_to(outside / "secret")
    entry = Entry(Like("11", False), 1, 0)
    with pytest.raises(InTheWay):
        Writer(folder).write("way/secret", entry, None, lambda: iter([b"x"]))
    with pytest.raises(Changed):
        Writer(folder).write("file", entry, None, lambda: iter([b"x"]))
    with pytest.raises(OSError, match="symbolic links"), folder.reading("file"):
        pass
    with pytest.raises(FileExistsError):
        folder.rename("way", "file")
    assert (outside / "secret").read_text() == "secret" and os.listdir(outside) == ["secret"]


def test_a_scan_says_what_it_does_not_carry(folder: Folder, base: Base) -> None:
    root = Path(folder.path)
    written(folder, "a/b", b"1")
    written(folder, ".git/config", b"1")
    written(folder, "x.swp", b"1")
    written(folder, ".asl-part-1", b"1")
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("a")
    with open(os.fsencode(root) + b"/\xff", "wb"):
        pass
    written(folder, "e\u0301", b"1")
    deep = root
    for _ in range(300):
        deep /= "deep"
    os.makedirs(deep)
    scan = Scanner(folder, base, Rules(""), LATER).scan()
    assert set(scan.local) == {"a/b"} and scan.unseen == {"pipe": SPECIAL, "link": LINKED}
    assert set(scan.out) == {".git", "x.swp"} and scan.leftovers == [".asl-part-1"]
    assert [line.partition(": ")[2] for line in scan.nameless[:2]] == [
        "its name is not in Unicode's form NFC",
        "its name is not UTF-8",
    ]
    assert any("at most 1024 are allowed" in line for line in scan.nameless)


def test_a_file_is_read_again_only_when_it_changed(folder: Folder, base: Base) -> None:
    written(folder, "a", b"1")
    first = Scanner(folder, base, Rules(), LATER).scan().local["a"]
    known = folder.status("a")
    assert known is not None
    base.saw("a", known, LATER, "ff" * 32)
    assert Scanner(folder, base, Rules(), LATER).scan().local["a"].like.content == "ff" * 32, "as it was read"
    status = os.stat(Path(folder.path, "a"))
    Path(folder.path, "a").write_bytes(b"2")
    os.utime(Path(folder.path, "a"), ns=(status.st_atime_ns, status.st_mtime_ns))
    again = Scanner(folder, base, Rules(), LATER).scan().local["a"]
    assert again.like.content not in (first.like.content, "ff" * 32), "same size, same time, another file"


def test_a_file_read_in_the_tick_that_it_was_written_in_is_read_again(folder: Folder, base: Base) -> None:
    written(folder, "a", b"1")
    status = folder.status("a")
    assert status is not None
    base.saw("a", status, status.ctime_ns + 10**9, "ff" * 32)
    assert Scanner(folder, base, Rules(), LATER).scan().local["a"].like.content != "ff" * 32


def test_one_at_a_time(folder: Folder, base: Base) -> None:
    base.note("x", "y")
    with pytest.raises(UserError, match="another aslp2p is at work"), opened_base(folder.path):
        pass


def test_what_has_gone_is_not_made_anew_for_who_only_follows(tmp_path: Path) -> None:
    """A disk that is unmounted in that very moment leaves an empty folder, or none: it stays as it is."""
    gone, empty = tmp_path / "gone", tmp_path / "odd?name#%41"
    empty.mkdir()
    with pytest.raises(UserError, match="No such file"):
        Folder(str(gone), make=False)
    with pytest.raises(UserError), opened_base(str(empty), make=False):
        pass
    assert not gone.exists() and list(empty.iterdir()) == []
    with opened_base(str(empty)) as made:
        id_ = made.id
    with opened_base(str(empty), make=False) as there:
        assert there.id == id_


def test_what_is_not_committed_is_not_there(folder: Folder) -> None:
    with opened_base(folder.path) as base:
        base.agree("kept", Like("11", True))
        base.offer("offered", None)
        base.commit()
        base.agree("lost", Like("11", True))
        id_ = base.id
    with opened_base(folder.path) as base:
        assert base.agreed() == {"kept": Like("11", True)} and base.offered() == {"offered": None}
        assert base.id == id_
        base.agree("offered", Like("11", False))
        assert base.offered() == {}


def test_twins_by_case_keep_each_other_out_where_case_does_not_count() -> None:
    out = Rules(traits=Traits(folds=True)).out(["A", "a", "straße", "STRASSE", "b/x", "B/y", "c"])
    assert out == {
        "a": "A has the same name on this file system",
        "straße": "STRASSE has the same name on this file system",
        "b/x": "B has the same name on this file system",
    }
    assert Rules().out(["A", "a"]) == {}


def test_ignore_lines_take_back_and_mistakes_are_said() -> None:
    rules = Rules("build/\n!keep.swp\n")
    assert rules.why_not("build/x") and rules.why_not("build", folder=True) and rules.why_not("a/.DS_Store")
    assert rules.why_not("keep.swp") is None and rules.why_not("a.swp") and Rules().why_not("a.swp") is None
    hostile = Rules("a\\\n!\n" + "*a" * 40 + "\nkept-out\n")
    assert hostile.why_not("kept-out") and hostile.why_not("a" * 255) is None, "one bad line stops nobody"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_what_somebody_has_open_to_write_is_told(folder: Folder, base: Base) -> None:
    """It waits, and is neither replaced nor removed under the writer's hands."""
    over = written(folder, "a", b"old")
    now_ns = over.identity.mtime_ns
    with open(Path(folder.path, "a"), "r+b") as writer:
        scan = Scanner(folder, base, Rules(""), now_ns).scan()
        assert scan.unseen == {"a": CHANGING} and not scan.local
        assert set(Scanner(folder, base, Rules(""), now_ns + WRITER_NS).scan().local) == {"a"}
        with pytest.raises(Changed):
            Writer(folder).write("a", Entry(Like("11", False), 3, 0), over, lambda: iter([b"new"]))
        with pytest.raises(Changed):
            Writer(folder).delete("a", over)
        writer.write(b"mine")
    assert Path(folder.path, "a").read_bytes() == b"mine" and os.listdir(folder.path).count("a") == 1
    with folder.reading("a") as file:
        assert not file.has_writer()
    folder.doubt_writers()
    with open(Path(folder.path, "a"), "r+b"), folder.reading("a") as file:
        assert not file.has_writer(), "a file system that says so of every file is not believed"


def test_what_an_editor_saves_while_a_file_goes_back_is_kept(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the exchange and the one that undoes it: it comes out under a name that the next sync finds."""
    file, exchange = Path(folder.path, "a"), folder.exchange
    over = written(folder, "a", b"old")

    def saved_around(one: str, other: str) -> bool:
        Path(folder.path, "mine").write_bytes(b"saved")
        Path(folder.path, "mine").replace(file)
        return exchange(one, other)

    monkeypatch.setattr(folder, "exchange", saved_around)
    with pytest.raises(Changed):
        Writer(folder).write("a", Entry(Like("11", False), 3, 0), over, lambda: iter([b"new"]))
    (left,) = (name for name in os.listdir(folder.path) if name.startswith(".asl-swap-"))
    assert {file.read_bytes(), Path(folder.path, left).read_bytes()} == {b"saved"}
