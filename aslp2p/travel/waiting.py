"""What imported bundles brought and what has no place yet: a bundle of its own beside the store.

A part of a Common may come before what it stands on: snapshots above a gap, endorsements before their
proposal. It is kept in `waiting.bundle` in the Common's folder and judged again with the next bundle, so
parts merge in any order (section 10). It holds no promise of ours: losing it costs importing a part once
more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aslp2p.artifacts.bundle import BundleReader, BundleWriter
from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Snapshot, Statement
from aslp2p.errors import ArtifactError
from aslp2p.limits import WAITING_ARTIFACTS_MAX, WAITING_BYTES_MAX
from aslp2p.travel.files import written_whole

WAITING_NAME = "waiting.bundle"


def read_waiting(folder: Path, common_id: bytes) -> dict[bytes, Signed[Statement]]:
    """What waits in a Common's folder, by id; nothing if it is damaged."""
    try:
        with (folder / WAITING_NAME).open("rb") as file:
            reader = BundleReader(file)
            found = {one.id: one.artifact for one in reader.records() if one.artifact is not None}
    except (FileNotFoundError, ArtifactError):
        return {}
    return found if reader.common_id == common_id else {}


def keep_waiting(folder: Path, common_id: bytes, waiting: Iterable[Signed[Statement]]) -> int:
    """Keep these from now on and nothing else, as many as there is room for; returns how many are not kept.

    Paper goes first, then snapshots with the lowest heights. Raises `UserError` when it cannot be written.
    """
    kept: list[Signed[Statement]] = []
    left_out = size = 0
    for one in sorted(waiting, key=_order):
        size += len(one.raw)
        if len(kept) == WAITING_ARTIFACTS_MAX or size > WAITING_BYTES_MAX:
            left_out += 1
        else:
            kept.append(one)
    path = folder / WAITING_NAME
    if not kept:
        path.unlink(missing_ok=True)
        return left_out
    with written_whole(path, 0o600) as file:
        writer = BundleWriter(file, common_id)
        for one in sorted(kept, key=lambda one: one.id):
            writer.add_artifact(one)
        writer.finish()
    return left_out


def _order(one: Signed[Statement]) -> tuple[int, bytes]:
    return (one.statement.height if isinstance(one.statement, Snapshot) else -1, one.id)
