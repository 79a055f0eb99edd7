"""The files of a Common at a version: listing, one entry, and what changed between two versions.

Lists come in pages of `VIEW_PAGE_MAX`: an answer with `next` goes on after that path. A page names the
snapshot that it was read at, so that whoever asks for the next one sees when the history has moved to another
branch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aslp2p.errors import UserError
from aslp2p.ledger.facts import Entry, entries_below, entry_at, is_folder, path_changes
from aslp2p.limits import VIEW_PAGE_MAX
from aslp2p.views.erased import erasable_alone, erasure
from aslp2p.views.view import View

_Fact = tuple[str, Entry, int]
"""Path, entry, and the height that made it so."""


def ls(view: View, prefix: str = "", at: int | None = None, after: str = "") -> dict[str, Any]:
    """What is at `prefix` or below it at `@at`, by path: at most `VIEW_PAGE_MAX` entries, above `after`."""
    height = view.at(at)
    entries: list[dict[str, Any]] = []
    more = False
    for path, entry, changed in _walk(view, prefix, height, after):
        if len(entries) == VIEW_PAGE_MAX:
            more = True
            break
        entries.append(entry_json(view, path, entry, changed) | _erased(view, entry, height))
    return {
        "height": height,
        "snapshot": view.row(height).id.hex(),
        "entries": entries,
        "next": entries[-1]["path"] if more else None,
    }


def entry(view: View, path: str, at: int | None = None) -> dict[str, Any]:
    """The entry at exactly `path` at `@at`. Raises `UserError` when there is none, or it is a folder."""
    height = view.at(at)
    found = entry_at(view.reader, view.branch, height, path)
    if found is None:
        raise _missing(view, path, height)
    changed = path_changes(view.reader, view.branch, height, path, 1)[0][0]
    return {
        **entry_json(view, path, found, changed),
        "at": height,
        "here": not view.reader.lacking_content([found.content]),
        "erased": erasure(view, found.content),
        "erasable_alone": erasable_alone(view, found.content),
    }


def diff(view: View, first: int, second: int | None = None, after: str = "") -> dict[str, Any]:
    """What is different at `@second` from `@first`, by path: at most half of `VIEW_PAGE_MAX`, above `after`.

    Each has `change`: `added`, `changed` or `removed`, and the entries `before` and `now` (null where there
    is none).
    """
    low, high = view.at(first), view.at(second)
    changes: list[dict[str, Any]] = []
    looked = after
    more = False
    for path, before, now in _merged(_walk(view, "", low, after), _walk(view, "", high, after)):
        if before is not None and now is not None and _same(before[1], now[1]):
            continue
        if len(changes) == VIEW_PAGE_MAX // 2:  # each holds two entries
            more = True
            break
        looked = path
        changes.append(
            {
                "path": path,
                "change": "added" if before is None else "removed" if now is None else "changed",
                "before": before and entry_json(view, *before) | _erased(view, before[1], low),
                "now": now and entry_json(view, *now) | _erased(view, now[1], high),
            }
        )
    return {
        "from": low,
        "to": high,
        "snapshot": view.row(high).id.hex(),
        "changes": changes,
        "next": looked if more else None,
    }


def entry_json(view: View, path: str, found: Entry, height: int) -> dict[str, Any]:
    """An entry as people are shown it; `height` is the version that last changed it."""
    return {
        "path": path,
        "content": found.content.hex(),
        "size": found.size,
        "media_type": found.media_type,
        "executable": found.executable,
        "modified_ms": found.modified_ms,
        "author": view.party(found.author),
        "created_ms": found.created_ms,
        "proposal": found.proposal.hex(),
        "height": height,
    }


def _erased(view: View, found: Entry, height: int) -> dict[str, Any]:
    """`erased`, of an entry at `height`: what the newest version holds is not."""
    newest = view.newest()
    return {"erased": None if height == newest.height else erasure(newest, found.content)}


def _same(before: Entry, now: Entry) -> bool:
    return (before.content, before.executable, before.media_type) == (
        now.content,
        now.executable,
        now.media_type,
    )


def _walk(view: View, prefix: str, height: int, after: str) -> Iterator[_Fact]:
    """Live entries at `prefix` and below it, in the order of their bytes, from above `after`."""
    folder = prefix.rstrip("/")
    if folder and (file := entry_at(view.reader, view.branch, height, folder)):
        if folder.encode() > after.encode():
            yield folder, file, path_changes(view.reader, view.branch, height, folder, 1)[0][0]
        return  # a path is a file or a folder, never both
    yield from entries_below(view.reader, view.branch, height, folder, after)


def _merged(
    left: Iterator[_Fact], right: Iterator[_Fact]
) -> Iterator[tuple[str, _Fact | None, _Fact | None]]:
    """Two sorted walks as one, each path once."""
    one, two = next(left, None), next(right, None)
    while one is not None or two is not None:
        key = min(fact[0].encode() for fact in (one, two) if fact is not None)
        before = one if one is not None and one[0].encode() == key else None
        now = two if two is not None and two[0].encode() == key else None
        yield key.decode(), before, now
        if before is not None:
            one = next(left, None)
        if now is not None:
            two = next(right, None)


def _missing(view: View, path: str, height: int) -> UserError:
    if is_folder(view.reader, view.branch, height, path):
        return UserError(
            f"{path} is a folder", remedy=f"list it with `asl ls {path}`, or write it out with `asl checkout`"
        )
    changes = path_changes(view.reader, view.branch, view.height, path)
    there = [changed for changed, is_there in changes if is_there]
    if there:
        when = f"it is there at @{there[0]}"
        return UserError(f"{path} is not there at @{height}", remedy=f"{when}: {path}@{there[0]}")
    return UserError(f"{path} is not there at @{height}", remedy="see what is with `asl ls`")
