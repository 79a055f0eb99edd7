"""A home goes to another machine and never signs in two places, whatever is interrupted (S11)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aslp2p.artifacts import canonical
from aslp2p.errors import UserError
from aslp2p.home import Home
from aslp2p.home.key import load_key, load_public_key
from aslp2p.home.lock import HomeLock
from aslp2p.home.marks import HOME_FILE_MAGIC
from aslp2p.home.retired import HomeRetired, clear_retired, read_retired
from aslp2p.ledger.floor import (
    Floor,
    FloorMove,
    give_floor,
    log_floor_move,
    put_floor,
    read_floor,
    read_floor_moves,
    read_given_floor,
)
from aslp2p.ledger.journal import EMIT, META_STALE
from aslp2p.ledger.reader import JournalRow, PutJournal
from aslp2p.store.sqlite import SqliteStore
from aslp2p.transfer.moving import back_up, move_in, move_out, restore
from aslp2p.transfer.package import PackageReader
from tests.cli.conftest import run_asl

NOW_MS = 1_800_000_000_000
DIED = 9


def quiet(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two Commons and a promise in a journal, which nobody changes."""
    home = tmp_path_factory.mktemp("made") / "home"
    for name in ("one", "two"):
        assert run_asl(home, "init", name, "--name", "ann").exit_code == 0
    (home / "config.toml").write_text('[recovery]\nmode = "auto"\n')
    with closing(SqliteStore(next((home / "commons").iterdir()) / "store.db")) as store:
        store.apply([PutJournal(JournalRow(EMIT, 0, 1, b"\x01" * 32, b"raw"))])
        store.commit()
    return home


@pytest.fixture(scope="session")
def small(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one Common."""
    home = shutil.copytree(made, tmp_path_factory.mktemp("small") / "home")
    shutil.rmtree(max((home / "commons").iterdir()))
    return home


@pytest.fixture
def old(made: Path, tmp_path: Path) -> Home:
    shutil.copytree(made, tmp_path / "old")
    return Home(tmp_path / "old")


def signs(home: Home) -> bool:
    """Whether its key can be had for signing."""
    if not home.exists():
        return False
    try:
        load_key(home)
    except HomeRetired:
        return False
    return True


def can_be_taken_in(path: Path, scratch: Path) -> bool:
    """Whether a copy of `path` makes a home that signs."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    shutil.copy(path, scratch / "copy")
    try:
        move_in(Home(scratch / "home"), scratch / "copy", quiet)
    except UserError:
        return False
    return signs(Home(scratch / "home"))


def is_whole(path: Path) -> bool:
    try:
        with PackageReader(path) as reader:
            reader.require_whole()
    except UserError:
        return False
    return True


def contents(home: Home) -> dict[str, bytes]:
    return {
        str(path.relative_to(home.path)): path.read_bytes()
        for path in home.path.rglob("*")
        if path.is_file() and path.name not in ("lock", "retired", "port", "store.db-wal", "store.db-shm")
    }


def test_a_home_arrives_as_it_was_and_the_old_one_is_retired(old: Home, tmp_path: Path) -> None:
    file, new, before = tmp_path / "stick", Home(tmp_path / "new"), contents(old)
    carried = move_out(old, file, NOW_MS, quiet)
    assert (carried.key, carried.commons) == (load_public_key(old), 2)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(HomeRetired, match="was moved away") as caught:
        load_key(old)
    assert caught.value.exit_code == 4
    moved = move_in(new, file, quiet)
    assert moved is not None and moved.key == carried.key
    assert contents(new) == before
    assert signs(new) and not signs(old) and not file.exists()
    modes = {path.stat().st_mode & 0o777 for path in new.path.rglob("*")}
    assert modes == {0o600, 0o700}
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


def test_a_retired_home_is_moved_once(old: Home, tmp_path: Path) -> None:
    file = tmp_path / "stick"
    move_out(old, file, NOW_MS, quiet)
    for target in (file, tmp_path / "another"):
        with pytest.raises(HomeRetired, match="was moved away"):
            move_out(old, target, NOW_MS, quiet)
    another = Home(shutil.copytree(old.path, tmp_path / "copy"))
    clear_retired(another)
    with pytest.raises(UserError, match="something at"):
        move_out(another, file, NOW_MS, quiet)
    file.unlink()
    move_out(old, tmp_path / "another", NOW_MS, quiet, lost=True)
    assert can_be_taken_in(tmp_path / "another", tmp_path / "scratch") and not signs(old)


def test_what_stands_in_the_way_changes_nothing(old: Home, tmp_path: Path) -> None:
    file = tmp_path / "stick"
    with HomeLock(old), pytest.raises(UserError, match="already running"):
        move_out(old, file, NOW_MS, quiet)
    with pytest.raises(UserError, match="cannot write"):
        move_out(old, tmp_path / "no folder" / "stick", NOW_MS, quiet)
    assert signs(old) and not file.exists()
    move_out(old, file, NOW_MS, quiet)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    for where, why in ((old.path, "a home at"), (tmp_path / "full", "not empty")):
        with pytest.raises(UserError, match=why):
            move_in(Home(where), file, quiet)
    with pytest.raises(UserError, match="is a home that moves"):
        restore(Home(tmp_path / "new"), file, "why", quiet)
    assert file.exists() and not (tmp_path / "new").exists()


def test_what_an_init_left_half_done_goes_along(old: Home, tmp_path: Path) -> None:
    (old.path / "commons" / ("0" * 16)).mkdir()
    (old.path / "commons" / ("1" * 16)).mkdir()
    SqliteStore(old.path / "commons" / ("1" * 16) / "store.db").close()
    move_out(old, tmp_path / "stick", NOW_MS, quiet)
    move_in(Home(tmp_path / "new"), tmp_path / "stick", quiet)
    assert signs(Home(tmp_path / "new"))


def test_what_could_not_arrive_does_not_leave(old: Home, tmp_path: Path) -> None:
    folder = old.commons()[0]
    folder.rename(folder.with_name("f" * 16))
    with pytest.raises(UserError, match="holds another Common"):
        move_out(old, tmp_path / "stick", NOW_MS, quiet)
    (old.commons()[-1] / "NOT OURS").touch()
    folder.with_name("f" * 16).rename(folder)
    with pytest.raises(UserError, match="is not a file of a home"):
        move_out(old, tmp_path / "stick", NOW_MS, quiet)
    assert signs(old) and not (tmp_path / "stick").exists()


def test_a_damaged_mark_counts_as_one(old: Home) -> None:
    old.retired.write_bytes(b"state: mo")
    with pytest.raises(UserError, match="is damaged"):
        load_key(old)


def test_a_file_that_cannot_be_removed_leaves_a_home_that_waits(
    old: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, new = tmp_path / "stick", Home(tmp_path / "new")
    move_out(old, file, NOW_MS, quiet)
    with monkeypatch.context() as patched:

        def refuse(self: Path, missing_ok: bool = False) -> None:
            if self == file:
                raise PermissionError(1, "read-only")
            os.unlink(self) if self.exists() else None

        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(UserError, match="cannot be removed"):
            move_in(new, file, quiet)
    with pytest.raises(HomeRetired, match="finish it with: asl move in"):
        load_key(new)
    file.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is not there any more"):
        move_in(new, file, quiet)
    assert not signs(new)
    assert move_in(new, file, quiet, keep=True) is None and signs(new)


# --- crashes ------------------------------------------------------------------------------------------

_CALLS = ("fsync", "replace", "rename", "link", "unlink", "open", "mkdir", "rmdir")


def dying(work: Callable[[], object], at: int) -> bool:
    """Run `work` in a process that dies before its `at`-th call that changes a disk; whether it did die."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def wrapped(real: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == at:
                    os._exit(DIED)
                return real(*arguments, **options)

            return call

        for name in _CALLS:
            setattr(os, name, wrapped(getattr(os, name)))
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, DIED), code
    return code == DIED


def crashes(
    work: Callable[[Path], object], prepare: Callable[[Path], object], folder: Path
) -> Iterator[Path]:
    """A folder after each crash of `work` in it, one call later each time."""
    at = 0
    while True:
        at += 1
        place = folder / f"{at:03}"
        place.mkdir()
        prepare(place)
        if not dying(partial(work, place), at):
            assert at > 10
            return
        yield place
        shutil.rmtree(place)


def test_killed_at_any_step_of_moving_out(small: Path, tmp_path: Path) -> None:
    seen = set()

    def out(place: Path) -> object:
        return move_out(Home(place / "old"), place / "stick", NOW_MS, quiet)

    for place in crashes(out, lambda place: shutil.copytree(small, place / "old"), tmp_path):
        old = Home(place / "old")
        files = [path for path in place.iterdir() if path.is_file()]
        usable = [path for path in files if is_whole(path)]
        assert not (signs(old) and usable), place
        mark = read_retired(old)
        seen.add((signs(old), bool(usable), None if mark is None else mark.state))
        if mark is None or mark.state == "moving":
            out(place)
        assert not signs(old) and is_whole(place / "stick")
        assert {path.name for path in place.iterdir()} == {"old", "stick"}
    assert seen >= {
        (True, False, None),
        (False, False, "moving"),
        (False, True, "moving"),
        (False, True, "moved"),
    }


def test_killed_at_any_step_of_moving_in(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small, tmp_path / "old")
    move_out(Home(tmp_path / "old"), tmp_path / "stick", NOW_MS, quiet)
    seen = set()

    def into(place: Path) -> object:
        return move_in(Home(place / "new"), place / "stick", quiet)

    for place in crashes(into, lambda place: shutil.copy(tmp_path / "stick", place), tmp_path):
        new, stick = Home(place / "new"), place / "stick"
        assert not (signs(new) and stick.exists()), place
        seen.add((signs(new), stick.exists(), new.exists()))
        if not signs(new):
            if stick.exists():
                into(place)
            else:  # removed, and the crash came before the mark went: only a person knows that
                with pytest.raises(UserError, match="is not there any more"):
                    into(place)
                move_in(new, stick, quiet, keep=True)
        assert signs(new) and not stick.exists()
        with closing(SqliteStore(new.commons()[0] / "store.db")) as store:
            store.commit()
    assert seen >= {(False, True, False), (False, True, True), (False, False, True), (True, False, True)}


# --- backups ------------------------------------------------------------------------------------------


def test_a_restored_key_is_marked_before_it_is_a_home(old: Home, tmp_path: Path) -> None:
    file, new = tmp_path / "backup", Home(tmp_path / "new")
    back_up(old, file, NOW_MS, quiet)
    assert signs(old) and file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="is a backup"):
        move_in(new, file, quiet)
    restore(new, file, "it was restored", quiet)
    assert file.exists() and signs(new)
    for folder in new.commons():
        with closing(SqliteStore(folder / "store.db", read_only=True)) as store:
            assert store.meta(META_STALE) == b"it was restored"
    with pytest.raises(UserError, match="a home at"):
        restore(new, file, "again", quiet)


def test_killed_at_any_step_of_restoring(small: Path, tmp_path: Path) -> None:
    back_up(Home(shutil.copytree(small, tmp_path / "old")), tmp_path / "backup", NOW_MS, quiet)

    def work(place: Path) -> object:
        return restore(Home(place / "new"), tmp_path / "backup", "it was restored", quiet)

    for place in crashes(work, lambda place: None, tmp_path):
        new = Home(place / "new")
        if not new.exists():
            work(place)
        for folder in new.commons():
            with closing(SqliteStore(folder / "store.db", read_only=True)) as store:
                assert store.meta(META_STALE) is not None


def test_a_retired_home_can_be_backed_up(old: Home, tmp_path: Path) -> None:
    move_out(old, tmp_path / "stick", NOW_MS, quiet)
    back_up(old, tmp_path / "backup", NOW_MS, quiet)
    restore(Home(tmp_path / "new"), tmp_path / "backup", "why", quiet)
    assert not signs(old)


# --- hostile files ------------------------------------------------------------------------------------


def header(*fields: object) -> bytes:
    packed = canonical.encode(list(fields))
    return HOME_FILE_MAGIC + len(packed).to_bytes(4, "big") + packed


def test_the_floor_goes_along(old: Home, tmp_path: Path) -> None:
    """F5: a moved home has the floor that it had, the one that it was given, and its people's moves; one that
    is restored has an older one, which is weaker and safe."""
    store = min((tmp_path / "old" / "commons").iterdir()) / "store.db"
    floor, given, other = Floor(7, b"\x07" * 32), Floor(9, b"\x09" * 32), Floor(3, b"\x03" * 32)
    back_up(old, tmp_path / "backup", NOW_MS, quiet)
    with closing(SqliteStore(store)) as opened:
        before = read_floor(opened)
        opened.apply([put_floor(floor), give_floor(given)])
        opened.apply([log_floor_move(opened, move := FloorMove(other, floor, NOW_MS))])
        opened.commit()
    move_out(old, tmp_path / "file", NOW_MS, quiet)
    move_in(Home(tmp_path / "moved"), tmp_path / "file", quiet)
    restore(Home(tmp_path / "restored"), tmp_path / "backup", "restored", quiet)
    answers = []
    for name in ("moved", "restored"):
        with closing(SqliteStore(tmp_path / name / "commons" / store.parent.name / "store.db")) as opened:
            answers.append((read_floor(opened), read_given_floor(opened), read_floor_moves(opened)))
    assert before is not None and before.height == 0
    assert answers == [(floor, given, [move]), (before, None, [])]


@pytest.mark.parametrize(
    "name", ["../key", "/etc/passwd", "lock", "retired", "commons/0123/store.db", "commons/../../x", "key/x"]
)
def test_names_that_no_home_has_are_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    files = [["key", 0], ["version", 0], [name, 0]]
    file.write_bytes(header("asl.home/1", "move", bytes(16), 1, bytes(32), files) + bytes(32))
    with pytest.raises(UserError, match="lists what no home has"):
        PackageReader(file)


def test_sizes_are_held_against_the_file_before_anything_is_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for size in (2**52, 1):
        files = [["key", size], ["version", 0]]
        file.write_bytes(header("asl.home/1", "move", bytes(16), 1, bytes(32), files) + bytes(32))
        with pytest.raises(UserError, match="cut off, or longer"):
            move_in(Home(tmp_path / "new"), file, quiet)
    file.write_bytes(HOME_FILE_MAGIC + b"\xff" * 4)
    with pytest.raises(UserError, match="header is too long"):
        PackageReader(file)
    file.write_bytes(HOME_FILE_MAGIC[:-1] + b"\x03" + bytes(4))
    with pytest.raises(UserError, match="newer aslp2p"):
        PackageReader(file)
    assert os.listdir(tmp_path) == ["file"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_with_any_change_is_refused_whole(made: Path, tmp_path: Path, data: st.DataObject) -> None:
    file, changed = tmp_path / "file", tmp_path / "changed"
    if not file.exists():
        back_up(Home(shutil.copytree(made, tmp_path / "old")), file, NOW_MS, quiet)
    raw = bytearray(file.read_bytes())
    place = data.draw(st.one_of(st.integers(0, 600), st.integers(0, len(raw) - 1)))
    if data.draw(st.booleans()):
        raw[place] ^= data.draw(st.integers(1, 255))
    else:
        del raw[place:]
    changed.write_bytes(raw)
    with pytest.raises(UserError):
        restore(Home(tmp_path / "new"), changed, "why", quiet)
    assert not (tmp_path / "new").exists()
