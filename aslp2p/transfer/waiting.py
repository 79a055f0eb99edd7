"""What imported bundles brought and what has no place yet: a bundle of its own beside the store.

A part of a Common may come before what it stands on: snapshots above a gap, endorsements before their
proposal. It is kept in `waiting.bundle` in the Common's folder, with the contents of the puts in it, and
judged again with the next bundle, so parts merge in any order (section 10). It holds no promise of ours:
losing it costs importing a part once more.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from aslp2p.artifacts.bundle import BundleReader, BundleWriter
from aslp2p.artifacts.content import decode_manifest, has_manifest
from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Proposal, Put, Snapshot, Statement
from aslp2p.errors import ArtifactError
from aslp2p.limits import WAITING_ARTIFACTS_MAX, WAITING_BYTES_MAX
from aslp2p.transfer.files import written_whole

WAITING_NAME = "waiting.bundle"


@contextmanager
def open_waiting(
    folder: Path, common_id: bytes
) -> Iterator[tuple[dict[bytes, Signed[Statement]], list[IO[bytes]]]]:
    """What waits in a Common's folder by id, and the file with its contents; nothing if it is damaged."""
    try:
        file = (folder / WAITING_NAME).open("rb")
    except FileNotFoundError:
        yield {}, []
        return
    with file:
        try:
            reader = BundleReader(file)
            found = {one.id: one.artifact for one in reader.records() if one.artifact is not None}
            good = reader.common_id == common_id
        except ArtifactError:
            good = False
        yield (found, [file]) if good else ({}, [])


def keep_waiting(
    folder: Path, common_id: bytes, waiting: Iterable[Signed[Statement]], sources: Sequence[IO[bytes]]
) -> int:
    """Keep these from now on and nothing else, with the contents for them that `sources` (whole bundles)
    hold, as many as there is room for; returns how many are not kept.

    Paper goes first, then snapshots with the lowest heights, then contents. Raises `UserError` when it cannot
    be written.
    """
    kept: list[Signed[Statement]] = []
    left_out = size = 0
    for one in sorted(waiting, key=_order):
        if len(kept) == WAITING_ARTIFACTS_MAX or size + len(one.raw) > WAITING_BYTES_MAX:
            left_out += 1
            continue
        size += len(one.raw)
        kept.append(one)
    path = folder / WAITING_NAME
    if not kept:
        path.unlink(missing_ok=True)
        return left_out
    with written_whole(path, 0o600) as file:
        writer = BundleWriter(file, common_id)
        for one in sorted(kept, key=lambda one: one.id):
            writer.add_artifact(one)
        for data in contents_in(sources, _named(kept, sources)):
            if size + len(data) > WAITING_BYTES_MAX:
                left_out += 1
                continue
            size += len(data)
            writer.add_content(data)
        writer.finish()
    return left_out


def contents_in(sources: Sequence[IO[bytes]], ids: Collection[bytes]) -> Iterator[bytes]:
    """The contents among `ids` that the bundles `sources` hold, sorted by id, each once."""
    last = b""
    for id_, data in heapq.merge(*(_contents(file, ids) for file in sources), key=lambda one: one[0]):
        if id_ != last:
            last = id_
            yield data


def _contents(file: IO[bytes], ids: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    if not ids:
        return
    file.seek(0)
    for record in BundleReader(file).records():
        if record.artifact is None and record.id in ids:
            yield record.id, record.data


def _named(waiting: Iterable[Signed[Statement]], sources: Sequence[IO[bytes]]) -> set[bytes]:
    """The contents that the puts among `waiting` are about, with the chunks of their manifests."""
    actions = [one.statement.action for one in waiting if isinstance(one.statement, Proposal)]
    sizes = {action.content: action.size for action in actions if isinstance(action, Put)}
    ids = set(sizes)
    manifests = {id_ for id_, size in sizes.items() if has_manifest(size)}
    for source in sources:
        for id_, data in _contents(source, manifests):
            with suppress(ArtifactError):  # none of that size: its put comes to nothing (G6)
                ids.update(decode_manifest(data, sizes[id_]))
    return ids


def _order(one: Signed[Statement]) -> tuple[int, bytes]:
    return (one.statement.height if isinstance(one.statement, Snapshot) else -1, one.id)
