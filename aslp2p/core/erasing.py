"""Erasing (section 3): what the head's line erases is gone from this machine once that is final.

How it works. An `erase` that the head's line lists is written down as open. When the final height has reached
it, the content's bytes go, with those of its chunks that nothing else needs; what nobody erased keeps its
own. Until that is on disk it stays written down, so a kill, or a disk that refuses, only puts it off. An
erasure on a line that was left, or of a content that was put again since, is dropped.

What is gone is remembered by its ids: nothing that comes along unasked (a bundle from before, a peer that has
not heard of it) brings it back. Somebody who puts it again does: then it is wanted like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aslp2p.artifacts.envelope import Signed, Verified
from aslp2p.artifacts.types import Erase, Proposal
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.lacking import contents_of
from aslp2p.core.part import Part
from aslp2p.core.pieces import chunk_ids, held_pages, is_large, needed_by
from aslp2p.ledger.facts import held_at
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.joining import META_ERASED, META_ERASING
from aslp2p.ledger.reader import EraseContents, PutMeta, UnwantContents
from aslp2p.limits import ID_BYTES


class Erasing(Part):
    """Carries out what is erased. `pending` is everything that is pending."""

    def __init__(
        self, context: Context, pending: Mapping[bytes, Verified[Proposal]], contents: Contents
    ) -> None:
        self._context = context
        self._pending = pending
        self._contents = contents
        self._open = _ids(context.store.meta(META_ERASING))
        contents.erased.update(_ids(context.store.meta(META_ERASED)))
        self._looked_at: tuple[bytes, int] | None = None
        """Head and final height of the last look."""

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """The head's line lists these now."""
        erased = [one.statement.action.content for one in listed if isinstance(one.statement.action, Erase)]
        if erased:
            self._keep_open(list(dict.fromkeys((*self._open, *erased))))
            self._looked_at = None

    def look(self) -> None:
        """Carry out what is final by now."""
        if not self._open:
            return
        ledger = self._context.ledger
        now = (ledger.head.id, ledger.final_height())
        if now == self._looked_at:
            return
        self._looked_at = now
        waiting = []
        for content in self._open:
            if self._is_erased(content, ledger.final_height()):
                self._carry_out(content)
            elif self._is_erased(content, ledger.head.height):
                waiting.append(content)
        if waiting != self._open:
            self._keep_open(waiting)

    def _is_erased(self, content: bytes, height: int) -> bool:
        head = self._context.ledger.head
        held = held_at(self._context.store, head.branch, height, content)
        return held is not None and bool(held.erased)

    def _keep_open(self, contents: list[bytes]) -> None:
        self._open = contents
        self._context.must_last()
        self._context.store.apply([PutMeta(META_ERASING, b"".join(contents) or None)])

    def _carry_out(self, content: bytes) -> None:
        pieces = {content, *self._chunks(content)}
        pieces -= self._needed(pieces)
        if not pieces:
            return
        context = self._context
        ids = sorted(pieces)
        self._contents.release(ids)
        self._contents.erased.update(ids)
        context.must_last()
        known = b"".join(sorted(self._contents.erased))
        context.store.apply([EraseContents(ids), UnwantContents(ids), PutMeta(META_ERASED, known)])
        context.publish("notice", code="erased", text=f"the bytes of content {content.hex()[:12]} are erased")

    def _chunks(self, content: bytes) -> Sequence[bytes]:
        head = self._context.ledger.head
        held = held_at(self._context.store, head.branch, head.height, content)
        return chunk_ids(self._context, content) if held is not None and is_large(held) else ()

    def _needed(self, pieces: set[bytes]) -> set[bytes]:
        """Those of `pieces` that are of something that is not erased, in the history or pending."""
        context, head = self._context, self._context.ledger.head
        needed = set(needed_by(context, contents_of(self._pending.values()), pieces))
        for page in held_pages(context, head.branch, head.height):
            needed.update(needed_by(context, [(id_, is_large(held)) for id_, held, _ in page], pieces))
        return needed


def _ids(data: bytes | None) -> list[bytes]:
    return [(data or b"")[at : at + ID_BYTES] for at in range(0, len(data or b""), ID_BYTES)]
