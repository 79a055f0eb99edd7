"""Contents that people want gone: who put them, which paths hold them, and `erase` (section 3).

The history and its ids stay; only bytes go. A content can be erased by its author alone while nobody else
ever put it, and otherwise by a quorum of every policy in force. `Held` answers both questions of one content
without a look through the history.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Erase, Proposal, Put
from aslp2p.errors import InvariantBroken
from aslp2p.ledger.facts import SEVERAL, Held, held_key, pack, read_held
from aslp2p.ledger.state import Draft, NotApplicable
from aslp2p.limits import ERASABLE_BYTES_MIN

HeldAt = Callable[[bytes], Held | None]
"""What is known of a content; None: nobody ever put it."""


def note_put(draft: Draft, action: Put, author: bytes, more_paths: int) -> None:
    """`author` put a content, which `more_paths` hold than before. One that was erased is there again."""
    held = read_held(draft.get(held_key(action.content)))
    if held is None:
        new = Held(action.size, author, more_paths, b"", action.path)
    else:
        by = author if held.by == author else SEVERAL
        new = Held(max(held.size, action.size), by, held.paths + more_paths, b"", action.path)
    if new != held:
        draft.set(held_key(action.content), pack(new))


def note_gone(draft: Draft, content: bytes) -> None:
    """A path that held `content` holds it no more."""
    held = read_held(draft.get(held_key(content)))
    if held is None or not held.paths:
        raise InvariantBroken(f"the content {content.hex()[:12]} is held by fewer paths than none")
    draft.set(held_key(content), pack(replace(held, paths=held.paths - 1)))


def require_erasable(held: Held | None, content: bytes) -> Held:
    """What is known of `content`, if it may be erased at all. Raises `NotApplicable` (V7)."""
    what = content.hex()[:12]
    if held is None:
        raise NotApplicable("nothing-there", f"nobody ever put the content {what}")
    if held.size < ERASABLE_BYTES_MIN:
        raise NotApplicable(
            "too-small", f"a content below {ERASABLE_BYTES_MIN} bytes is anybody's and cannot be erased"
        )
    if held.paths:
        raise NotApplicable(
            "still-there", f"{held.paths} paths hold the content {what}; remove it there first"
        )
    if held.erased:
        raise NotApplicable("erased-already", f"the content {what} is erased already")
    return held


def apply_erase(draft: Draft, proposal: Signed[Proposal], action: Erase) -> None:
    """Erase by the author alone. Raises `NotApplicable` (V7)."""
    held = require_erasable(read_held(draft.get(held_key(action.content))), action.content)
    if held.by != proposal.key:
        raise NotApplicable("no-certificate", "others put that content too: to erase it takes a certificate")
    _set_erased(draft, action.content, held, proposal.id)


def apply_certified(draft: Draft, action: Erase, by: bytes) -> None:
    """Erase by a certificate that was judged."""
    held = require_erasable(read_held(draft.get(held_key(action.content))), action.content)
    _set_erased(draft, action.content, held, by)


def _set_erased(draft: Draft, content: bytes, held: Held, by: bytes) -> None:
    draft.set(held_key(content), pack(replace(held, erased=by)))
