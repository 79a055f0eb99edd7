"""Files that are handed over open: read once, again when they change, and not at all when nothing has."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from aslp2p.artifacts.content import Content, ContentBuilder, Piece
from aslp2p.control.client import Client, File
from aslp2p.control.protocol import RemoteError
from aslp2p.daemon.intake import TRIES, Intake
from aslp2p.errors import UserError
from aslp2p.home import seen
from aslp2p.home.seen import Seen
from aslp2p.limits import DESCRIPTORS_MAX, MIB
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running


class Common:
    """Where pieces go. `meddle` is called each time that some come."""

    def __init__(self, folder: Path) -> None:
        self.seen = Seen(folder / "seen.db")
        self.intake = Intake(self.seen)
        self.kept: list[Piece] = []
        self.here = True
        self.meddle: Callable[[], None] = lambda: None

    def take(self, file: Path | int) -> Content:
        descriptor = file if isinstance(file, int) else os.open(file, os.O_RDONLY)
        try:
            return trio.run(self.intake.take, descriptor, self._keep, self._is_here)
        finally:
            os.close(descriptor)

    async def _keep(self, pieces: tuple[Piece, ...]) -> None:
        self.kept += pieces
        self.meddle()

    async def _is_here(self, id_: bytes, size: int) -> bool:
        return self.here


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Common:
    monkeypatch.setattr(seen, "CLOCK_NS", 0)  # no test waits for two seconds
    return Common(tmp_path)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    file = tmp_path / "large"
    file.write_bytes(os.urandom(9 * MIB + 5))
    return file


def content_of(data: bytes) -> bytes:
    builder = ContentBuilder()
    builder.feed(data)
    return builder.finish().id


def test_a_file_is_cut_as_it_always_was(common: Common, large: Path) -> None:
    content = common.take(large)
    assert content.id == content_of(large.read_bytes()) and content.size == 9 * MIB + 5
    assert [len(piece.data) for piece in common.kept] == [MIB] * 9 and len(content.last) == 2


def test_an_unchanged_file_costs_no_reading(common: Common, large: Path) -> None:
    first = common.take(large)
    common.kept.clear()
    again = os.open(large, os.O_RDONLY)
    kept_open = os.dup(again)
    assert common.take(again) == Content(first.id, first.size, ()) and not common.kept
    assert os.lseek(kept_open, 0, os.SEEK_CUR) == 0
    os.close(kept_open)


@pytest.mark.parametrize("change", ["bytes", "times", "copy", "gone", "damaged", "young"])
def test_whatever_may_have_changed_is_read(
    common: Common, large: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes and times of it, where it lies, what is here of it, the record itself; and a file that was
    written a moment before it was read is no record at all."""
    if change == "young":
        monkeypatch.setattr(seen, "CLOCK_NS", 10**12)
    common.take(large)
    common.kept.clear()
    match change:
        case "bytes":
            times = large.stat()
            large.write_bytes(bytes(9 * MIB + 5))
            os.utime(large, ns=(times.st_atime_ns, times.st_mtime_ns))  # only the change time tells
        case "times":
            os.utime(large, ns=(1, 1))
        case "copy":
            copy = large.with_name("copy")
            copy.write_bytes(large.read_bytes())
            large = copy
        case "gone":
            common.here = False
        case "damaged":
            common.seen.close()
            (large.parent / "seen.db").write_bytes(b"nothing of the kind" * 1000)
    assert common.take(large).id == content_of(large.read_bytes()) and len(common.kept) == 9


def test_a_file_that_changes_while_it_is_read_is_read_again(common: Common, large: Path) -> None:
    """Torn bytes, some of before and some of after, would be signed without a word."""
    left = [b"x"]

    def meddle() -> None:
        if left:
            with large.open("r+b") as file:
                file.write(left.pop())

    common.meddle = meddle
    assert common.take(large).id == content_of(large.read_bytes())


def test_one_that_changes_each_time_is_refused(common: Common, large: Path) -> None:
    turns = []

    def meddle() -> None:
        turns.append(1)
        with large.open("ab") as file:
            file.write(b"more")

    common.meddle = meddle
    with pytest.raises(UserError, match="it changed while it was read"):
        common.take(large)
    assert len(turns) >= TRIES


def test_a_file_that_shrinks_is_read_again(common: Common, large: Path) -> None:
    def meddle() -> None:
        if large.stat().st_size > MIB:
            os.truncate(large, MIB)

    common.meddle = meddle
    assert common.take(large).size == MIB


def test_what_is_before_the_place_where_a_file_stands_is_not_put(common: Common, large: Path) -> None:
    descriptor = os.open(large, os.O_RDONLY)
    os.lseek(descriptor, 9 * MIB, os.SEEK_SET)
    assert common.take(descriptor).id == content_of(large.read_bytes()[9 * MIB :])
    common.kept.clear()
    assert common.take(large).size == 9 * MIB + 5 and common.kept  # nor is that what the whole of it is


def test_a_pipe_is_read_until_it_ends(common: Common) -> None:
    data = os.urandom(MIB + 70_000)
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:
            for at in range(0, len(data), 50_000):
                file.write(data[at : at + 50_000])

    writer = threading.Thread(target=write)
    writer.start()
    assert common.take(reading).id == content_of(data)
    writer.join()


def test_nobody_waits_for_a_silent_pipe_whose_caller_is_gone(common: Common) -> None:
    reading, writing = os.pipe()

    async def given_up() -> bool:
        with trio.move_on_after(0.01) as scope:
            await common.intake.take(reading, common._keep, common._is_here)
        return scope.cancelled_caught

    assert trio.run(given_up)
    os.close(reading)
    os.close(writing)


def test_what_cannot_be_read_is_said(common: Common, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        common.take(os.open(tmp_path / "write only", os.O_WRONLY | os.O_CREAT))
    with pytest.raises(UserError, match="only files and streams"):
        common.take(os.open(tmp_path, os.O_RDONLY))


def test_the_record_holds_so_many_and_forgets_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "ENTRIES_MAX", 3)
    record = Seen(tmp_path / "seen.db")
    stamps = [seen.Stamp(2**64 - 1, 2**64 - number, 1, 2, 3) for number in range(1, 6)]
    for stamp in stamps:
        record.note(stamp, b"%d" % stamp.inode)
    found = [record.find(stamp) for stamp in stamps]
    assert found == [None, None, *(b"%d" % stamp.inode for stamp in stamps[2:])]
    assert (tmp_path / "seen.db").stat().st_mode & 0o777 == 0o600


# --- over the control socket --------------------------------------------------------------------------------


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        yield client


@pytest.fixture
def asl(tmp_path: Path) -> Asl:
    return lambda *arguments, **options: run_asl(tmp_path / "home", *arguments, **options)


def test_many_files_are_handed_over_at_once_and_each_is_what_its_call_says(
    daemon: Client, tmp_path: Path
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    expected = []
    for number in range(3 * DESCRIPTORS_MAX):
        file = tmp_path / str(number)
        file.write_bytes(b"%d" % number)
        calls.append(("put.file", {"path": f"n/{number}", "file": File(os.open(file, os.O_RDONLY))}))
        expected.append(content_of(b"%d" % number).hex())
    answers = list(daemon.call_many(calls))
    assert [answer["content"] for answer in answers] == expected
    for _, params in calls:
        os.close(params["file"])


def test_a_file_counts_once_and_only_on_its_own_connection(daemon: Client, tmp_path: Path) -> None:
    with (tmp_path / "x").open("w+b") as file:
        daemon.call("put.file", path="x", file=File(file.fileno()))
        for number in (0, 1, 7):
            with pytest.raises(RemoteError, match=f"no open file {number} came over this connection"):
                daemon.call("put.file", path="y", file=number)


def test_only_what_was_looked_at_is_put_where_that_is_said(daemon: Client, large: Path) -> None:
    """As a folder does: what it offers is what it has in its record."""
    seen_as = content_of(large.read_bytes()).hex()
    with large.open("r+b") as file:
        file.write(b"another beginning")
    with large.open("rb") as file:
        with pytest.raises(RemoteError, match="it has changed since it was looked at"):
            daemon.call("put.file", path="x", file=File(file.fileno()), content=seen_as)
        assert not daemon.call("ls")["entries"] and not daemon.call("proposals")["pending"]
        file.seek(0)
        now = content_of(large.read_bytes()).hex()
        assert daemon.call("put.file", path="x", file=File(file.fileno()), content=now)["content"] == now


def test_what_nobody_takes_is_closed_with_the_connection(daemon: Client, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with Client.of_home(str(tmp_path / "home")) as other:
        for _ in range(2 * DESCRIPTORS_MAX):
            with pytest.raises(RemoteError):
                other.call("version", file=File(writing))
    os.close(writing)
    assert os.read(reading, 1) == b""  # once all are closed
    os.close(reading)


def test_a_long_call_looks_on_and_is_answered(daemon: Client, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    looks = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 2:
            os.write(writing, b"the rest")
            os.close(writing)

    os.write(writing, b"some and ")
    answer = daemon.call_long(look, "put.file", path="x", file=File(reading))
    assert answer["content"] == content_of(b"some and the rest").hex() and len(looks) == 2
    os.close(reading)


def test_a_put_of_a_changing_file_ends_with_1_and_lists_nothing(
    daemon: Client, asl: Asl, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.read

    def writing_meanwhile(descriptor: int, count: int) -> bytes:
        os.utime(large)
        return read(descriptor, count)

    monkeypatch.setattr("aslp2p.daemon.intake.os.read", writing_meanwhile)
    put = asl("put", str(large), "film")
    assert put.exit_code == 1 and "it changed while it was read" in put.stderr
    assert asl("ls").stdout == ""
