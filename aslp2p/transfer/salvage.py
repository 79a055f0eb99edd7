"""A store made anew from what is sound of a damaged one: `asl fsck --repair`, where mending is not enough.

How it works. Every row that can be read and is what was written is taken over into a new file: settings,
promises, contents; and history and what was open, which the core judges again as it would a bundle. What
stands on something damaged is left out, so the new store holds a shorter history that is right from end to
end, and the rest comes back from the other members by catching up, as it does for whoever was away. Then the
new file takes the place of the damaged one, which stays beside it.

A home that was never linked with another machine gets nothing back from anybody. It is made anew where the
new store ends at the head that the old one had, with every content; otherwise what is lost is said.

Promises are never lost unseen: where the journal is not whole, the key signs nothing any more (S11). A store
whose genesis, network secret or floor is damaged is not made anew: those nobody else can give back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from aslp2p.artifacts.envelope import VERIFIER, Signer, decode_artifact, decode_as
from aslp2p.artifacts.types import Genesis
from aslp2p.core.inputs import Import, Now, Tick
from aslp2p.core.node import NodeCore
from aslp2p.errors import ArtifactError, Damaged
from aslp2p.ledger.history import found_common
from aslp2p.ledger.joining import META_LINKED
from aslp2p.ledger.journal import META_STALE
from aslp2p.ledger.reader import PutContent, PutMeta
from aslp2p.store.contents import folder_of
from aslp2p.store.fsck import fsck
from aslp2p.store.salvage import (
    NobodyHas,
    Salvaged,
    adopt_files,
    put_journal,
    read_sound,
    remove,
    sound_contents,
)
from aslp2p.store.sqlite import SqliteStore

ASIDE = ".damaged"
MADE = (b"head", b"genesis", b"common-id", b"lost", b"daemon-probe")
"""Those that are not taken over."""
STALE = "its signing journal was damaged, and the store was made anew"
TICKS_MAX = 10_000
WANTED_COUNTED_MAX = 1_000


def make_anew(path: Path, signer: Signer, clocks: Callable[[], Now]) -> int:
    """Put a sound store in the place of the damaged one at `path`; returns the height of its head.

    `signer` is a key of nobody: nothing is signed. Raises `Damaged`, having changed nothing, where what is
    needed cannot be read.
    """
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise Damaged(f"{path}: its last writes cannot be read")
    new, copy = path.with_name("anew.db"), path.with_name("reading.db")
    salvaged = read_sound(path, copy)
    remove(new)
    contents = folder_of(new)
    contents.unlink(missing_ok=True)
    contents.symlink_to(folder_of(path).name)  # they stay where they are
    try:
        with closing(SqliteStore(new)) as store:
            adopt_files(store)
            height = _fill(store, salvaged, signer, clocks)
            _require_whole(store, salvaged)
    except Damaged as error:
        remove(new)
        if salvaged.linked:
            raise
        raise NobodyHas(error) from error
    finally:
        remove(copy)
        contents.unlink()
    aside = path.with_name(path.name + ASIDE)
    aside.unlink(missing_ok=True)
    os.link(path, aside)
    os.replace(new, path)
    remove(new)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return height


def _fill(store: SqliteStore, salvaged: Salvaged, signer: Signer, clocks: Callable[[], Now]) -> int:
    """Put what was salvaged into the new `store`; returns the height of the head. Raises `Damaged`."""
    try:
        genesis = VERIFIER.verify(decode_as(Genesis, salvaged.genesis))
    except ArtifactError as error:
        raise Damaged(f"its genesis is damaged: {error.message}") from error
    found_common(store, genesis)
    store.apply([PutMeta("common-id", genesis.id)])
    for id_, data in sound_contents(salvaged.source):
        store.apply([PutContent(id_, data)])
        store.commit()
    core = NodeCore(store, common_id=genesis.id, signer=signer, entropy=os.urandom, apart=True)
    core.step(Import(tuple(_decodable(salvaged.artifacts))), clocks())
    store.commit()
    now = clocks()
    for _ in range(TICKS_MAX):  # the audit of what was imported
        if core.wake_at_ms is None or core.wake_at_ms > now.mono:
            break
        core.step(Tick(), now)
        store.commit()
    height = core.head.height if core.head is not None else 0
    settings = {key: value for key, value in salvaged.meta.items() if key not in MADE}
    if salvaged.linked:
        store.apply([PutMeta(META_LINKED, b"1")])
    store.apply(PutMeta(key.decode(), value) for key, value in settings.items())
    if salvaged.journal_head is None:
        store.apply([PutMeta(META_STALE, STALE.encode())])
    store.commit()
    if salvaged.journal_head is not None:
        put_journal(store, salvaged)
    return height


def _require_whole(store: SqliteStore, salvaged: Salvaged) -> None:
    """Raise `Damaged`, saying what is lost, where the new store is not in order, or lacks what nobody else
    has."""
    for one in fsck(store):
        if not one.repaired:
            raise Damaged(one.what)
    if salvaged.linked:
        return
    was, head = salvaged.meta.get(b"head"), store.meta("head")
    if was is None or salvaged.journal_head is None:
        raise Damaged("nobody can tell whether all of the history is left")
    if was != head:
        row = store.snapshot(head) if head is not None else None
        raise Damaged(f"of the history what is above @{0 if row is None else row.height} is lost")
    if missing := len(store.wanted(WANTED_COUNTED_MAX)):
        raise Damaged(
            f"of the contents that the history names {missing} {'are' if missing > 1 else 'is'} lost"
        )


def _decodable(raws: list[bytes]) -> Iterator[bytes]:
    """Those that are what they were when they were stored, signatures and all."""
    for raw in raws:
        with suppress(ArtifactError):
            yield VERIFIER.verify(decode_artifact(raw)).raw
