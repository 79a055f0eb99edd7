"""When open paper was first seen here, and what people here want: rounds and renewals go by it (S7, S12).

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


class Rounds:
    """What this process remembers of open successions and policy changes."""

    def __init__(self) -> None:
        self._first_seen: dict[bytes, int] = {}
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
