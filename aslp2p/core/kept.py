"""What stays on this machine: by its owner's rule, and for what only the running node knows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from aslp2p.artifacts.content import has_manifest
from aslp2p.artifacts.envelope import Signed, Verified
from aslp2p.artifacts.types import Proposal, Put
from aslp2p.core.context import Context
from aslp2p.core.lacking import Items, contents_of
from aslp2p.core.pieces import PAGE
from aslp2p.ledger.facts import Entry, Held, held_key, path_key, read_held, unpack
from aslp2p.ledger.history import read_snapshot
from aslp2p.ledger.keeping import META_KEEP, META_PINS, Keep, Rule, decode_keep, decode_pins
from aslp2p.ledger.reader import row_at

FETCHED_MS = 24 * 3_600_000
FETCHED_MAX = 4096


class Kept:
    """Asked of one content at a time. `keep` is the machine's configuration; what people typed for this
    Common comes before it."""

    def __init__(self, context: Context, pending: Mapping[bytes, Verified[Proposal]], keep: Keep) -> None:
        self._context = context
        self._pending = pending
        self._configured = keep
        self._fetched_ms: OrderedDict[bytes, int] = OrderedDict()
        self._shown: set[bytes] | None = None
        """What the paths that count here hold, while a pass has looked at them all."""
        self._pinned: set[bytes] = set()
        """What pinned versions hold, as of the last pass."""
        self._listed: dict[bytes, bool] = {}
        """Put since the pass began to look for what is needed: content to whether it has a manifest."""
        self.rule = Rule()
        self.read()

    def read(self) -> None:
        """The rule that is stored now."""
        store = self._context.store
        typed = store.meta(META_KEEP)
        keep = self._configured if typed is None else decode_keep(typed)
        self.rule = Rule(keep, decode_pins(store.meta(META_PINS)))
        self._shown = None

    def note_fetched(self, content: bytes) -> None:
        """A person wanted it here now."""
        self._fetched_ms.pop(content, None)
        self._fetched_ms[content] = self._context.now.mono
        if len(self._fetched_ms) > FETCHED_MAX:
            self._fetched_ms.popitem(last=False)

    def note_listed(self, listed: Sequence[Signed[Proposal]]) -> None:
        """The head's line lists these now."""
        for action in (one.statement.action for one in listed):
            if isinstance(action, Put):
                self._listed[action.content] = has_manifest(action.size)
                if self._shown is not None and self.rule.holds(action.path):
                    self._shown.add(action.content)

    def forget_listed(self) -> None:
        """From here on it counts what is put."""
        self._listed.clear()

    def new_items(self) -> Items:
        """What is pending, and what was put since `forget_listed`."""
        return [*contents_of(self._pending.values()), *self._listed.items()]

    # --- what stays -----------------------------------------------------------------------------------

    def keeps(self, content: bytes, held: Held, changed: int) -> bool:
        """Whether the rule wants here what the history says `held` of since height `changed`."""
        rule, context = self.rule, self._context
        if rule.is_everything or content in self._pinned:
            return True
        if held.paths:
            shown = rule.holds(held.path) if self._shown is None else content in self._shown
            return rule.is_everywhere or shown
        if changed > context.ledger.final_height():
            return True
        snapshot = read_snapshot(row_at(context.store, context.ledger.head.branch, changed))
        return rule.keeps_version(held.path, snapshot.statement.created_ms, context.now.wall)

    def was_fetched(self, content: bytes) -> bool:
        """Whether a person wanted it here lately."""
        at = self._fetched_ms.get(content)
        return at is not None and self._context.now.mono - at < FETCHED_MS

    def may_go(self, content: bytes) -> bool:
        """Whether the history, as it is at this moment, names it, and nothing here wants it."""
        head = self._context.ledger.head
        changes = self._context.store.fact_changes(head.branch, held_key(content), head.height, limit=1)
        held = read_held(changes[0][1]) if changes else None
        if held is None or held.erased or self.was_fetched(content):
            return False
        return not self.keeps(content, held, changes[0][0])

    # --- paths ----------------------------------------------------------------------------------------

    def look_at_paths(self) -> Iterator[None]:
        """Find out what the paths that count here hold, and what pinned versions do: a page a step."""
        self._shown, self._pinned = None, set()
        head = self._context.ledger.head
        if not self.rule.is_everywhere:
            self._shown = set()
            for page in self._entries("", head.branch, head.height):
                self._shown.update(entry.content for path, entry in page if self.rule.holds(path))
                yield
        for pin in self.rule.pins:
            if 0 < pin.height <= head.height:
                for page in self._entries(pin.path, head.branch, pin.height):
                    self._pinned.update(entry.content for _, entry in page)
                    yield

    def forget_paths(self) -> None:
        """The pass is over."""
        self._shown = None

    def _entries(self, top: str, branch: int, height: int) -> Iterator[list[tuple[str, Entry]]]:
        """What is at `top` and below it."""
        store, prefix = self._context.store, path_key(top)
        after = b""
        while rows := store.facts(branch, prefix, height, after=after, limit=PAGE):
            found = [(key[1:].decode(), unpack(Entry, value)) for key, value, _ in rows]
            yield [one for one in found if not top or one[0] == top or one[0].startswith(f"{top}/")]
            after = rows[-1][0]
