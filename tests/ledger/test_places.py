"""Places cannot be used up: whoever fills them leaves room for what the others need (section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import pytest

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import Admit, Expel, Forget, Named, Proposal
from aslp2p.errors import Rejected
from aslp2p.ledger import members
from aslp2p.ledger.history import Ledger
from aslp2p.limits import (
    ADMITS_PER_MEMBER_MAX,
    MEMBERS_MAX,
    PLACES_OF_AUTHORITIES,
    PLACES_OF_MEMBERS,
    PROPOSALS_PER_SNAPSHOT_MAX,
)
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, FAY, Key, Node, World, feed, named, policy


def guest(number: int) -> bytes:
    return sha256(b"guest %d" % number).digest()


class Crowd:
    """A Common whose places are taken by keys that say nothing."""

    def __init__(self) -> None:
        self.world = World()
        self.ledger: Ledger = self.world.ledger()
        self.tip: Node = self.world.root
        self._guests = 0

    def emit(self, proposals: Iterable[Signed[Proposal]]) -> None:
        listed = list(proposals)
        for first in range(0, len(listed), PROPOSALS_PER_SNAPSHOT_MAX):
            self.tip = self.world.after(self.tip, *listed[first : first + PROPOSALS_PER_SNAPSHOT_MAX])
            feed(self.ledger, self.tip)

    def guest(self, author: Key) -> Signed[Proposal]:
        self._guests += 1
        return self.world.propose(Admit(guest(self._guests), f"guest {self._guests}", None), author)

    def fill(self, author: Key, places: int) -> None:
        """Until so many keys were ever members."""
        self.emit([self.guest(author) for _ in range(places - len(self.ledger.head.members))])

    def refused(self, *proposals: Signed[Proposal]) -> tuple[str, str]:
        with pytest.raises(Rejected) as caught:
            feed(self.ledger, self.world.after(self.tip, *proposals))
        return caught.value.rule, caught.value.message


@pytest.fixture(scope="module")
def full() -> Crowd:
    """Authorities have taken every place that they can."""
    crowd = Crowd()
    crowd.fill(BEN, PLACES_OF_AUTHORITIES)
    return crowd


def test_one_member_lets_in_64_and_no_more_whoever_passes_its_tokens_on() -> None:
    crowd = Crowd()
    crowd.emit([crowd.guest(DAN) for _ in range(ADMITS_PER_MEMBER_MAX)])
    assert crowd.refused(crowd.guest(DAN))[0] == "A4"
    token = crowd.world.shown(EVE, DAN)
    assert crowd.refused(crowd.world.admit(EVE, ANN, token=token))[0] == "A4"
    crowd.emit([crowd.world.admit(EVE, DAN, token=crowd.world.shown(EVE, CLEO))])
    assert EVE.key in crowd.ledger.head.members, "it rests on cleo"


def test_members_stop_where_authorities_go_on() -> None:
    crowd = Crowd()
    crowd.fill(BEN, PLACES_OF_MEMBERS - 1)
    crowd.emit([crowd.guest(DAN)])
    assert crowd.refused(crowd.guest(DAN)) == (
        "A4",
        f"A4: a Common takes at most {PLACES_OF_MEMBERS} members in this way; see `asl members`",
    )
    crowd.emit([crowd.world.admit(EVE, DAN, token=crowd.world.shown(EVE, ANN))])
    assert len(crowd.ledger.head.members) == PLACES_OF_MEMBERS + 1


def test_when_authorities_have_filled_everything_a_key_is_still_replaced(full: Crowd) -> None:
    """The rest is for policy changes: what one authority does stops no quorum."""
    assert full.refused(full.guest(BEN))[0] == "A4"
    world, ledger = full.world, full.ledger
    labelled = policy((), 2, witnesses=(*named((ANN, BEN)), Named("guest 7", EVE.key)))
    change = world.install(full.tip, labelled, ANN, BEN, EVE)
    feed(ledger, change, world.after(change, settlement=world.settlement(change, ANN, BEN)))
    assert ledger.head.members[EVE.key].name == f"guest 7-{EVE.key.hex()[:16]}"
    assert ledger.head.standing.policies == (labelled,)


def test_expelling_and_forgetting_gives_places_back() -> None:
    crowd = Crowd()
    crowd.fill(BEN, PLACES_OF_AUTHORITIES)
    crowd.emit([crowd.world.propose(Expel(guest(1)), CLEO)])
    assert crowd.refused(crowd.guest(CLEO))[0] == "A4", "an expelled key keeps its place"
    crowd.emit([crowd.world.propose(Forget(guest(1)), CLEO), crowd.guest(CLEO)])
    assert len(crowd.ledger.head.members) == PLACES_OF_AUTHORITIES
    assert guest(1) not in crowd.ledger.head.members


def test_the_last_places_are_for_new_authorities_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PLACES_OF_MEMBERS < PLACES_OF_AUTHORITIES < MEMBERS_MAX
    world = World(members=(ANN, BEN, CLEO, DAN, FAY))
    ledger = world.ledger()
    monkeypatch.setattr(members, "MEMBERS_MAX", 5)
    with pytest.raises(Rejected, match="A4"):
        feed(ledger, world.install(world.root, policy((ANN, BEN, EVE), 2)))
    monkeypatch.setattr(members, "MEMBERS_MAX", 6)
    feed(ledger, world.install(world.root, policy((ANN, BEN, EVE), 2)))


def test_no_single_authority_keeps_out_whom_the_others_make_one() -> None:
    """It has the incoming key admitted and expelled, and somebody sit on its label."""
    world = World()
    ledger = world.ledger()
    squatted = world.after(
        world.root,
        world.admit(EVE, DAN, "zz"),
        world.propose(Expel(EVE.key), CLEO),
        world.admit(FAY, DAN, "eve"),
    )
    feed(ledger, squatted, change := world.install(squatted, policy((ANN, BEN, EVE), 2), ANN, BEN, EVE))
    assert ledger.head.members[EVE.key].status == "admitted"
    feed(ledger, world.rotate(change, EVE, ANN, BEN, EVE))
    assert ledger.head.standing.next_witness == EVE.key
