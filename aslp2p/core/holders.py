"""Asking the other members whether they hold and keep contents, and what they said.

A *question* is about at most `HOLDING_IDS_MAX` contents and goes to every member that is linked; one that
does not answer in time has said nothing. What members say of contents that are erased here is kept, so that
`asl erase --status` names who has confirmed it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from aslp2p.core.context import Context
from aslp2p.core.holding import State
from aslp2p.core.part import Part
from aslp2p.errors import PeerFault
from aslp2p.gossip.messages import AskHolding, Holding
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.facts import held_at
from aslp2p.ledger.joining import META_ERASED_BY
from aslp2p.ledger.reader import PutMeta
from aslp2p.limits import CONFIRMED_MS, KEY_BYTES, MEMBERS_MAX, REQUEST_TIMEOUT_MS

QUESTIONS_MAX = 16
"""Of people, whose answers are remembered."""


class Said(NamedTuple):
    """What a member said, and when it was asked, on both clocks."""

    state: int
    mono: int
    wall: int


class HolderQuestion:
    """About `ids`, to whoever is linked."""

    def __init__(self, ids: Sequence[bytes]) -> None:
        self.ids = tuple(ids)
        self.said: dict[bytes, dict[bytes, Said]] = {id_: {} for id_ in ids}
        """By content, then by member."""
        self.waits_for: dict[int, bytes] = {}
        """Links that have not answered, and whose they are."""

    @property
    def is_open(self) -> bool:
        return bool(self.waits_for)


class _Asked(NamedTuple):
    link: int
    question: HolderQuestion
    mono: int
    wall: int


class Holders(Part):
    """The questions under way."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked: dict[int, _Asked] = {}
        """By the number of the request, in the order of asking."""
        self._number = 0
        self._of_people: OrderedDict[bytes, HolderQuestion] = OrderedDict()

    def ask(self, ids: Sequence[bytes]) -> HolderQuestion:
        """Ask every member that is linked; of several links to one, the first."""
        context = self._context
        question = HolderQuestion(ids)
        now = context.now
        for peer in context.told():
            if peer.key == context.key or peer.key in question.waits_for.values():
                continue
            self._number += 1
            self._asked[self._number] = _Asked(peer.link, question, now.mono, now.wall)
            question.waits_for[peer.link] = peer.key
            peer.expect(len(question.ids))
            context.send(peer.link, AskHolding(self._number, question.ids))
        return question

    def ask_for_person(self, content: bytes) -> None:
        """Ask everybody about one content; `answers` gives what they say."""
        self._of_people.pop(content, None)
        self._of_people[content] = self.ask([content])
        if len(self._of_people) > QUESTIONS_MAX:
            self._of_people.popitem(last=False)

    def answers(self, content: bytes) -> tuple[dict[bytes, int], list[bytes]]:
        """What each member said of it, by its key, and who is still asked."""
        question = self._of_people.get(content)
        if question is None:
            return {}, []
        said = {key: one.state for key, one in question.said[content].items()}
        return said, list(question.waits_for.values())

    def take(self, peer: Peer, answer: Holding) -> int:
        """An answer; returns how useless it is. Raises `PeerFault` for one that cannot be."""
        asked = self._asked.get(answer.request)
        if asked is None or asked.link != peer.link:
            return 1 + len(answer.states)
        question = asked.question
        if len(answer.states) != len(question.ids):
            raise PeerFault(f"{len(answer.states)} states of {len(question.ids)} contents")
        del self._asked[answer.request]
        del question.waits_for[peer.link]
        for id_, state in zip(question.ids, answer.states, strict=True):
            question.said[id_][peer.key] = Said(state, asked.mono, asked.wall)
            if state == State.ERASED:
                self._note_erased(id_, peer.key)
        return 0

    def counts(self, said: Said) -> bool:
        """Whether what somebody said may still be relied on. A machine that slept, or whose clock was set
        back, asks again."""
        now = self._context.now
        return now.mono - said.mono <= CONFIRMED_MS and 0 <= now.wall - said.wall <= CONFIRMED_MS

    def _note_erased(self, content: bytes, key: bytes) -> None:
        context, head = self._context, self._context.ledger.head
        held = held_at(context.store, head.branch, head.height, content)
        if held is None or not held.erased:
            return
        name = META_ERASED_BY + held.erased.hex()
        known = erased_by(context.store.meta(name))
        if key not in known and len(known) < MEMBERS_MAX:
            context.store.apply([PutMeta(name, b"".join(sorted({*known, key})))])

    # --- time and links -----------------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> int | None:
        """When the oldest question has waited long enough."""
        first = next(iter(self._asked.values()), None)
        return None if first is None else first.mono + REQUEST_TIMEOUT_MS

    def tick(self) -> None:
        """Whoever has not answered in time has said nothing."""
        over = self._context.now.mono - REQUEST_TIMEOUT_MS
        for number in [number for number, asked in self._asked.items() if asked.mono <= over]:
            self._give_up(number)

    def link_lost(self, link: int) -> None:
        """It will not answer."""
        for number in [number for number, asked in self._asked.items() if asked.link == link]:
            self._give_up(number)

    def _give_up(self, number: int) -> None:
        asked = self._asked.pop(number)
        del asked.question.waits_for[asked.link]


def erased_by(data: bytes | None) -> list[bytes]:
    """The members that have confirmed an erasure, from what is stored of it."""
    return [(data or b"")[at : at + KEY_BYTES] for at in range(0, len(data or b""), KEY_BYTES)]
