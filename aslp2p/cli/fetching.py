"""Fetching what this machine does not hold: asked of the daemon, and waited for while something comes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from aslp2p.cli.progress import Progress
from aslp2p.cli.source import DaemonSource, Source
from aslp2p.limits import VIEW_PAGE_MAX
from aslp2p.worktree.common import History
from aslp2p.worktree.trees import Like

PATIENCE_S = 10.0
"""How long it is waited while nothing comes."""
_LOOK_S = 0.1

Contents = Sequence[tuple[str, int]]
"""Id and size of each."""


def fetch(source: Source, contents: Contents) -> None:
    """Return when all of it is here, or nobody brings any more; without a daemon at once. What is not here
    then is said by whoever reads it."""
    if not isinstance(source, DaemonSource):
        return
    absent = _absent(source, contents)
    if not absent:
        return
    wanted = [list(one) for one in absent]
    peers = 0
    for at in range(0, len(wanted), VIEW_PAGE_MAX):
        peers = source.call("contents.fetch", contents=wanted[at : at + VIEW_PAGE_MAX])["peers"]
    if not peers:
        return
    left = total = sum(absent.values())
    until = time.monotonic() + PATIENCE_S
    with Progress("fetching", total) as progress:
        while absent and time.monotonic() < until:
            time.sleep(_LOOK_S)
            absent = _absent(source, list(absent))
            if (now := sum(absent.values())) != left:
                progress.step(max(0, left - now))
                left, until = now, time.monotonic() + PATIENCE_S


def fetch_to_write(source: Source, history: History, agreed: Mapping[str, Like]) -> None:
    """What `history` holds, and not alike the folder that agreed on that with it: before it is written."""
    listed = history.version().entries.items()
    entries = {path: entry for path, entry in listed if agreed.get(path) != entry.like}
    absent = [entries[path] for path in history.lacking(entries)]
    fetch(source, sorted({(entry.like.content, entry.size) for entry in absent}))


def _absent(source: DaemonSource, contents: Contents) -> dict[tuple[str, int], int]:
    """Those of `contents` that are not all here, and of how many pieces each lacks."""
    absent: dict[tuple[str, int], int] = {}
    for at in range(0, len(contents), VIEW_PAGE_MAX):
        some = contents[at : at + VIEW_PAGE_MAX]
        missing = source.ask("contents.missing", contents=[list(one) for one in some])["missing"]
        absent |= {one: count for one, count in zip(some, missing, strict=True) if count}
    return absent
