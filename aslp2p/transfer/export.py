"""Writing a bundle: which ids, sorted, then the bytes behind them one after the other.

`Asks` is any source of the questions in `views.bundle`: a running daemon or the store of a stopped home.
Memory: 32 bytes for each thing that goes into the bundle.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from aslp2p.artifacts.bundle import BundleWriter
from aslp2p.artifacts.content import decode_manifest, has_manifest
from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.artifacts.invite import GivenFloor
from aslp2p.errors import ArtifactError, UserError
from aslp2p.limits import BUNDLE_ARTIFACTS_MAX, BUNDLE_CONTENTS_MAX, VIEW_PAGE_MAX
from aslp2p.transfer.files import written_whole


class Asks(Protocol):
    def __call__(self, question: str, **params: Any) -> dict[str, Any]: ...


@dataclass
class Selection:
    """What goes into a bundle: ids of artifacts, (id to size) of contents, and artifacts that are in hand."""

    artifacts: set[bytes] = field(default_factory=set)
    contents: dict[bytes, int] = field(default_factory=dict)
    in_hand: dict[bytes, bytes] = field(default_factory=dict)

    def add_raw(self, raw: bytes) -> None:
        """An artifact by its bytes."""
        self.in_hand[decode_artifact(raw).id] = raw


@dataclass(frozen=True)
class Written:
    """What a finished bundle holds; `lacking` contents were not here to be put in, and `erased` are nowhere
    any more."""

    artifacts: int
    contents: int
    lacking: int
    erased: int = 0


def select_everything(ask: Asks, *, contents: bool = True) -> Selection:
    """The whole Common: every line of snapshots, what they list, `contents`, and what is open."""
    selection = Selection()
    for line in ask("bundle.lines")["lines"]:
        _add_history(ask, selection, line["first"], branch=line["branch"], contents=contents)
    _add_open(ask, selection, contents=contents)
    return selection


def select_since(ask: Asks, height: int, until: int | None = None, *, contents: bool = True) -> Selection:
    """What came after `@height` (and not after `@until`), with `contents` and what is open; genesis too."""
    selection = Selection({_common(ask)[0]})
    _add_history(ask, selection, height + 1, until=until, contents=contents)
    _add_open(ask, selection, contents=contents)
    return selection


def select_proposal(ask: Asks, digits: str, first: int = 0, *, contents: bool = False) -> Selection:
    """One proposal with what it takes to judge it: the history (from `@first` on), the endorsements that it
    has, and the cosignatures that are here."""
    selection = Selection({_common(ask)[0]})
    proposal = ask("bundle.find", id=digits)["proposal"]
    selection.artifacts.add(bytes.fromhex(proposal))
    _add_history(ask, selection, first, contents=contents)
    found = ask("bundle.open")
    for raw in found["cosignatures"]:
        selection.add_raw(base64.b64decode(raw))
    _add_endorsements(selection, found, proposal)
    return selection


def select_endorsements(ask: Asks, digits: str) -> Selection:
    """One proposal and the endorsements of it that are here: what a stick carries back."""
    selection = Selection()
    proposal = ask("bundle.find", id=digits)["proposal"]
    selection.artifacts.add(bytes.fromhex(proposal))
    _add_endorsements(selection, ask("bundle.open"), proposal)
    return selection


def add_cosignatures(ask: Asks, selection: Selection) -> None:
    """Add the newest cosignature of every authority that is here."""
    for raw in ask("bundle.open")["cosignatures"]:
        selection.add_raw(base64.b64decode(raw))


def add_since(ask: Asks, selection: Selection, height: int) -> None:
    """Add what came after `@height`, without contents."""
    _add_history(ask, selection, height + 1, contents=False)


def write_bundle(
    ask: Asks,
    selection: Selection,
    path: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Written:
    """Write the bundle at `path`, there whole or not at all; `progress` hears of records done and in all.

    Raises `UserError` when it would be larger than a bundle may be, or cannot be written.
    """
    common_id, floor = _common(ask)
    ids = sorted(selection.artifacts | selection.in_hand.keys())
    contents, lacking, erased = _content_ids(ask, selection), 0, 0
    total = len(ids) + len(contents)
    if len(ids) > BUNDLE_ARTIFACTS_MAX or len(contents) > BUNDLE_CONTENTS_MAX:
        raise _too_large()
    done = written = 0
    with written_whole(path) as file:
        writer = BundleWriter(file, common_id, floor)
        try:
            for raw in _artifacts(ask, ids, selection.in_hand):
                writer.add_artifact(decode_artifact(raw))
                done += 1
                progress(done, total)
        except ArtifactError:
            raise _too_large() from None
        artifacts = done
        for id_ in contents:
            data, is_erased = _content(ask, id_)
            done += 1
            progress(done, total)
            if data is None:
                erased += is_erased
                lacking += not is_erased
                continue
            writer.add_content(data)
            written += 1
        writer.finish()
    return Written(artifacts, written, lacking, erased)


def _too_large() -> UserError:
    return UserError(
        "this is more than one bundle may hold",
        remedy="make several: asl bundle create --since @N --until @M -o FILE",
    )


def _common(ask: Asks) -> tuple[bytes, GivenFloor | None]:
    """The Common's id, and this node's floor, which whoever follows it with the bundle is given."""
    lines = ask("bundle.lines")
    height, id_ = lines["floor"]["height"], bytes.fromhex(lines["floor"]["id"])
    return bytes.fromhex(lines["common"]), GivenFloor(height, id_) if height else None


def _add_history(
    ask: Asks,
    selection: Selection,
    first: int,
    *,
    branch: int | None = None,
    until: int | None = None,
    contents: bool,
) -> None:
    at: int | None = first
    while at is not None:
        page = ask("bundle.history", first=at, last=until, branch=branch)
        selection.artifacts.update(bytes.fromhex(id_) for id_ in (*page["snapshots"], *page["proposals"]))
        if contents:
            selection.contents.update((bytes.fromhex(id_), size) for id_, size in page["contents"])
        at = page["next"]


def _add_open(ask: Asks, selection: Selection, *, contents: bool) -> None:
    found = ask("bundle.open")
    ids = [*found["proposals"], *found["other"], *(id_ for id_, _ in found["endorsements"])]
    selection.artifacts.update(map(bytes.fromhex, ids))
    if contents:
        selection.contents.update((bytes.fromhex(id_), size) for id_, size in found["contents"])
    for raw in found["cosignatures"]:
        selection.add_raw(base64.b64decode(raw))


def _add_endorsements(selection: Selection, found: dict[str, Any], proposal: str) -> None:
    selection.artifacts.update(
        bytes.fromhex(id_) for id_, endorsed in found["endorsements"] if endorsed == proposal
    )


def _artifacts(ask: Asks, ids: list[bytes], in_hand: dict[bytes, bytes]) -> Iterator[bytes]:
    """The bytes of `ids` in their order; what has gone meanwhile is left out."""
    at = 0
    while at < len(ids):
        wanted = ids[at : at + VIEW_PAGE_MAX]
        answer = ask("bundle.read", ids=[id_.hex() for id_ in wanted])["artifacts"]
        for id_, text in zip(wanted, answer, strict=False):
            if text is not None:
                yield base64.b64decode(text)
            elif id_ in in_hand:
                yield in_hand[id_]
        at += len(answer)


def _content_ids(ask: Asks, selection: Selection) -> list[bytes]:
    """The pieces that hold the contents, sorted."""
    ids = set(selection.contents)
    for id_, size in selection.contents.items():
        if has_manifest(size) and (manifest := _content(ask, id_)[0]) is not None:
            with suppress(ArtifactError):  # no manifest of that size: its put was refused, or will be (G6)
                ids.update(decode_manifest(manifest, size))
    return sorted(ids)


def _content(ask: Asks, id_: bytes) -> tuple[bytes | None, bool]:
    """Its bytes, if they are here, and if not whether they were erased."""
    answer = ask("bundle.content", id=id_.hex())
    text = answer["data"]
    return None if text is None else base64.b64decode(text), answer["erased"]
