"""Who gets past a link (G2, P6): a joiner with a live invite, and nobody with what a joiner showed; and what
a guest gets before it is a member: nothing but the answer to its own admission."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.token import bear, invite_id
from aslp2p.artifacts.types import Admit, Expel, Named, Policy, RevokeInvite
from aslp2p.core.inputs import LinkUp, MakeToken, Propose, Received
from aslp2p.gossip.messages import (
    AnyMessage,
    GetContent,
    GetRange,
    Heads,
    Want,
    decode_message,
    encode_message,
)
from aslp2p.ledger.state import is_admitted
from aslp2p.limits import OPEN_DIGEST_BYTES, PROTOCOL_VERSION
from simulations.world import WALL_MS, Node, World

SECOND_MS = 1_000


class Household(World):
    """`you` founded the Common with `ann` and `ben`, of whom only `you` is an authority; `joe` and `eve` hold
    its network secret and are no members."""

    def __init__(self, participants: str = "invited") -> None:
        super().__init__(5)
        for name in ("you", "ann", "ben", "joe", "eve"):
            self.add_node(name)
        policy = Policy(
            witnesses=(Named("you", self.nodes["you"].key),),
            threshold=1,
            rotation_allowed=True,
            grace_period_ms=10**6,
            participants=participants,  # type: ignore[arg-type]
            protocol=1,
        )
        self.found("you", ["you", "ann", "ben"], policy)
        self.sent: list[tuple[str, AnyMessage]] = []
        for name in self.nodes:
            self.start(name)

    def invite(self, uses: int = 1, by: str = "you", lasts_ms: int = 10**9) -> bytes:
        return bytes(self.command(by, MakeToken(WALL_MS + self.now_ms + lasts_ms, uses)))

    def link(self, name: str, token: bytes, to: str = "you") -> None:
        """`name` links with a member and shows `token`."""
        self.nodes[name].token = token
        self.connect(name, to)
        self.run(5 * SECOND_MS)

    def members(self, name: str) -> set[str]:
        """Who is a member, as `name` knows it."""
        core = self.nodes[name].core
        assert core is not None and core.head is not None
        return {one for one, node in self.nodes.items() if is_admitted(core.head.members, node.key)}

    def is_in(self, name: str) -> bool:
        return name in self.members("you")

    def height(self, name: str) -> int | None:
        core = self.nodes[name].core
        assert core is not None
        return None if core.head is None else core.head.height

    def refusals(self, name: str) -> set[str]:
        return {close.reason for node in self.nodes.values() for close in node.closed}

    def record(self) -> None:
        """Keep what every node sends from now on."""

        def note(node: Node, data: bytes) -> bytes:
            self.sent.append((node.name, decode_message(data)))
            return data

        self.on_send = note


@pytest.fixture
def household() -> Household:
    return Household()


def shown(household: Household, token: bytes, name: str) -> bytes:
    return bear(token, household.nodes[name].key)


def test_a_joiner_is_let_in(household: Household) -> None:
    household.link("joe", shown(household, household.invite(), "joe"))
    assert household.is_in("joe")


def test_whom_a_joiner_shows_its_token_cannot_use_it(household: Household) -> None:
    """It has one use, and eve would have it before joe."""
    token = shown(household, household.invite(), "joe")
    household.link("eve", token)
    assert not household.is_in("eve")
    assert "the invite is damaged, or another key's; ask for a new one" in household.refusals("eve")
    household.link("joe", token)
    assert household.is_in("joe")


def test_the_artifact_of_a_token_alone_lets_nobody_in(household: Household) -> None:
    household.link("eve", household.invite())
    assert not household.is_in("eve")


def test_a_token_is_good_for_its_uses(household: Household) -> None:
    token = household.invite(uses=1)
    household.link("joe", shown(household, token, "joe"))
    household.link("eve", shown(household, token, "eve"))
    assert household.is_in("joe") and not household.is_in("eve")
    assert "the invite was used already; ask for a new one" in household.refusals("eve")


def test_an_invite_that_has_expired_is_proposed_by_nobody(household: Household) -> None:
    token = shown(household, household.invite(lasts_ms=SECOND_MS), "joe")
    household.run(2 * SECOND_MS)
    household.link("joe", token)
    assert not household.is_in("joe")
    assert "the invite has expired; ask for a new one" in household.refusals("joe")


def test_an_invite_that_was_revoked_lets_nobody_in(household: Household) -> None:
    token = household.invite()
    household.command("you", Propose(RevokeInvite(invite_id(token))))
    household.run(SECOND_MS)
    household.link("joe", shown(household, token, "joe"))
    assert not household.is_in("joe")
    assert "the invite was revoked; ask for a new one" in household.refusals("joe")


def test_any_member_that_a_joiner_reaches_has_it_admitted(household: Household) -> None:
    """The inviter is switched off; the other end is no authority, and no friend of the inviter's."""
    token = household.invite(by="ben")
    household.crash("ben")
    household.connect("ann", "you")
    household.link("joe", shown(household, token, "joe"), to="ann")
    assert (
        household.members("you")
        == household.members("ann")
        == household.members("joe")
        == {"you", "ann", "ben", "joe"}
    )


def test_where_authorities_admit_any_member_passes_their_token_on() -> None:
    household = Household("authorities")
    token = household.invite(by="you")
    household.connect("ann", "you")
    household.link("joe", shown(household, token, "joe"), to="ann")
    assert household.is_in("joe")


def test_only_one_of_many_proposes_it(household: Household) -> None:
    """The inviter at once; the others see that and leave it."""
    for one, other in (("ann", "you"), ("ben", "you"), ("ann", "ben")):
        household.connect(one, other)
    household.run(SECOND_MS)
    household.nodes["joe"].token = shown(household, household.invite(by="ben"), "joe")
    for name in ("you", "ann", "ben"):
        household.connect("joe", name)
    household.run(10 * SECOND_MS)
    core = household.nodes["you"].core
    assert core is not None and core.head is not None and household.is_in("joe")
    assert core.head.frontier.size == 1
    assert not core._pending.rejections


def test_a_token_used_in_two_partitions_admits_one(household: Household) -> None:
    """Both admissions are proposed where nobody numbers anything; then the two parts meet."""
    token = household.invite(by="ben")
    household.link("joe", shown(household, token, "joe"), to="ann")
    household.link("eve", shown(household, token, "eve"), to="ben")
    assert household.members("you") == {"you", "ann", "ben"}
    household.connect("ann", "you")
    household.connect("ben", "you")
    household.run(10 * SECOND_MS)
    assert len(household.members("you") & {"joe", "eve"}) == 1
    assert any("as often as it may be" in text for text in household.refusals("eve")), "and the other is told"


def test_a_guest_is_told_nothing_and_given_nothing(household: Household) -> None:
    """No history, no content, no addresses; it is linked, and asks for all of it."""
    for number in range(3):
        household.command("you", Propose(Admit(bytes([number]) * 32, f"guest{number}", None)))
    household.connect("ann", "you")
    household.run(5 * SECOND_MS)
    head = household.nodes["ann"].core
    assert head is not None and head.head is not None and head.head.height
    household.disconnect("ann", "you")  # so that nothing comes of what ann proposes
    household.nodes["joe"].token = shown(household, household.invite(), "joe")
    household.connect("joe", "ann")
    household.record()
    household.run(3 * SECOND_MS)
    joe, ann = household.nodes["joe"], household.nodes["ann"]
    questions: list[AnyMessage] = [
        Want((head.head.id, household.nodes["joe"].core._context.common_id)),  # type: ignore[union-attr]
        GetRange(1, head.head.id, (), 1, 10),
        GetContent((bytes(32),)),
        Heads(PROTOCOL_VERSION, bytes(32), 0, 0, 0, bytes(OPEN_DIGEST_BYTES)),
    ]
    (link,) = ann.links
    for question in questions:
        household.inform("ann", Received(link, encode_message(question)))
    household.run(5 * SECOND_MS)
    assert [message for name, message in household.sent if name == "ann"] == []
    assert household.height("joe") is None and joe.core is not None
    live = ann.core.live() if ann.core is not None else {}
    assert [(peer["key"], peer["member"]) for peer in live["peers"]] == [(joe.key, False)]


@pytest.mark.parametrize("alone", [False, True])
def test_a_guests_heads_hold_nobody_up(household: Household, alone: bool) -> None:
    """It tells of a history that nobody has: where a member is linked nobody even asks for it."""
    if not alone:
        household.connect("ann", "ben")
    household.nodes["eve"].token = shown(household, household.invite(), "eve")
    household.connect("eve", "ann")
    household.run(SECOND_MS)
    ann = household.nodes["ann"].core
    assert ann is not None
    heads = Heads(PROTOCOL_VERSION, b"\x01" * 32, 10**6, 10**6, 10**6, bytes(OPEN_DIGEST_BYTES))
    household.inform("ann", Received(max(household.nodes["ann"].links), encode_message(heads)))
    assert ann._catchup.running == alone
    assert not ann._catchup.holds_up
    household.run(60 * SECOND_MS)
    assert not ann._catchup.running


def test_who_was_away_while_a_guest_was_admitted_learns_it_from_the_guest(household: Household) -> None:
    """Nobody else is there to tell: its word is followed, and proves itself."""
    token = shown(household, household.invite(), "joe")
    household.link("joe", token)
    household.command("you", Propose(Admit(bytes([3]) * 32, "guest", None)))
    household.run(5 * SECOND_MS)
    assert household.height("joe") == 2 and household.height("ben") == 0
    household.crash("you")
    household.connect("joe", "ben")
    household.run(10 * SECOND_MS)
    assert household.height("ben") == 2 and "joe" in household.members("ben")


def test_whoever_was_expelled_is_let_in_by_no_token(household: Household) -> None:
    token = household.invite(uses=9)
    household.link("joe", shown(household, token, "joe"))
    household.command("you", Propose(Expel(household.nodes["joe"].key)))
    household.run(SECOND_MS)
    household.link("joe", shown(household, token, "joe"))
    assert not household.is_in("joe")
    assert "this key was expelled" in household.refusals("joe")


def test_a_member_judges_whom_it_was_linked_with_before_it_could(household: Household) -> None:
    """eve has the network secret and no invite; joe cannot know that before he is a member."""
    household.connect("eve", "joe")
    household.run(SECOND_MS)
    household.link("joe", shown(household, household.invite(), "joe"))
    assert household.is_in("joe")
    assert household.height("joe") == 1 and household.height("eve") is None
    assert not any("eve" in name for name in household.nodes["joe"].peers), "the link has ended"


def test_a_newcomer_is_not_called_as_who_was_expelled() -> None:
    """P6: nobody is to be taken for somebody who is out; a person may give the name again by hand."""
    household = Household()
    household.command("you", Propose(Expel(household.nodes["ben"].key)))
    household.run(5 * SECOND_MS)
    assert household.members("you") == {"you", "ann"}
    joe = household.nodes["joe"]
    core = household.nodes["you"].core
    assert core is not None and core.head is not None
    shown = bear(household.invite(), joe.key)
    admit = core._admission.judge(LinkUp(99, joe.key, shown, "ben", "", True))
    assert admit is not None and admit.name == "ben-2"
