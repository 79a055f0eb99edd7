"""Guests: linked keys that are no members, and get nothing but the answer to their own admission.

A guest is not among the peers: it is told nothing, asked nothing, served nothing, and its word counts for
nothing (section 3). Its admission is proposed at once by whoever invited it, and by any other member it
reached after a moment, so that not every one of them does. Once it is a member at our head it is a peer; if
the witness refuses it, it is told why.

One word of a guest is followed: where no member is linked, a better history that it tells of is asked for
(`may_listen`), as this node may have been away while the guest was admitted. It is given nothing meanwhile,
and holds nobody up.
"""

from __future__ import annotations

from dataclasses import dataclass

from aslp2p.artifacts.types import Admit, Rejection
from aslp2p.core.admission import Admission, Refusal
from aslp2p.core.author import Author
from aslp2p.core.context import Context
from aslp2p.core.effects import Close
from aslp2p.core.part import Part
from aslp2p.core.pending import Pending
from aslp2p.errors import UserError
from aslp2p.gossip.messages import Heads
from aslp2p.gossip.peer import Peer

ADMIT_WAIT_MS = 2_000
"""How long the other members leave it to the inviter, and as much again by chance."""


@dataclass
class Guest:
    """A guest's link, and what became of its admission."""

    peer: Peer
    admit: Admit
    due_ms: int | None
    """When to propose it; None once it is."""
    proposal: bytes = b""
    """The proposal that it waits for, ours or another's."""


class Guests(Part):
    """The links of guests, and their admissions."""

    def __init__(self, context: Context, pending: Pending, admission: Admission, author: Author) -> None:
        self._context = context
        self._pending = pending
        self._admission = admission
        self._author = author
        self._guests: dict[int, Guest] = {}

    def __len__(self) -> int:
        return len(self._guests)

    @property
    def wake_at_ms(self) -> int | None:
        """When an admission is to be proposed that waits for the inviter."""
        due = [guest.due_ms for guest in self._guests.values() if guest.due_ms is not None]
        return min(due, default=None)

    def peers(self) -> list[Peer]:
        return [guest.peer for guest in self._guests.values()]

    def peer(self, link: int) -> Peer | None:
        guest = self._guests.get(link)
        return None if guest is None else guest.peer

    def add(self, peer: Peer, admit: Admit) -> None:
        """A link that is let in for its admission alone."""
        now = self._context.now.mono
        wait = 0 if self._admission.is_own(admit) else ADMIT_WAIT_MS + self._context.draw(ADMIT_WAIT_MS)
        self._guests[peer.link] = Guest(peer, admit, now + wait)

    def forget(self, link: int) -> None:
        self._guests.pop(link, None)

    def close(self, link: int, reason: str, *, blame: bool) -> None:
        """End the link of a guest that misbehaves, or cannot be understood."""
        del self._guests[link]
        self._context.out.effects.append(Close(link, reason, blame))

    def may_listen(self, peer: Peer, heads: Heads) -> bool:
        """Whether to ask this guest for its history: it tells of more, and no member is here to ask."""
        context = self._context
        if any(context.is_member(other.key) for other in context.peers.values()):
            return False
        ours = context.ledger.head
        return (heads.epoch, heads.height) > (ours.standing.epoch, ours.height)

    def step(self) -> list[Peer]:
        """Propose what is due, answer those that were refused; those that are members now, guests no more."""
        arrived = []
        for link, guest in list(self._guests.items()):
            if self._context.is_member(guest.peer.key):
                del self._guests[link]
                arrived.append(guest.peer)
            elif guest.due_ms is not None and self._context.now.mono >= guest.due_ms:
                guest.due_ms = None
                self._propose(link, guest)
            elif (rejection := self._pending.rejections.get(guest.proposal)) is not None:
                self._refused(link, guest, rejection.statement)
        return arrived

    def _refused(self, link: int, guest: Guest, rejection: Rejection) -> None:
        """The witness does not let it in; or it is in already, under the word of somebody else, or has to be
        called otherwise."""
        guest.proposal = b""
        if rejection.code == "name-taken":
            guest.due_ms = self._context.now.mono + ADMIT_WAIT_MS
        elif rejection.code != "already-admitted":
            self._refuse(link, rejection.code, rejection.text)

    def _propose(self, link: int, guest: Guest) -> None:
        """Propose to let it in, unless somebody did. What hinders us now does not later: when it links
        again."""
        pending: dict[bytes, Admit] = {}
        for one in self._pending.proposals.values():
            if isinstance(action := one.statement.action, Admit):
                pending[one.id] = action
        for id_, action in pending.items():
            if action.key == guest.admit.key:
                guest.proposal = id_
                return
        try:
            self._admission.require(guest.admit)
            taken = {other.name for other in pending.values()}
            guest.proposal = self._author.propose(self._admission.renamed(guest.admit, taken))
        except Refusal as refusal:
            self._refuse(link, refusal.code, refusal.text)
        except UserError as error:
            self._context.publish("notice", code="not-admitted", text=f"{guest.admit.name}: {error}")

    def _refuse(self, link: int, code: str, text: str) -> None:
        del self._guests[link]
        self._context.refuse(link, code, text)
