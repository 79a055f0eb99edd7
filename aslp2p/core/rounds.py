"""When open paper was first seen here, and what a person wants: rounds and renewals go by it (S7, S12)."""

from __future__ import annotations


class Rounds:
    """What this process remembers of open successions and policy changes."""

    def __init__(self) -> None:
        self._first_seen: dict[bytes, int] = {}
        self._by_person: set[bytes] = set()

    def see(self, proposal: bytes, now_ms: int) -> None:
        """It is open now, or was before."""
        self._first_seen.setdefault(proposal, now_ms)

    def since(self, proposal: bytes, now_ms: int) -> int:
        """When it was first seen; `now_ms` if it was not."""
        return self._first_seen.get(proposal, now_ms)

    def note_person(self, proposal: bytes) -> None:
        """A person has endorsed this: renewals of the witness wait for it."""
        self._by_person.add(proposal)

    def by_person(self, proposal: bytes) -> bool:
        return proposal in self._by_person

    def forget(self, proposal: bytes) -> None:
        """It is open no more."""
        self._first_seen.pop(proposal, None)
        self._by_person.discard(proposal)
