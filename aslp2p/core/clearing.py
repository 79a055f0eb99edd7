"""One pass through everything that the history names: what is to be here is fetched, what is not may go.

Between two steps of a pass everything may change: the head, the links, what the owner wants. So what goes is
decided once more in the very step in which it goes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence

from msgspec import Struct

from aslp2p.core.contents import Contents
from aslp2p.core.context import Context
from aslp2p.core.holders import HolderQuestion, Holders, Said
from aslp2p.core.holding import Pledges, State
from aslp2p.core.kept import Kept
from aslp2p.core.pieces import chunk_ids, held_pages, is_large, needed_by
from aslp2p.ledger.facts import Held
from aslp2p.ledger.reader import DropContent, UnwantContents
from aslp2p.limits import CHUNK_BYTES, HOLDING_IDS_MAX

DROP_AT_ONCE = 1024
"""Contents that go in one transaction."""
CONFIRMED_MAX = 4096
"""Contents of which it is remembered who keeps them, while those are too few."""
PIECES_PER_PAUSE = 256
PAUSE_MS = 10
"""After a question about so many pieces comes such a pause: it is to cost the peers little."""


class Tally(Struct):
    """What a pass found: how many contents, and bytes."""

    dry: bool = False
    done: bool = False
    looked: int = 0
    gone: int = 0
    gone_bytes: int = 0
    few: int = 0
    """That would go if enough others kept them."""
    few_bytes: int = 0
    pledged: int = 0
    """That others were told lately are kept here."""
    pledged_ms: int = 0
    """How long that binds."""
    asked: int = 0
    """Members, at most at once."""
    copies: int = 0
    """How many others have to keep what goes."""


class Clearing:
    """What the passes of a node share. `account` says on whose account a member works."""

    def __init__(
        self,
        context: Context,
        contents: Contents,
        kept: Kept,
        holders: Holders,
        pledges: Pledges,
        account: Callable[[bytes], bytes],
    ) -> None:
        self._context = context
        self._contents = contents
        self._kept = kept
        self._holders = holders
        self._pledges = pledges
        self._account = account
        self._confirmed: OrderedDict[bytes, dict[bytes, Said]] = OrderedDict()
        """Who keeps what."""
        self.question: HolderQuestion | None = None
        """The pass waits until it is answered."""
        self.pause_ms = 0
        """And then so much longer."""

    def run(self, tally: Tally) -> Iterator[None]:
        """A pass, a step at a time."""
        self._pledges.forget_what_is_over()
        yield from self._kept.look_at_paths()
        head = self._context.ledger.head
        asking: list[tuple[bytes, int]] = []
        sure: list[bytes] = []
        for page in held_pages(self._context, head.branch, head.height):
            tally.looked += len(page)
            asking += self._sort(page, tally)
            while len(asking) >= HOLDING_IDS_MAX:
                sure += yield from self._ask(asking[:HOLDING_IDS_MAX], tally)
                del asking[:HOLDING_IDS_MAX]
            if len(sure) >= DROP_AT_ONCE:
                yield from self._let_go(sure, tally)
                sure = []
            yield
        if asking:
            sure += yield from self._ask(asking, tally)
        if sure:
            yield from self._let_go(sure, tally)
        self._kept.forget_paths()

    def _sort(self, page: Sequence[tuple[bytes, Held, int]], tally: Tally) -> list[tuple[bytes, int]]:
        """Want of a page what is to be here; gives what is here and not to be, with its size."""
        store, kept = self._context.store, self._kept
        lacking = set(store.lacking_content([id_ for id_, _, _ in page]))
        here: list[tuple[bytes, int]] = []
        for content, held, changed in page:
            if kept.keeps(content, held, changed) or kept.was_fetched(content):
                if not tally.dry:
                    self._contents.want([(content, is_large(held))])
            elif content not in lacking:
                here.append((content, held.size))
            elif store.is_wanted(content) and not tally.dry:
                store.apply([UnwantContents([content])])
                self._contents.release([content])
        return here

    def _ask(self, asking: Sequence[tuple[bytes, int]], tally: Tally) -> Generator[None, None, list[bytes]]:
        """Ask the others about these; returns those that enough of them keep."""
        question = self.question = self._holders.ask([content for content, _ in asking])
        tally.asked = max(tally.asked, len(question.waits_for))
        pieces = sum(1 + size // CHUNK_BYTES for _, size in asking)
        self.pause_ms = PAUSE_MS * (1 + pieces // PIECES_PER_PAUSE) if question.is_open else 0
        yield
        sure = []
        for content, size in asking:
            self._hear(content, question.said[content])
            if self._is_safe(content):
                sure.append(content)
            else:
                tally.few += 1
                tally.few_bytes += size
        return sure

    def _hear(self, content: bytes, said: dict[bytes, Said]) -> None:
        known = self._confirmed.pop(content, {})
        known = {key: one for key, one in known.items() if key not in said and self._holders.counts(one)}
        known.update((key, one) for key, one in said.items() if one.state == State.KEEPS)
        if known:
            self._confirmed[content] = known
            if len(self._confirmed) > CONFIRMED_MAX:
                self._confirmed.popitem(last=False)

    def _is_safe(self, content: bytes) -> bool:
        """Whether enough others keep it that are members now."""
        said = self._confirmed.get(content, {})
        keep = {
            self._account(key)
            for key, one in said.items()
            if self._context.is_member(key) and self._holders.counts(one)
        }
        return len(keep) >= self._kept.rule.keep.copies

    # --- letting go ---------------------------------------------------------------------------------

    def _let_go(self, contents: Sequence[bytes], tally: Tally) -> Iterator[None]:
        """Drop those of `contents` that may go, with every piece that nothing else needs."""
        context, head = self._context, self._context.ledger.head
        going = {content: dict.fromkeys((content, *chunk_ids(context, content))) for content in contents}
        pieces = {id_ for some in going.values() for id_ in some}
        needed: set[bytes] = set()
        self._kept.forget_listed()
        for page in held_pages(context, head.branch, head.height):
            others = [(id_, is_large(held)) for id_, held, _ in page if id_ not in going]
            needed.update(needed_by(context, others, pieces))
            yield
        if context.ledger.head.branch != head.branch:
            return  # another line names other things: the next pass looks again
        needed.update(needed_by(context, self._kept.new_items(), pieces))
        for content, some in going.items():
            if not self._goes(content, tally):
                needed.update(some)
        ids = sorted(pieces - needed)
        gone = [content for content in going if content not in needed]
        tally.gone += len(gone)
        tally.gone_bytes += sum(context.store.content_size(id_) or 0 for id_ in ids)
        if ids and not tally.dry:
            context.must_last()
            context.store.apply([*map(DropContent, ids), UnwantContents(ids)])
            self._contents.release(ids)
            for content in gone:
                self._confirmed.pop(content, None)

    def _goes(self, content: bytes, tally: Tally) -> bool:
        """Whether this step may let it go."""
        if not self._kept.may_go(content) or not self._is_safe(content):
            return False
        until = self._pledges.until_ms(content)
        if until is not None:
            tally.pledged += 1
            tally.pledged_ms = max(tally.pledged_ms, until - self._context.now.mono)
        return until is None
