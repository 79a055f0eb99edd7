"""What this process remembers of attempts at a succession: when each was first seen, since when nothing
becomes final, and what people here want. Rounds and renewals go by it (S7, S12).

In memory only: after a restart rounds begin anew, and people are asked again.
"""

from __future__ import annotations

from typing import TypeAlias

from aslp2p.artifacts.types import Revocation, Takeover
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.state import revoked_keys

_Will: TypeAlias = tuple[object, ...]


def _will(action: Takeover) -> _Will:
    """What stays the same when a takeover is proposed again: all but its epoch and its base."""
    revoked, evidence = (action.revoked, action.evidence) if isinstance(action, Revocation) else (b"", ())
    return (type(action), action.new_witness, action.reason, revoked, evidence)


class Attempts:
    """What this process remembers of open successions and policy changes."""

    def __init__(self) -> None:
        self._first_seen: dict[bytes, int] = {}
        self._standstill: tuple[int, int, int] | None = None
        """(epoch, final height, since when) while a snapshot of the epoch in force waits to become final."""
        self._heard_in_it: dict[bytes, int] = {}
        """Since when authors have had something open, or since the standstill began, if that is later."""
        self._by_person: set[bytes] = set()
        self._wills: dict[_Will, Takeover] = {}

    def see(self, proposal: bytes, now_ms: int) -> None:
        """It is open now, or was before."""
        self._first_seen.setdefault(proposal, now_ms)

    def since(self, proposal: bytes, now_ms: int) -> int:
        """When it was first seen, or asked about: now, if it was neither before."""
        return self._first_seen.setdefault(proposal, now_ms)

    def note_person(self, proposal: bytes) -> None:
        """A person has endorsed this: renewals of the witness wait for it."""
        self._by_person.add(proposal)

    def by_person(self, proposal: bytes) -> bool:
        return proposal in self._by_person

    def forget(self, proposal: bytes) -> None:
        """It is open no more."""
        self._first_seen.pop(proposal, None)
        self._by_person.discard(proposal)

    # --- a standstill of finality ------------------------------------------------------------------

    def standstill_since(self, head: Tip, final_height: int, now_ms: int) -> int | None:
        """Since when nothing has become final although a snapshot waits that the witness has signed in its
        present epoch; None if none waits. What is below, of an epoch before, cannot be helped by another
        renewal: only by a snapshot of this one."""
        standing = head.standing
        begun = (standing.epoch, standing.witness) == (standing.next_epoch, standing.next_witness)
        if not begun or head.height <= final_height:
            self._standstill = None
            self._heard_in_it.clear()
            return None
        if self._standstill is None or self._standstill[:2] != (standing.epoch, final_height):
            self._standstill = (standing.epoch, final_height, now_ms)
            self._heard_in_it.clear()
        return self._standstill[2]

    def heard_in_standstill(self, author: bytes, now_ms: int) -> int:
        """Since when `author` has held this standstill up: however often it asks for something new, it is
        waited for once."""
        return self._heard_in_it.setdefault(author, now_ms)

    # --- what a person wants, whatever becomes of one proposal ------------------------------------

    def want(self, action: Takeover) -> None:
        """A person here wants this takeover, also when it is proposed again. Giving up snapshots (S9) is
        asked each time anew."""
        if not action.abandons:
            self._wills[_will(action)] = action

    def wants(self, action: Takeover) -> bool:
        return not action.abandons and _will(action) in self._wills

    def unwant(self, action: Takeover) -> None:
        """The person has changed their mind."""
        self._wills.pop(_will(action), None)

    def head_moved(self, old: Tip, new: Tip) -> None:
        """What has come to pass is wanted no more, nor a recovery from a witness that is not in office."""
        if not self._wills:
            return
        gone = revoked_keys(new.members)
        changed = new.standing.next_witness != old.standing.next_witness
        for will, action in list(self._wills.items()):
            done = action.revoked in gone if isinstance(action, Revocation) else changed
            if done:
                del self._wills[will]
