"""Fetching what this machine does not hold: asked of the daemon, and waited for while something comes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from aslp2p.cli.progress import Progress
from aslp2p.cli.source import DaemonSource, Source
from aslp2p.worktree.common import Content, History, absent_of, ask_for
from aslp2p.worktree.trees import Like

PATIENCE_S = 10.0
"""How long it is waited while nothing comes."""
_LOOK_S = 0.1


def fetch(source: Source, contents: Sequence[Content]) -> None:
    """Return when all of it is here, or nobody brings any more; without a daemon at once. What is not here
    then is said by whoever reads it."""
    if not isinstance(source, DaemonSource):
        return
    absent = absent_of(source, contents)
    if not absent or not ask_for(source, [*absent]):
        return
    left = total = sum(absent.values())
    until = time.monotonic() + PATIENCE_S
    with Progress("fetching", total) as progress:
        while absent and time.monotonic() < until:
            time.sleep(_LOOK_S)
            absent = absent_of(source, [*absent])
            if (now := sum(absent.values())) != left:
                progress.step(max(0, left - now))
                left, until = now, time.monotonic() + PATIENCE_S


def fetch_to_write(source: Source, history: History, agreed: Mapping[str, Like]) -> None:
    """What `history` holds, and not alike the folder that agreed on that with it: before it is written."""
    listed = history.version().entries.items()
    unlike = (entry for path, entry in listed if agreed.get(path) != entry.like)
    fetch(source, sorted({(entry.like.content, entry.size) for entry in unlike}))
