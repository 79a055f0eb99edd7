"""A home goes to another machine, with its signing journal, and never signs in two places (S11).

Out, on the old machine, whose daemon is stopped:

1. The file is written aside, all but its trailer: nobody takes that for a home. Synced.
2. The old home is retired (`moving`). Synced: from here on it signs nothing.
3. The trailer, synced; then the file gets its name, synced: from here on there is a home to take in.
4. The old home's mark becomes `moved`.

A crash before 2 leaves the old home alone, one after it leaves a home that says how to go on. In, on the new
machine:

5. The files are put into a folder aside, which is marked `arriving`, checked, and becomes the home at once.
6. The file is removed; then the mark goes: from here on the new home signs.

So whenever a home signs, no whole file of it is where these steps left it. A copy that somebody made of the
file in between is beyond this: then the same key is heard on two machines, and both stop (S11).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from aslp2p.errors import UserError
from aslp2p.home import Home
from aslp2p.home.files import TEMPORARY_PREFIX, sync_folder
from aslp2p.home.key import load_public_key
from aslp2p.home.lock import HomeLock
from aslp2p.home.retired import (
    ARRIVING,
    MOVED,
    MOVING,
    Retired,
    clear_retired,
    read_retired,
    require_active,
    write_retired,
)
from aslp2p.ledger.joining import read_belonging
from aslp2p.ledger.journal import META_STALE
from aslp2p.ledger.reader import PutMeta
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore
from aslp2p.transfer.package import (
    BACKUP,
    ID_BYTES,
    MOVE,
    Header,
    PackageReader,
    PackageWriter,
    Progress,
    files_of,
    header_of,
)
from aslp2p.transfer.packed import is_packed


class Carried(NamedTuple):
    """What went into a file or came out of one."""

    key: bytes
    commons: int
    size: int
    """Bytes of all files."""
    created_ms: int


def move_out(home: Home, target: Path, now_ms: int, progress: Progress, *, lost: bool = False) -> Carried:
    """Write the home to the new file `target` and retire it; what a crash interrupted is finished.

    `lost` is the owner's word that no file of an earlier move can be taken in any more. Raises `UserError`;
    then the home signs as before unless it says otherwise.
    """
    with HomeLock(home, "asl move out"):
        before = read_retired(home)
        if before is not None and not lost:
            if before.state != MOVING:
                require_active(home)
            if Path(before.file) != target:
                raise UserError(
                    f"this home was on its way to {before.file}, which may be whole",
                    remedy=f"type: asl move out {before.file}; or, if that file is lost for good, add --lost",
                )
            if (header := _whole_header(target, before.id)) is not None:
                write_retired(home, before._replace(state=MOVED))
                return _carried(header)
        elif before is not None and before.state == ARRIVING:
            require_active(home)
        _require_free(target, resumed=before is not None and Path(before.file) == target)
        _close_stores(home)
        header = header_of(home, MOVE, os.urandom(ID_BYTES), now_ms, load_public_key(home))
        mark = Retired(MOVING, header.id.hex(), now_ms, str(target))
        with PackageWriter(target) as writer:
            writer.write_body(home, header, progress)
            write_retired(home, mark)
            writer.finish()
        write_retired(home, mark._replace(state=MOVED))
        return _carried(header)


def move_in(home: Home, source: Path, progress: Progress, *, keep: bool = False) -> Carried | None:
    """Make `home`, which is not there yet, from the file `source`, and remove that (unless `keep`: then
    nobody may take it in again). None when only the rest of an earlier try was left to do. Raises
    `UserError`.
    """
    carried = None
    if home.exists():
        mark = read_retired(home)
        if mark is None or mark.state != ARRIVING:
            raise UserError(f"there is a home at {home} already", remedy="name another with --home")
        source = Path(mark.file)
    else:
        carried = _take_in(home, source, progress, MOVE)
    with HomeLock(home, "asl move in"):
        if not keep:
            _remove(source)
        clear_retired(home)
    return carried


def back_up(home: Home, target: Path, now_ms: int, progress: Progress) -> Carried:
    """Write a copy of the home to the new file `target`; the home goes on as it is. Raises `UserError`."""
    with HomeLock(home, "asl backup"):
        _require_free(target, resumed=False)
        _close_stores(home)
        header = header_of(home, BACKUP, os.urandom(ID_BYTES), now_ms, load_public_key(home))
        with PackageWriter(target) as writer:
            writer.write_body(home, header, progress)
            writer.finish()
        return _carried(header)


def back_up_running(
    home: Home, target: Path, now_ms: int, progress: Progress, copy_stores: Callable[[Path], None]
) -> Carried:
    """As `back_up`, of a home whose daemon runs: `copy_stores` has it copy each store, as of one moment, into
    a folder that looks like the home. That is beside `target` until the file is whole. Raises `UserError`.
    """
    _require_free(target, resumed=False)
    aside = Home(target.with_name(f"{TEMPORARY_PREFIX}{target.name}-home"))
    try:
        shutil.rmtree(aside.path, ignore_errors=True)  # left by a crash
        aside.path.mkdir(mode=0o700)
        for name in files_of(home):
            if not (name.endswith(f"/{STORE_NAME}") or is_packed(name)):  # these the daemon copies
                _copy(home.path / name, aside.path / name)
        copy_stores(aside.path)
        return back_up(aside, target, now_ms, progress)
    except OSError as error:
        raise UserError(
            f"cannot write beside {target} ({error.strerror})", remedy="name another file"
        ) from None
    finally:
        shutil.rmtree(aside.path, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    for above in (target.parent.parent, target.parent):
        above.mkdir(mode=0o700, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o600)


def restore(home: Home, source: Path, words: str, progress: Progress) -> Carried:
    """Make `home`, which is not there yet, from a backup; its key is marked in each of its Commons as one
    whose journal may be old, for the reason in `words` (S11). Raises `UserError`.
    """
    if home.exists():
        raise UserError(f"there is a home at {home} already", remedy="name another with --home")
    return _take_in(home, source, progress, BACKUP, stale=words)


# --- shared -------------------------------------------------------------------------------------------


def _carried(header: Header) -> Carried:
    commons = sum(name.endswith(f"/{STORE_NAME}") for name, _ in header.files)
    return Carried(header.key, commons, header.size, header.created_ms)


def _whole_header(path: Path, id_: str) -> Header | None:
    """The header of the file at `path` if it is whole and of that move."""
    with suppress(UserError), PackageReader(path) as reader:
        reader.require_whole()
        if reader.header.id.hex() == id_:
            return reader.header
    return None


def _require_free(target: Path, *, resumed: bool) -> None:
    if os.path.lexists(target) and not resumed:
        raise UserError(f"there is something at {target} already", remedy="name a new file")


def _close_stores(home: Home, *, stale: str = "") -> None:
    """Each store opened, looked at, and closed: then it is one file, with nothing left beside it. With
    `stale` the key is marked in each, for that reason. Raises `UserError` for one that belongs to another
    folder.

    A folder without a store, or with an empty one, is what an `init` left that did not come to its end.
    """
    for folder in home.commons():
        if not (folder / STORE_NAME).exists():
            continue
        with closing(SqliteStore(folder / STORE_NAME)) as store:
            belonging = read_belonging(store)
            if belonging is None:
                continue
            if not belonging.common_id.hex().startswith(folder.name):
                raise UserError(f"{folder} holds another Common", remedy="give the folder its old name")
            if stale:
                store.apply([PutMeta(META_STALE, stale.encode())])
                store.commit()


def _take_in(home: Home, source: Path, progress: Progress, kind: str, *, stale: str = "") -> Carried:
    with PackageReader(source) as reader:
        header = reader.header
        if header.kind != kind:
            command = "asl move in" if header.kind == MOVE else "asl restore"
            raise UserError(
                f"{source} is a {'home that moves' if header.kind == MOVE else 'backup'}",
                remedy=f"type: {command} {source}",
            )
        if home.path.exists() and (not home.path.is_dir() or any(home.path.iterdir())):
            raise UserError(f"{home.path} is there and not empty", remedy="name another with --home")
        aside = home.path.with_name(f"{TEMPORARY_PREFIX}{home.path.name}-arriving")
        try:
            aside.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make {aside.parent} ({error.strerror})") from None
        reader.extract(aside, progress)
    arriving = Home(aside)
    try:
        _check(arriving, header, stale)
        if kind == MOVE:
            write_retired(arriving, Retired(ARRIVING, header.id.hex(), header.created_ms, str(source)))
        os.replace(aside, home.path)
        sync_folder(home.path.parent)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise UserError(f"cannot make {home.path} ({error.strerror})") from None
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return _carried(header)


def _check(home: Home, header: Header, stale: str) -> None:
    """What came out is a home of that key, and its stores are whole; a restored one's key is marked."""
    home.check()
    if load_public_key(home) != header.key:
        raise UserError("its key is not the one that it names", remedy="make the file again")
    _close_stores(home, stale=stale)


def _remove(source: Path) -> None:
    try:
        source.unlink()
        sync_folder(source.parent)
    except (
        FileNotFoundError
    ):  # removed by an earlier try, or on a stick that was pulled out: only people know
        raise UserError(
            f"{source} is not there any more, and whoever takes it in again has the same key",
            remedy="put its disk back and type this again; or if it is gone for good, add --keep",
        ) from None
    except OSError as error:
        raise UserError(
            f"{source} cannot be removed ({error.strerror}), and whoever takes it in again has the same key",
            remedy="make its disk writable and type this again; or add --keep, and see that nobody does",
        ) from None
