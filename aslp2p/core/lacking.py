"""What content this node lacks, and when to look for each again.

How it works. Two things name content that is not here: what history lists (and what a person's bundle
names) is a table in the store; what *pending* puts name is read from the pending set itself, so it ends with
the proposal: with its rejection, its withdrawal or its author's expulsion, here and after a restart. A *look*
goes through both, a window at a time, each when the one before was used up.

1. What was asked of every peer in vain is left alone for a pause of its own: a second, then twice as long
   each time, half an hour at most. So thousands of things that nobody holds cost nothing, and what was wanted
   a moment ago is not kept waiting by them (G5).
2. A machine that links for the first time in a while is asked for all of it, once, and it alone: nobody
   knows what it holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Set

from msgspec import Struct

from aslp2p.artifacts.canonical import decode
from aslp2p.artifacts.content import decode_manifest, has_manifest
from aslp2p.artifacts.envelope import Signed, Verified
from aslp2p.artifacts.types import Proposal, Put
from aslp2p.core.context import Context
from aslp2p.errors import ArtifactError
from aslp2p.gossip.peer import Peer
from aslp2p.limits import (
    CONTENT_RETRY_MS,
    CONTENT_RETRY_MS_MAX,
    CONTENT_WINDOW,
    MANIFEST_BYTES_MAX,
)

IN_VAIN_MAX = 16_384
"""Of which it is remembered when to ask again; the oldest beyond are asked sooner than they need be."""
KEYS_MAX = 1024
"""Of which it is remembered when they linked."""
WINDOWS_MAX = 16
"""Looked through in one step, where nothing in them is due."""

Items = list[tuple[bytes, bool]]
"""(content id, whether it is a manifest)"""


def manifest_size(data: bytes) -> int:
    """The size that a manifest states; raises `ArtifactError` if it is none."""
    value = decode(data, bytes_max=MANIFEST_BYTES_MAX)
    if type(value) is not list or len(value) != 3 or type(value[1]) is not int:
        raise ArtifactError("A3", "not a manifest")
    decode_manifest(data, value[1])
    return value[1]


def contents_of(proposals: Iterable[Signed[Proposal]]) -> Items:
    """What these put."""
    actions = (proposal.statement.action for proposal in proposals)
    return [(action.content, has_manifest(action.size)) for action in actions if isinstance(action, Put)]


class _InVain(Struct, frozen=True):
    again_ms: int
    pause_ms: int


class Lacking:
    """The look that is under way, and what was asked for in vain. `pending` is everything that is pending;
    `fetches` says whether what a pending put names is fetched at all."""

    def __init__(
        self,
        context: Context,
        pending: Mapping[bytes, Verified[Proposal]],
        fetches: Callable[[Put], bool] = lambda put: True,
    ) -> None:
        self._context = context
        self._pending = pending
        self._fetches = fetches
        self._in_vain: OrderedDict[bytes, _InVain] = OrderedDict()
        self._linked_ms: OrderedDict[bytes, int] = OrderedDict()
        """When each key linked that was new then."""
        self._new: set[int] = set()
        """Links to be asked for everything in the next look."""
        self._asked_now: set[int] = set()
        """In the look that is under way."""
        self._skip = 0
        self._window: set[bytes] = set()
        """Where in the table the window begins that was read last, and what of it is still wanted."""
        self._proposals: list[bytes] | None = None
        """What is left to look through of the pending ones; None: the table comes first."""
        self._began_ms = 0
        self._seen: set[bytes] = set()
        """What the look under way found due again."""
        self.look_at_ms: int | None = 0
        """When to go on, or begin again; None: nothing is lacking that could be asked for."""

    # --- what happens -----------------------------------------------------------------------------

    def wanted_anew(self, id_: bytes) -> None:
        """Somebody wants it now, whatever came of it before."""
        self._in_vain.pop(id_, None)

    def look_soon(self) -> None:
        """There is more than could be queued."""
        soon = self._context.now.mono + CONTENT_RETRY_MS
        self.look_at_ms = soon if self.look_at_ms is None else min(soon, self.look_at_ms)

    def came(self, id_: bytes) -> None:
        """It is here."""
        self._in_vain.pop(id_, None)
        self._window.discard(id_)

    def was_in_vain(self, id_: bytes) -> None:
        """Every peer that was to be asked for it has it not."""
        now = self._context.now.mono
        before = self._in_vain.pop(id_, None)
        if before is not None and before.again_ms > now:
            self._in_vain[id_] = before  # only whoever was new was asked
            return
        pause = CONTENT_RETRY_MS if before is None else min(CONTENT_RETRY_MS_MAX, 2 * before.pause_ms)
        grid = max(1, pause // 2)  # what is asked together is asked together again
        again = -(-(now + pause) // grid) * grid
        self._in_vain[id_] = _InVain(again, pause)
        if len(self._in_vain) > IN_VAIN_MAX:
            self._in_vain.popitem(last=False)
        self.look_at_ms = again if self.look_at_ms is None else min(again, self.look_at_ms)

    def linked(self, peer: Peer) -> None:
        """A peer can be asked now; whether that is new is a question of its key, not of its link."""
        now = self._context.now.mono
        last = self._linked_ms.get(peer.key)
        if last is not None and now - last < CONTENT_RETRY_MS_MAX:
            return
        self._linked_ms.pop(peer.key, None)
        self._linked_ms[peer.key] = now
        if len(self._linked_ms) > KEYS_MAX:
            self._linked_ms.popitem(last=False)
        self._new.add(peer.link)
        self.look_at_ms = now

    def lost(self, key: bytes) -> None:
        """The link to `key` ended before it had answered: it is new when it comes again."""
        self._linked_ms.pop(key, None)

    # --- looking ----------------------------------------------------------------------------------

    def look(self, busy: Set[bytes], askable: Set[int]) -> list[tuple[bytes, bool, set[int]]]:
        """What to ask for next: content id, whether it is a manifest, and the links that are not to be asked.

        `busy` is what is asked for or queued already. At most `CONTENT_WINDOW` at a time, or a little more.
        """
        now = self._context.now.mono
        if self._skip == 0 and not self._window and self._proposals is None:
            self._asked_now, self._new = self._new & askable, set()
            self._began_ms = now
            self._seen.clear()
        found: list[tuple[bytes, bool, set[int]]] = []
        self.look_at_ms = now
        for _ in range(WINDOWS_MAX):
            items = self._next_window(busy)
            if items is None:
                self._end()
                break
            for id_, manifest in items:
                without = None if id_ in busy else self._without(id_, askable)
                if without is not None:
                    found.append((id_, manifest, without))
            if len(found) >= CONTENT_WINDOW:
                break
        return found

    def _without(self, id_: bytes, askable: Set[int]) -> set[int] | None:
        """Whom not to ask for it now; None: nobody is to be asked."""
        before = self._in_vain.get(id_)
        if before is None or before.again_ms <= self._began_ms:
            self._seen.add(id_)
            return set()
        return set(askable - self._asked_now) if self._asked_now else None

    def _next_window(self, busy: Set[bytes]) -> Items | None:
        """The next things that are lacking; None at the end."""
        if self._proposals is None:
            self._skip += len(self._window)
            wanted = self._context.store.wanted(CONTENT_WINDOW, self._skip)
            self._window = {id_ for id_, _ in wanted}
            if len(wanted) < CONTENT_WINDOW:
                self._proposals = list(self._pending)[::-1]
            return wanted
        if not self._proposals:
            return None
        some, self._proposals[-CONTENT_WINDOW:] = self._proposals[-CONTENT_WINDOW:], []
        items = dict(self.pending_of(self._pending[id_] for id_ in some if id_ in self._pending))
        lacking = self._context.store.lacking_content(items)
        found = [(id_, items.pop(id_)) for id_ in lacking]
        for id_ in [id_ for id_, manifest in items.items() if manifest]:
            found += [one for one in self.chunks(id_) if one[0] not in busy and self._is_due(one[0])]
            if len(found) > CONTENT_WINDOW:  # the rest of it, and of these, when that is here
                self._proposals += some
                return found[:CONTENT_WINDOW]
        return found

    def pending_of(self, proposals: Iterable[Signed[Proposal]]) -> Items:
        """What these put, as far as it is fetched."""
        return contents_of(
            one
            for one in proposals
            if isinstance(action := one.statement.action, Put) and self._fetches(action)
        )

    def _is_due(self, id_: bytes) -> bool:
        before = self._in_vain.get(id_)
        return before is None or before.again_ms <= self._began_ms or bool(self._asked_now)

    def chunks(self, manifest: bytes) -> Items:
        """The chunks of a manifest that are not here; none of what is no manifest."""
        data = self._context.store.content(manifest)
        try:
            ids = decode_manifest(data or b"", manifest_size(data or b""))
        except ArtifactError:
            return []
        return [(id_, False) for id_ in self._context.store.lacking_content(ids)]

    def _end(self) -> None:
        self._skip, self._window, self._proposals = 0, set(), None
        for id_ in [id_ for id_, one in self._in_vain.items() if one.again_ms <= self._began_ms]:
            if id_ not in self._seen:
                del self._in_vain[id_]  # nobody wants it any more
        coming = [one.again_ms for one in self._in_vain.values() if one.again_ms > self._began_ms]
        self.look_at_ms = self._context.now.mono if self._new else min(coming, default=None)
