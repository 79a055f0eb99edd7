"""S1, S12, V6: what one authority that pushes epochs can do to the others. It costs time, never the Common.

Each attack is played on real nodes, by somebody who signs whatever helps, against daemons that endorse by
themselves and against people who are asked; also in 2 of 3, where P1 survives no liar, with the witness's own
key among the honest ones.
"""

from __future__ import annotations

import pytest

from aslp2p.artifacts.envelope import Signed, Verified, sign_statement
from aslp2p.artifacts.types import (
    Admit,
    Endorsement,
    Named,
    Policy,
    Proposal,
    Recovery,
    Revocation,
    Rotation,
    Succession,
)
from aslp2p.core.inputs import ChangePolicy, Endorse, Propose, Recover, Rotate
from aslp2p.errors import UserError
from aslp2p.gossip.messages import Push, encode_message
from aslp2p.ledger.journal import ENDORSE
from aslp2p.limits import EPOCH_MAX, EPOCH_STRIDE, PROMISES_PER_AUTHOR_MAX, SPECIAL_PER_AUTHOR_MAX
from aslp2p.recovery import round_ms
from simulations.world import World
from tests.core.households import founded, policy_of
from tests.core.scripted import Stage
from tests.ledger.builder import ANN, BEN, CLEO, DAN
from tests.ledger.grown import Grown

GRACE_MS = 2 * 60_000
ROUND_MS = round_ms(GRACE_MS)
HOUSEHOLDS = {2: ("ben", "cleo", "dan"), 3: ("ann", "ben", "cleo", "dan")}
"""Names by threshold: the first is the witness, dan lies."""
LIAR = "dan"
FAR = (1, EPOCH_STRIDE, EPOCH_STRIDE + 1, 2**20, EPOCH_MAX)


class Home:
    """Everybody is on and linked, `common@1` is final, and dan signs what he likes."""

    def __init__(self, threshold: int, *, auto: bool) -> None:
        self.names = HOUSEHOLDS[threshold]
        self.witness, *_ = self.names
        self.honest = self.names[:-1]
        self.world = made = founded(self.names, threshold, GRACE_MS)
        for name in self.names:
            made.nodes[name].options["auto"] = auto and name != LIAR
            made.start(name)
        made.mesh()
        made.run(5_000)
        self._salt = 0
        self.put()
        made.run(5_000)
        self.assert_final()

    # --- what people do ---------------------------------------------------------------------------

    def put(self) -> None:
        self._salt += 1
        self.world.command(self.witness, Propose(Admit(bytes([self._salt] * 32), f"guest{self._salt}", None)))

    def witness_is_away(self, duration_ms: int) -> None:
        self.world.crash(self.witness)
        self.world.run(duration_ms)

    def witness_is_back(self) -> None:
        self.world.start(self.witness)
        self.world.mesh()
        self.world.run(5_000)

    # --- what the liar does -----------------------------------------------------------------------

    def attempt(self, epoch: int, *, revoked: str | None = None) -> Verified[Proposal]:
        """One for the liar itself, on the head that everybody follows."""
        node = self.world.nodes[LIAR]
        head = self.world.nodes[self.honest[-1]].core.head  # type: ignore[union-attr]
        assert head is not None
        action: Succession = Recovery(epoch, head.height, head.id, node.key, "mine", ())
        if revoked is not None:
            key = self.world.nodes[revoked].key
            action = Revocation(epoch, head.height, head.id, node.key, "mine", (), key, ())
        self._salt += 1
        salt = self._salt.to_bytes(8, "big")
        return sign_statement(Proposal(self.world.common_id, self.world.now_ms, salt, action), node.signer)

    def vote(self, proposal: Signed[Proposal]) -> Verified[Endorsement]:
        action = proposal.statement.action
        assert isinstance(action, Succession)
        statement = Endorsement(self.world.common_id, proposal.id, action.epoch, self.world.now_ms)
        return sign_statement(statement, self.world.nodes[LIAR].signer)

    def tell(self, *artifacts: Signed[Proposal] | Signed[Endorsement], to: tuple[str, ...] = ()) -> None:
        for name in to or self.honest:
            raws = tuple(one.raw for one in artifacts)
            self.world.inject(LIAR, name, encode_message(Push(raws, ())))

    # --- what must be true -------------------------------------------------------------------------

    def endorsed(self, name: str) -> int:
        return len(self.world.nodes[name].store.journal(ENDORSE, last=1000))

    def assert_final(self) -> None:
        heads = {self.world.heads()[name] for name in self.honest}
        assert len(heads) == 1
        for name in self.honest:
            core = self.world.nodes[name].core
            assert core is not None and core.head is not None
            assert core.live()["final_height"] == core.head.height, name

    def assert_goes_on(self) -> None:
        """With the witness and every honest authority there, what is put becomes final; and people can
        replace the witness."""
        self.put()
        self.world.run(10 * GRACE_MS)
        self.assert_final()
        asked = self.world.command(self.honest[-1], Recover("slow"))
        self.world.run(1_000)
        for name in self.honest[:-1]:
            self.world.command(name, Endorse(asked))
        self.world.run(10 * GRACE_MS)
        self.assert_final()
        head = self.world.nodes[self.witness].core.head  # type: ignore[union-attr]
        assert head is not None and head.standing.next_witness == self.world.nodes[self.honest[-1]].key


def home_of(threshold: int, mode: str) -> Home:
    return Home(threshold, auto=mode == "auto")


in_each = pytest.mark.parametrize("mode", ["ask", "auto"])
in_households = pytest.mark.parametrize("threshold", HOUSEHOLDS)
at_each_distance = pytest.mark.parametrize(
    ("far", "threshold", "mode"),
    [
        pytest.param(far, threshold, mode, marks=[] if alone or far == 2**20 else [pytest.mark.long])
        for far in FAR
        for threshold in HOUSEHOLDS
        for mode in ("ask", "auto")
        for alone in [(threshold, mode) == (3, "auto")]
    ],
)
"""Every distance in one household, and where it broke in all of them; the other pairs with `--long`."""


@at_each_distance
def test_an_attempt_that_is_withheld_costs_time(far: int, threshold: int, mode: str) -> None:
    """The liar proposes while the witness is away, and keeps its own endorsement to itself."""
    home = home_of(threshold, mode)
    home.witness_is_away(GRACE_MS - 10_000)
    home.tell(home.attempt(far), to=home.honest[1:])
    home.world.run(13_000)
    home.world.crash(LIAR)
    home.witness_is_back()
    home.assert_goes_on()


@at_each_distance
def test_an_endorsement_alone_renews_nobody(far: int, threshold: int, mode: str) -> None:
    """A healthy witness hears it: what everybody else cosigns becomes final, so nothing has to be renewed."""
    home = home_of(threshold, mode)
    attempt = home.attempt(far)
    home.tell(attempt, home.vote(attempt))
    home.put()
    home.world.run(10 * GRACE_MS)
    home.assert_final()
    assert home.endorsed(home.witness) == 0, "no renewal"
    home.assert_goes_on()


@in_households
def test_who_pushes_without_end_gets_two_promises_a_round(threshold: int) -> None:
    """One honest authority is pushed as fast as S1 and S14 let it be; the others follow, and nothing ends."""
    home = home_of(threshold, "auto")
    home.witness_is_away(GRACE_MS - 1_000)
    pushed = home.honest[-1]
    rounds = 12
    for _ in range(rounds):
        core = home.world.nodes[pushed].core
        assert core is not None and core.head is not None
        ceiling = core._promises.ceiling(core.head.standing)
        for step in range(3):
            home.tell(home.attempt(ceiling + step * EPOCH_STRIDE), to=(pushed,))
        home.world.run(ROUND_MS)
    most = (rounds + 1) * (PROMISES_PER_AUTHOR_MAX * len(home.names))
    assert 2 < home.endorsed(pushed) <= most
    home.witness_is_back()
    home.assert_goes_on()


@in_each
@in_households
def test_revocations_without_end_do_not_hold_a_renewal_up(threshold: int, mode: str) -> None:
    """The liar has somebody bound, and asks people for something new whenever they have been waited for."""
    home = home_of(threshold, mode)
    asked = home.world.command(home.honest[-1], Recover("slow"))
    home.world.run(1_000)
    if threshold > 2:
        home.world.command(home.honest[1], Endorse(asked))
    home.world.crash(LIAR)
    home.world.start(LIAR)
    home.world.mesh()
    home.put()
    for turn in range(30):
        attempt = home.attempt(2 + turn, revoked=home.witness)
        home.tell(attempt, home.vote(attempt))
        home.world.run(GRACE_MS // 5)
    core = home.world.nodes[home.witness].core
    assert core is not None and core.live()["final_height"] >= 2
    home.world.crash(LIAR)
    home.assert_goes_on()


@in_households
@pytest.mark.parametrize("first", [True, False], ids=["before it", "after it"])
def test_what_binds_somebody_is_not_buried_under_more_paper(threshold: int, first: bool) -> None:
    """Whoever has endorsed an attempt is freed by a renewal above it (S12), so the witness has to know of it,
    however many more its author has open (and has told the witness before)."""
    home = home_of(threshold, "auto")
    home.witness_is_away(GRACE_MS - 10_000)
    home.world.run(12_000)
    promises = home.world.nodes[home.honest[-1]].core._promises  # type: ignore[union-attr]
    highest = promises.endorsed_epoch() + 1
    home.tell(home.attempt(highest), to=home.honest[1:])
    home.world.run(100)
    assert promises.endorsed_epoch() == highest
    more = [home.attempt(EPOCH_STRIDE * 4 + turn) for turn in range(3 * SPECIAL_PER_AUTHOR_MAX)]
    if not first:
        home.tell(*more, to=home.honest[1:])
        home.world.run(1_000)
    home.world.start(home.witness)
    home.world.connect(LIAR, home.witness)
    home.world.run(100)
    home.tell(*more, to=(home.witness,))
    home.world.run(100)
    home.world.mesh()
    home.world.run(5_000)
    home.world.crash(LIAR)
    home.assert_goes_on()


def test_a_person_is_told_what_to_do_about_an_epoch_out_of_reach() -> None:
    home = home_of(3, "ask")
    for revoked, command in ((None, "asl recover"), ("ann", "asl revoke")):
        attempt = home.attempt(EPOCH_STRIDE + 1, revoked=revoked)
        home.tell(attempt, to=("cleo",))
        home.world.run(100)
        with pytest.raises(UserError, match="S1: its epoch is too far above") as caught:
            home.world.command("cleo", Endorse(attempt.id))
        assert command in caught.value.remedy
    near = home.attempt(EPOCH_STRIDE)
    home.tell(near, to=("cleo",))
    home.world.run(100)
    assert home.world.command("cleo", Endorse(near.id))


def test_alone_nothing_pushes() -> None:
    """1 of 1: the only key that endorses is one's own."""
    made = World(7)
    for name in ("ben", "dan"):
        made.add_node(name)
    made.found(
        "ben",
        ["ben", "dan"],
        Policy(
            witnesses=(Named("ben", made.nodes["ben"].key),),
            threshold=1,
            rotation_allowed=True,
            grace_period_ms=GRACE_MS,
            participants="invited",
            protocol=1,
        ),
    )
    for name in ("ben", "dan"):
        made.start(name)
    made.mesh()
    made.run(5_000)
    head = made.nodes["ben"].core.head  # type: ignore[union-attr]
    assert head is not None
    for epoch in FAR:
        action = Recovery(epoch, head.height, head.id, made.nodes["dan"].key, "mine", ())
        statement = Proposal(made.common_id, made.now_ms, bytes(8), action)
        proposal = sign_statement(statement, made.nodes["dan"].signer)
        made.inject("dan", "ben", encode_message(Push((proposal.raw,), ())))
    made.command("ben", Propose(Admit(bytes([9] * 32), "guest", None)))
    made.run(GRACE_MS)
    core = made.nodes["ben"].core
    assert core is not None and core.live()["final_height"] == 1 and core.live()["endorsed_epoch"] == -1
    made.command("ben", Rotate(made.nodes["dan"].key, "tired"))
    made.run(5_000)
    (row,) = made.nodes["ben"].store.journal(ENDORSE)
    assert row.epoch == 1


def _grown() -> World:
    """A Common of one, grown to 2 of 3 without its founder, who keeps the old key."""
    made = World(7)
    names = ["old", "ben", "cleo", "dan"]
    for name in names:
        made.add_node(name)
    alone = Policy(
        witnesses=(Named("old", made.nodes["old"].key),),
        threshold=1,
        rotation_allowed=True,
        grace_period_ms=GRACE_MS,
        participants="invited",
        protocol=1,
    )
    made.found("old", names, alone)
    for name in names:
        made.nodes[name].options["auto"] = True
        made.start(name)
    made.mesh()
    made.run(3_000)
    change = made.command("old", ChangePolicy(policy_of(made, names[1:], 2, GRACE_MS)))
    made.run(2_000)
    for name in ("ben", "cleo"):
        made.command(name, Endorse(change))
    made.run(10_000)
    handed = made.command("old", Rotate(made.nodes["ben"].key, "bye"))
    made.run(2_000)
    for name in ("ben", "cleo"):
        made.command(name, Endorse(handed))
    made.run(10_000)
    made.command("ben", Propose(Admit(bytes([9] * 32), "guest", None)))
    made.run(5_000)
    return made


@pytest.mark.parametrize("far", FAR)
@pytest.mark.parametrize("base", [0, 1])
def test_a_retired_key_beside_a_liar_lifts_nobody(far: int, base: int) -> None:
    """Its proposals and endorsements, on bases of its own time, are nobody's ceiling and choose no epoch."""
    made = _grown()
    old, cleo = made.nodes["old"], made.nodes["cleo"]
    row = cleo.store.snapshot_at(0, base)
    assert row is not None or base == 0
    id_ = made.common_id if row is None else row.id
    action = Recovery(far, base, id_, old.key, "mine", ())
    proposal = sign_statement(Proposal(made.common_id, made.now_ms, bytes(8), action), old.signer)
    for signer in (old.signer, made.nodes["dan"].signer):
        vote = sign_statement(Endorsement(made.common_id, proposal.id, far, made.now_ms), signer)
        made.inject("old", "cleo", encode_message(Push((proposal.raw,), ())))
        made.inject("dan", "cleo", encode_message(Push((vote.raw,), ())))
    made.run(1_000)
    core = cleo.core
    assert core is not None and core.head is not None
    assert core._promises.ceiling(core.head.standing) <= core.head.standing.next_epoch + 1 + EPOCH_STRIDE
    made.command("ben", Propose(Admit(bytes([8] * 32), "another", None)))
    made.run(10 * GRACE_MS)
    asked = made.command("cleo", Recover("slow"))
    made.run(1_000)
    made.command("ben", Endorse(asked))
    made.run(10 * GRACE_MS)
    for name in ("ben", "cleo"):
        core = made.nodes[name].core
        assert core is not None and core.head is not None
        assert core.head.standing.next_witness == cleo.key
        assert core.live()["final_height"] == core.head.height == 6


# --- while two policies are in force (S1, P4) ---------------------------------------------------------


def _joint(*, final: bool) -> tuple[Stage, Grown]:
    """Dan, of the new 2 of 3, whose change the old key alone had to agree to; ben and cleo have reached
    `EPOCH_STRIDE` and the old key nothing."""
    grown = Grown()
    world, change = grown.world, grown.change
    stage = Stage(world, DAN)
    ben = stage.link(BEN).holds(change)
    ben.heads(change)
    if final:
        ben.pushes(*(world.cosignature(change, one) for one in (ANN, BEN, CLEO)))
    asked = world.recovery(change, BEN, EPOCH_STRIDE)
    ben.pushes(asked, world.endorsement(asked, CLEO))
    assert stage.core.head is not None and stage.core.head.standing.joint
    return stage, grown


def _takes(stage: Stage, asked: Verified[Proposal]) -> bool:
    """Whether dan endorses it when he is asked."""
    stage.link(CLEO).pushes(asked)
    try:
        stage.does(Endorse(asked.id))
    except UserError:
        return False
    return asked.id in stage.promised(ENDORSE)


def test_where_the_new_policy_alone_judges_its_authorities_alone_lift_the_ceiling() -> None:
    """P4: keys that have retired hold down nobody's ceiling once the change is final."""
    stage, grown = _joint(final=True)
    far = grown.world.recovery(grown.change, CLEO, 2 * EPOCH_STRIDE, CLEO)
    assert not _takes(stage, grown.world.recovery(grown.change, CLEO, 2 * EPOCH_STRIDE + 1, CLEO))
    assert _takes(stage, far)
    assert stage.does(Recover("slow")) is not None
    newest = stage.store.journal(ENDORSE)[0]
    assert newest.epoch == 2 * EPOCH_STRIDE + 1, "one above the highest, within reach (S1)"


def test_while_both_policies_judge_the_least_of_both_is_the_ceiling() -> None:
    stage, grown = _joint(final=False)
    assert not _takes(stage, grown.world.recovery(grown.change, CLEO, EPOCH_STRIDE + 1, CLEO))
    assert _takes(stage, grown.world.recovery(grown.change, CLEO, EPOCH_STRIDE, CLEO))


def test_a_handover_in_a_joint_phase_has_the_ceiling_of_both_policies() -> None:
    """A rotation carries no settlement: both judge it, whatever is final."""
    stage, grown = _joint(final=True)
    core, head = stage.core, stage.core.head
    assert head is not None
    handover = grown.world.rotation(grown.change, BEN, EPOCH_STRIDE).statement.action
    takeover = grown.world.recovery(grown.change, BEN, EPOCH_STRIDE).statement.action
    assert isinstance(handover, Rotation) and isinstance(takeover, Recovery)
    assert core._promises.ceiling(core._certificates.judging(head, handover)) == EPOCH_STRIDE
    assert core._promises.ceiling(core._certificates.judging(head, takeover)) == 2 * EPOCH_STRIDE
