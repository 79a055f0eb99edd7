"""Keeping a part of the contents: what may go from here once enough others keep it, and what has to come.

How it works. A *pass* (`clearing`) goes through everything that the history names. What the owner's rule
(`ledger.keeping`) wants here and is not, is fetched. What it does not want is asked about (`holders`): it
goes when at least `copies` other members have said within `CONFIRMED_MS` that they hold it, whole, and keep
it. Nothing else makes bytes go, so the last known copies never do.

1. Members that work on one account (`accounts`) count once: nobody is several by letting in keys of its own.
2. What this node has itself told others that it keeps stays for `PLEDGE_MS` (`holding`).
3. What no path holds since a version that is not final yet is kept: that version may be left again.
4. What is pending, what a person fetched within `FETCHED_MS`, and every piece that something else needs stay.
5. A content goes in one transaction, all its pieces, decided on the state of that very step. A kill before it
   leaves everything, one after it nothing.

A machine that keeps everything makes no passes, but for one after it kept less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from aslp2p.artifacts.content import has_manifest
from aslp2p.artifacts.envelope import Signed, Verified
from aslp2p.artifacts.types import Proposal
from aslp2p.core.clearing import Clearing, Tally
from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.holders import Holders
from aslp2p.core.holding import Answering, Pledges, State
from aslp2p.core.kept import Kept
from aslp2p.core.part import Part
from aslp2p.gossip.messages import AskHolding, Holding
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.history import HeadChange
from aslp2p.ledger.keeping import META_KEEP, META_NARROWED, META_PINS, Keep, Pin, encode_keep, encode_pins
from aslp2p.ledger.reader import PutMeta

PASS_MS = 3_600_000
"""How often everything is looked through."""
FIRST_PASS_MS = 60_000
"""How long after a start."""


class Keeping(Part):
    """Answers, asks and lets go. `account` says on whose account a member works; `keep` is the machine's
    configuration; `apart`: this is no daemon, and nothing goes."""

    def __init__(
        self,
        context: Context,
        pending: Mapping[bytes, Verified[Proposal]],
        contents: Contents,
        account: Callable[[bytes], bytes],
        keep: Keep,
        *,
        apart: bool,
    ) -> None:
        self._context = context
        self._contents = contents
        self._apart = apart
        self._kept = Kept(context, pending, keep)
        contents.rule = self._kept.rule
        self._pledges = Pledges(context)
        self._answering = Answering(context, self._kept.keeps)
        self.holders = Holders(context)
        self._clearing = Clearing(context, contents, self._kept, self.holders, self._pledges, account)
        self._pass: Iterator[None] | None = None
        self._go_on_ms = 0
        self._due_ms: int | None = None
        self._now = Tally()
        self._last = Tally()
        """Of the last whole pass that was no dry one."""

    # --- what people want ---------------------------------------------------------------------------

    def decide(self, keep: Keep | None) -> None:
        """Keep so much of this Common from now on; None: what the machine's configuration says."""
        self._write(PutMeta(META_KEEP, None if keep is None else encode_keep(keep)))

    def pin(self, pins: Sequence[Pin]) -> None:
        """These, and no others."""
        self._write(PutMeta(META_PINS, encode_pins(pins)))

    def _write(self, meta: PutMeta) -> None:
        self._context.must_last()
        self._context.store.apply([meta])
        self._kept.read()
        self._contents.rule = self._kept.rule
        self.prune()

    def prune(self, *, dry: bool = False) -> None:
        """Begin a pass now; `dry`: only find out what would go."""
        self._due_ms = None
        self._clearing.question = None
        self._now = Tally(dry=dry, copies=self._kept.rule.keep.copies)
        if self._is_idle() or not self._context.founded:
            self._now.done = True
            self._pass = None
            self._begin_later()
            return
        if not self._kept.rule.is_everything:
            self._context.store.apply([PutMeta(META_NARROWED, b"1")])
        self._pass = self._clearing.run(self._now)
        self._go_on_ms = self._context.now.mono

    def fetch(self, contents: Sequence[tuple[bytes, int]]) -> None:
        """A person wants these here now."""
        for content, _ in contents:
            self._kept.note_fetched(content)
        self._contents.want([(content, has_manifest(size)) for content, size in contents])

    def _is_idle(self) -> bool:
        """Whether everything is to be here, and nothing was ever let go."""
        if self._apart:
            return True
        return self._kept.rule.is_everything and self._context.store.meta(META_NARROWED) is None

    def live(self) -> dict[str, Any]:
        """How far the pass is, and how the last one ended."""
        return {"running": self._pass is not None, "pass": asdict(self._now), "last": asdict(self._last)}

    def answers(self, content: bytes) -> tuple[dict[bytes, int], list[bytes]]:
        """What each member that was asked said of a content, and what is so here; who has not answered."""
        said, silent = self.holders.answers(content)
        states, _ = self._answering.states([content])
        return {**said, self._context.key: states[0]}, silent

    # --- answering ----------------------------------------------------------------------------------

    def answer(self, peer: Peer, question: AskHolding) -> int:
        """Say what is here, and pledge what is said to be kept; returns how many pieces were looked up."""
        states, looks = self._answering.states(question.ids)
        kept = [id_ for id_, state in zip(question.ids, states, strict=True) if state == State.KEEPS]
        self._pledges.give(kept, everything=self._kept.rule.is_everything)
        self._context.send(peer.link, Holding(question.request, states))
        return looks

    # --- time ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The node starts."""
        self._pledges.begin()
        self._begin_later()

    def _begin_later(self) -> None:
        self._due_ms = None if self._is_idle() else self._context.now.mono + FIRST_PASS_MS

    @property
    def wake_at_ms(self) -> int | None:
        """When the pass goes on, or the next one begins."""
        asked, due = self.holders.wake_at_ms, self._due_ms
        if self._pass is not None:
            due = None if self._waits() else self._go_on_ms
        return min((at for at in (asked, due) if at is not None), default=None)

    def _waits(self) -> bool:
        question = self._clearing.question
        return question is not None and question.is_open

    def tick(self) -> None:
        """Go on with the pass, or begin one."""
        now = self._context.now.mono
        self.holders.tick()
        if self._pass is None and self._due_ms is not None and now >= self._due_ms:
            self.prune()
        if self._pass is None or self._waits() or now < self._go_on_ms:
            return
        self._clearing.question = None
        self._context.out.busy = True
        try:
            next(self._pass)
        except StopIteration:
            self._end()
        self._go_on_ms = now + self._clearing.pause_ms
        self._clearing.pause_ms = 0

    def _end(self) -> None:
        context = self._context
        self._pass = None
        self._now.done = True
        if not self._now.dry:
            self._last = self._now
        self._due_ms = context.now.mono + PASS_MS
        if self._kept.rule.is_everything and not self._now.dry:
            self._due_ms = None
            context.store.apply([PutMeta(META_NARROWED, None)])

    def head_moved(self, change: HeadChange, listed: Sequence[Signed[Proposal]]) -> None:
        """What is put counts at once; after a fork everything is looked through again."""
        if self._pass is not None:
            self._kept.note_listed(listed)
        if change.fork_height < change.old.height and not self._is_idle():
            self.prune(dry=self._pass is not None and self._now.dry)

    def link_lost(self, link: int) -> None:
        """As `Part.link_lost`."""
        self.holders.link_lost(link)
