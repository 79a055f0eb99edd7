"""Copies of a home that never meet (S11): two processes that speak with one key, linked through this machine.

How it works. Each process has a link key of its own (G2), so two links of one domain key with different link
keys are two processes: a machine that was started again, or two machines with one home. Whoever has both
links asks both for a number. Each draws one, and the other signs it (`PROOF`): a signature of its own key
under a number that it has just drawn, and that it never signed itself, shows a process that another one lives
that holds the key. It stops (S11). Nobody else can make that signature, and one made before was made under
another number. The process that a machine was before it started again gives no number: its link ends after
`ANSWER_MS`. Copies that are both there keep their links, so nothing flaps, and the person here is told.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from aslp2p.artifacts.envelope import pae, signature_holds
from aslp2p.core.context import Context
from aslp2p.core.effects import HeardCopy
from aslp2p.core.part import Part
from aslp2p.core.promises import Promises
from aslp2p.errors import PeerFault
from aslp2p.gossip.messages import DuplicateKey
from aslp2p.gossip.peer import Peer
from aslp2p.limits import ID_BYTES, SIGNATURE_BYTES

T = TypeVar("T")

PROOF = "asl.twin/1"
DUPLICATE_KEY = "the same key was heard on another machine"
GIVE, GIVEN, SIGN, SIGNED = range(4)
"""Steps: give me a number; here is one; sign this number of another's; signed."""
NUMBERS_MAX = 64
ANSWER_MS = 5_000
PROCESSES_MAX = 2
"""Links of one key: enough to show both of two copies what they are."""


def proof_of(common_id: bytes, number: bytes) -> bytes:
    """What the other copy signs."""
    return pae(PROOF, common_id + number)


class DuplicateKeys(Part):
    """What is under way between copies, here and elsewhere."""

    def __init__(self, context: Context, promises: Promises) -> None:
        self._context = context
        self._promises = promises
        self._drawn: OrderedDict[bytes, None] = OrderedDict()
        """Numbers of ours that may be signed by a copy of us."""
        self._given: OrderedDict[bytes, int] = OrderedDict()
        """Numbers of others, and over which link each came."""
        self._silent: dict[int, int] = {}
        """Links that were asked for a number and gave none yet, and when we asked."""
        self._proven: dict[bytes, set[int]] = {}
        """By key: its links on which a copy of it has proved itself."""

    @property
    def wake_at_ms(self) -> int | None:
        return min(self._silent.values()) + ANSWER_MS if self._silent else None

    @property
    def copied(self) -> list[bytes]:
        """Keys with which two machines speak that are linked now."""
        return sorted(key for key, links in self._proven.items() if len(links) > 1)

    def _others(self, peer: Peer) -> list[Peer]:
        """Other processes that speak with the key of `peer`."""
        return [
            one
            for one in self._context.peers.values()
            if one.key == peer.key and one.process and peer.process and one.process != peer.process
        ]

    def met(self, peer: Peer) -> None:
        """A link has come up: ask it and who has the same key for a number, if there is somebody."""
        context = self._context
        others = self._others(peer)
        while len(others) >= PROCESSES_MAX:
            context.close(others.pop(0).link, "another machine with the same key has come", blame=False)
        for one in (peer, *others) if others else ():
            self._silent.setdefault(one.link, context.now.mono)
            context.send(one.link, DuplicateKey(GIVE, b"", b""))

    def heard(self, peer: Peer, message: DuplicateKey) -> None:
        """Raises `PeerFault` for what no step is."""
        step, number, proof = message.step, message.number, message.proof
        if (len(number), len(proof)) != _SIZES.get(step):
            raise PeerFault("no step of showing copies to each other")
        if step == GIVE:
            self._send_number(peer)
        elif step == GIVEN:
            self._pass_on(peer, number)
        elif step == SIGN and number not in self._drawn:
            signature = self._context.signer.sign(proof_of(self._context.common_id, number))
            self._context.send(peer.link, DuplicateKey(SIGNED, number, signature))
        elif step == SIGNED:
            self._signed(peer, message)

    def _send_number(self, peer: Peer) -> None:
        number = self._context.entropy(ID_BYTES)
        _remember(self._drawn, number, None)
        self._context.send(peer.link, DuplicateKey(GIVEN, number, b""))

    def _pass_on(self, peer: Peer, number: bytes) -> None:
        self._silent.pop(peer.link, None)
        for other in self._others(peer):
            _remember(self._given, number, peer.link)
            self._context.send(other.link, DuplicateKey(SIGN, number, b""))

    def _signed(self, peer: Peer, message: DuplicateKey) -> None:
        context = self._context
        text, number = proof_of(context.common_id, message.number), message.number
        if number in self._drawn:
            if not signature_holds(context.key, text, message.proof):
                raise PeerFault("a copy of this machine's key that did not sign")
            del self._drawn[number]
            self._promises.mark_stale(DUPLICATE_KEY)
            context.out.effects.append(HeardCopy())
        elif (link := self._given.pop(number, None)) is not None:
            if not signature_holds(peer.key, text, message.proof):
                raise PeerFault("a proof that does not verify")
            first = context.peers.get(link)
            if first is not None and first.key == peer.key:
                context.send(link, message)
                self._note(peer.key, {link, peer.link})

    def _note(self, key: bytes, links: set[int]) -> None:
        before = len(self._proven.get(key, ()))
        self._proven[key] = self._proven.get(key, set()) | links
        if before < len(self._proven[key]) == PROCESSES_MAX:
            name = self._context.name_of(key)
            self._context.publish(
                "notice", code="copied-key", text=f"two machines speak with the key of {name}"
            )

    def tick(self) -> None:
        """End the links of processes that gave no number: they are there no more."""
        now = self._context.now.mono
        for link in [one for one, asked_ms in self._silent.items() if asked_ms + ANSWER_MS <= now]:
            del self._silent[link]
            self._context.close(link, "the machine was started again", blame=False)

    def link_lost(self, link: int) -> None:
        """It has ended."""
        self._silent.pop(link, None)
        for key, links in list(self._proven.items()):
            links.discard(link)
            if not links:
                del self._proven[key]


_SIZES = {
    GIVE: (0, 0),
    GIVEN: (ID_BYTES, 0),
    SIGN: (ID_BYTES, 0),
    SIGNED: (ID_BYTES, SIGNATURE_BYTES),
}
"""Of the number and the proof."""


def _remember(kept: OrderedDict[bytes, T], number: bytes, value: T) -> None:
    kept[number] = value
    if len(kept) > NUMBERS_MAX:
        kept.popitem(last=False)
