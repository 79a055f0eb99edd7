"""What an authority's daemon promises by itself (S2, S7, S9): little, late, and never what gives something
up."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.envelope import Verified, decode_artifact
from aslp2p.artifacts.types import Action, Endorsement, Proposal, Recovery, Revocation, Rotation
from aslp2p.core.inputs import Endorse
from aslp2p.gossip.messages import Push
from aslp2p.limits import REPAIR_MS
from tests.core.scripted import SECOND_MS, Neighbour, Stage, said
from tests.core.test_silence_monitor import GRACE_MS, TURN_MS, beacon, household
from tests.ledger.builder import ANN, BEN, CLEO, DAN, Key, World

AFTER_MS = GRACE_MS + SECOND_MS


def linked(world: World, *, auto: bool = True, own: Key = CLEO) -> tuple[Stage, Neighbour]:
    stage = Stage(world, own, auto=auto)
    ben = stage.link(BEN)
    ben.heads(world.root)
    return stage, ben


def endorsed(stage: Stage, neighbour: Neighbour) -> set[bytes]:
    """The proposals that the node has endorsed, as its neighbour has heard; each is in the journal."""
    artifacts = [decode_artifact(raw) for push in neighbour.heard(Push) for raw in push.artifacts]
    found = {one.statement.proposal for one in artifacts if isinstance(one.statement, Endorsement)}
    assert found <= {*stage.promised("endorse"), *stage.promised("endorse-policy")}
    return found


def recovery(world: World, **changes: object) -> Verified[Proposal]:
    """Ben asks for himself, on the genesis, giving up nothing, unless said otherwise."""
    fields: dict[str, object] = {
        "epoch": 1,
        "base_height": 0,
        "base_id": world.id,
        "new_witness": BEN.key,
        "reason": "the witness is silent",
        "abandons": (),
    }
    action: Action = Recovery(**(fields | changes))  # type: ignore[arg-type]
    return world.propose(action, BEN)


def test_a_recovery_is_endorsed_after_the_silence_that_this_machine_has_measured() -> None:
    """S2: not when somebody says that the witness is silent."""
    world = household()
    stage, ben = linked(world)
    asked = recovery(world)
    ben.pushes(asked)
    stage.wait(GRACE_MS - SECOND_MS)
    assert endorsed(stage, ben) == set()
    stage.wait(2 * SECOND_MS)
    assert endorsed(stage, ben) == {asked.id}


def test_whoever_asks_people_endorses_nothing_by_itself() -> None:
    world = household()
    stage, ben = linked(world, auto=False)
    asked = recovery(world)
    ben.pushes(asked)
    stage.wait(3 * TURN_MS)
    assert asked.id not in endorsed(stage, ben)
    stage.happen(Endorse(asked.id))
    assert asked.id in endorsed(stage, ben)


def test_a_recovery_that_gives_something_up_is_never_endorsed_without_a_person() -> None:
    """S9: what was cosigned is given up by people, never by a daemon."""
    world = household()
    stage, ben = linked(world)
    lost = world.puts(world.root, "lost")
    asked = recovery(world, abandons=(lost.id,))
    ben.pushes(asked)
    stage.wait(AFTER_MS)
    assert asked.id not in endorsed(stage, ben)
    stage.happen(Endorse(asked.id))
    assert asked.id in endorsed(stage, ben)


@pytest.mark.parametrize("what", ["for another", "a revocation", "a rotation"])
def test_nothing_else_is_endorsed_without_a_person(what: str) -> None:
    world = household()
    stage, ben = linked(world)
    asked = {
        "for another": recovery(world, new_witness=DAN.key),
        "a revocation": world.propose(Revocation(1, 0, world.id, BEN.key, "stolen", (), ANN.key, ()), BEN),
        "a rotation": world.propose(Rotation(1, 0, world.id, DAN.key, "moving out"), ANN),
    }[what]
    ben.pushes(asked)
    stage.wait(AFTER_MS)
    assert asked.id not in endorsed(stage, ben)


def test_no_recovery_on_another_base_is_endorsed() -> None:
    """What it leaves out was witnessed; people decide that."""
    world = household()
    stage, ben = linked(world)
    node = world.puts(world.root, "witnessed")
    ben.holds(node).heads(node)
    assert stage.head == node.id
    asked = recovery(world)
    ben.pushes(asked)
    stage.wait(AFTER_MS)
    assert asked.id not in endorsed(stage, ben)


def test_a_sign_of_life_takes_the_endorsement_back_in_time() -> None:
    world = household()
    stage, ben = linked(world)
    ben.pushes(recovery(world))
    stage.wait(GRACE_MS - SECOND_MS)
    ben.pushes(beacon(world, 1))
    stage.wait(GRACE_MS - SECOND_MS)
    assert endorsed(stage, ben) == set()


def test_nothing_is_endorsed_or_proposed_on_what_is_not_audited() -> None:
    """G4: a history that was only shown may not be what its signers signed."""
    grace_ms = 2 * SECOND_MS
    world = household(grace_ms)
    line = world.chain(world.root, 30, "line")
    bad = line.line()[9].proposals[0]
    stage = Stage(world, CLEO, auto=True)
    stage.link(ANN).holds(line, spoiled={bad.id}).heads(line)
    assert stage.head == line.id
    ben = stage.link(BEN)
    ben.heads(line)
    ben.pushes(recovery(world, base_height=line.height, base_id=line.id))
    log = stage.wait(REPAIR_MS // 2)
    assert stage.head == line.id and stage.core.live()["audited_height"] == 9
    assert stage.core.live()["silent_ms"] > grace_ms
    assert not stage.promised("endorse")
    assert not [line for line in said(log, "ben < push") if "witness-recovery" in line]


def test_in_its_turn_it_proposes_itself_and_once_a_round() -> None:
    """S7: the last of the policy waits for those before it."""
    world = household()
    stage, ben = linked(world, auto=False)
    stage.wait(TURN_MS)
    assert said(stage.log, "* notice recovery-proposed") == [
        "* notice recovery-proposed: the witness ann is silent; people are asked to endorse a new one"
    ]
    stage.wait(SECOND_MS)
    pushed = [decode_artifact(raw) for push in ben.heard(Push) for raw in push.artifacts]
    actions = [one.statement.action for one in pushed if isinstance(one.statement, Proposal)]
    assert [type(action) for action in actions] == [Recovery]
    (action,) = actions
    assert isinstance(action, Recovery)
    assert (action.epoch, action.base_id, action.new_witness) == (1, world.id, CLEO.key)
    assert action.abandons == ()
