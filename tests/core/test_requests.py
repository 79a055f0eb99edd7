"""What a person orders about succession: done, or refused in words with what to do next and nothing changed.

`Machine.step` asserts the latter: a command that is refused has written nothing and signed nothing.
"""

from __future__ import annotations

from random import Random

import pytest

from aslp2p.artifacts.types import Endorsement, PolicyChange, Recovery, Revocation
from aslp2p.core.inputs import (
    ChangePolicy,
    Command,
    Endorse,
    MarkStale,
    Now,
    Propose,
    Recover,
    Revoke,
    Rotate,
    Vouch,
)
from aslp2p.core.node import NodeCore
from aslp2p.errors import UserError
from aslp2p.limits import SPECIAL_PER_AUTHOR_MAX
from aslp2p.store.memory import MemoryStore
from tests.model.liar import Liar
from tests.model.network import KEYS, VERIFIER, WALL_MS, Machine, Network, key, policy_of

_SUCCESSIONS: tuple[Command, ...] = (Recover(""), Revoke(key("c"), ""))


def network(threshold: int = 2, authorities: str = "abc", also: str = "d", liars: str = "") -> Network:
    """2 of a, b and c, of whom a is the witness, and d; the first of `liars`, if there are any, is it."""
    policy = policy_of(authorities, threshold)
    honest = [name for name in authorities + also if name not in liars]
    return Network(Random(1), policy, witness=(liars or "a")[0], honest=honest, liars=tuple(liars))


def spread(where: Network, *names: str) -> None:
    """These see everything, and cosign."""
    for name in names or where.machines:
        machine = where.machines[name]
        machine.take(machine.left())
        machine.tick()


def grow(where: Network, *names: str) -> bytes:
    """One more snapshot by a, which these see too; its id."""
    a = where.machines["a"]
    a.step(Propose(where.next_put()))
    a.tick()
    spread(where, *names)
    return where.snapshots[-1].id


def refused(machine: Machine, command: Command) -> UserError:
    count = len(machine.refused)
    assert machine.step(command) is None
    assert len(machine.refused) == count + 1, "it was not refused"
    error = machine.refused[-1]
    assert error.remedy or "in doubt" in error.message
    return error


def the_action(where: Network, proposal: bytes) -> object:
    return where.proposals[proposal].statement.action


# --- endorsing ----------------------------------------------------------------------------------------


def test_an_endorsement_is_answered_and_the_same_again() -> None:
    home = network()
    b, c = home.machines["b"], home.machines["c"]
    asked = b.step(Recover("gone"))
    assert isinstance(the_action(home, asked), Recovery)
    c.see(home.about(asked))
    first = c.step(Endorse(asked))
    assert first == c.step(Endorse(asked))
    assert [item.signed.raw for item in home.heap if isinstance(item.signed.statement, Endorsement)][
        -1
    ] == first


def test_what_is_not_open_is_not_endorsed() -> None:
    home = network()
    a = home.machines["a"]
    assert "no open proposal" in refused(a, Endorse(bytes(32))).message
    a.step(Propose(home.next_put()))
    (put,) = a.core._pending.proposals
    assert "needs no endorsement" in refused(a, Endorse(put)).message


def test_whose_endorsement_does_not_count_gives_none() -> None:
    home = network()
    asked = home.machines["b"].step(Recover("gone"))
    d = home.machines["d"]
    d.see(home.about(asked))
    assert "no authority" in refused(d, Endorse(asked)).message


def test_an_incoming_witness_and_an_incoming_authority_endorse() -> None:
    home = network()
    a, d = home.machines["a"], home.machines["d"]
    for asked in (a.step(Rotate(key("d"), "moving out")), a.step(ChangePolicy(policy_of("abd", 2)))):
        d.see(home.about(asked))
        assert d.step(Endorse(asked)) is not None


def test_a_base_that_is_not_here_is_not_judged() -> None:
    home = network()
    grow(home, "b")
    asked = home.machines["b"].step(Recover("gone"))
    c = home.machines["c"]
    c.see(home.about(asked))
    assert "not here yet" in refused(c, Endorse(asked)).message
    spread(home, "c")
    c.see(home.about(asked))
    assert c.step(Endorse(asked)) is not None


def test_a_rotation_whose_reign_has_ended_is_not_endorsed() -> None:
    """V4: a new policy ends the reign; the witness has to ask again."""
    home = network()
    a, b, c, d = (home.machines[name] for name in "abcd")
    asked = a.step(Rotate(key("b"), "moving out"))
    change = a.step(ChangePolicy(policy_of("abd", 2)))
    for machine in (b, d):
        machine.see(home.about(change))
        machine.step(Endorse(change))
    spread(home, "a", "c")
    assert a.head.standing.joint
    c.see(home.about(asked))
    error = refused(c, Endorse(asked))
    assert error.message.startswith("V4") and "asl rotate" in error.remedy


def test_a_second_succession_of_one_epoch_is_not_endorsed() -> None:
    home = network()
    b, c = home.machines["b"], home.machines["c"]
    first, second = b.step(Recover("gone")), c.step(Recover("gone"))
    c.see(home.about(first))
    error = refused(c, Endorse(first))
    assert "something else for that epoch" in error.message
    assert second != first


def test_what_was_overtaken_before_it_was_answered_is_wanted_when_it_comes_again() -> None:
    """S1, S7, seeds 182 and 654 of the swarm: where the grace period is shorter than people take to answer,
    each was refused the attempt that they were asked for, and the next ones never got their quorum."""
    home = network()
    b, c = home.machines["b"], home.machines["c"]
    first = b.step(Recover("gone"))
    c.step(Recover("gone"))
    c.see(home.about(first))
    refused(c, Endorse(first))
    again = b.step(Recover("gone"))
    c.see(home.about(again))
    assert key("c") in c.core._certificates.endorsements(again)


def test_on_a_base_below_what_was_cosigned_the_same_is_proposed_again_on_our_head() -> None:
    """S3: nothing below is endorsed; who wanted the first one endorses this one without being asked."""
    home = network()
    grow(home, "b")
    b, c = home.machines["b"], home.machines["c"]
    asked = c.step(Recover("gone"))
    b.see(home.about(asked))
    b.step(Endorse(asked))
    (again,) = [one for one in home.proposals.values() if one.key == key("b") and one.id != asked]
    action = again.statement.action
    assert isinstance(action, Recovery)
    assert (action.new_witness, action.reason, action.base_id) == (key("c"), "gone", b.ledger.head.id)
    assert not b.core._certificates.endorsements(asked).keys() & {key("b")}
    assert key("b") in b.core._certificates.endorsements(again.id)


def test_what_is_still_being_audited_is_not_endorsed_on() -> None:
    """G4."""
    home = network()
    grow(home)
    b = home.machines["b"]
    asked = b.step(Recover("gone"))
    fresh = Machine(home, "c")
    snapshot = home.snapshots[-1]
    listed = [home.proposals[id_] for id_ in snapshot.statement.proposals]
    grow(home)
    newer = home.snapshots[-1]
    fresh.ledger.accept_run(
        [(snapshot, listed), (newer, [home.proposals[id_] for id_ in newer.statement.proposals])]
    )
    fresh.store.commit()
    fresh.see(home.about(asked))
    assert fresh.ledger.audited_height() < fresh.head.height
    assert "audited" in refused(fresh, Endorse(asked)).message
    assert "audited" in refused(fresh, Recover("gone")).message


# --- asking -------------------------------------------------------------------------------------------


def test_who_may_ask_for_what() -> None:
    home = network()
    a, b, d = (home.machines[name] for name in "abd")
    assert "only the witness" in refused(b, Rotate(key("b"), "")).message
    for command in _SUCCESSIONS:
        assert "only an authority" in refused(d, command).message
    to_strangers: list[Command] = [
        Rotate(key("g"), ""),
        Recover("", key("g")),
        Revoke(key("c"), "", (), key("g")),
    ]
    for command in to_strangers:
        assert "must be a member" in refused(a, command).message


def test_whom_a_revocation_makes_witness() -> None:
    """The witness stays, unless it is the one that is revoked; or whoever is named."""
    home = network()
    b = home.machines["b"]
    for command, to in (
        (Revoke(key("a"), "stolen"), "b"),
        (Revoke(key("c"), "stolen"), "a"),
        (Revoke(key("a"), "stolen", (), key("c")), "c"),
    ):
        action = the_action(home, b.step(command))
        assert isinstance(action, Revocation)
        assert (action.new_witness, action.revoked) == (key(to), command.revoked)


def test_what_cannot_be_done_is_not_proposed() -> None:
    home = network()
    a, b = home.machines["a"], home.machines["b"]
    assert "P1" in refused(a, ChangePolicy(policy_of("abcd", 2))).message
    assert "V8" in refused(b, Revoke(key("g"), "")).message
    assert not home.proposals


def test_a_stranger_proposes_nothing() -> None:
    home = network()
    assert "not admitted" in refused(Machine(home, "g"), ChangePolicy(policy_of("abc", 3))).message


def test_so_many_are_open_at_once_and_no_more() -> None:
    home = network()
    d = home.machines["d"]
    for _ in range(SPECIAL_PER_AUTHOR_MAX):
        assert d.step(ChangePolicy(policy_of("abd", 2))) is not None
    assert "too many" in refused(d, ChangePolicy(policy_of("abd", 2))).message


def test_an_outsider_may_ask_for_a_policy_that_it_does_not_endorse() -> None:
    home = network()
    asked = home.machines["d"].step(ChangePolicy(policy_of("abc", 3)))
    assert isinstance(the_action(home, asked), PolicyChange)
    assert len(home.about(asked)) == 1


def test_what_this_key_cosigned_is_given_up_by_name_only() -> None:
    """S3, S9: a lying witness, no authority, has shown b one history and the others another."""
    home = network(liars="z")
    (liar,) = (Liar(home, "z"),)
    root = home.tip(home.genesis.id)
    lines = []
    for side in ("b", "ac"):
        liar.go_on_from(root)
        lines.append(home.snapshots[-1].id)
        for name in side:
            machine = home.machines[name]
            machine.see(home.line(lines[-1]))
            machine.tick()
    spread(home)
    b = home.machines["b"]
    assert b.head.id == lines[1], "F1"
    error = refused(b, Recover("two histories"))
    assert "S3" in error.message and lines[0].hex()[:12] in error.remedy
    assert b.step(Recover("two histories", None, (lines[0],))) is not None


# --- a key that is in doubt ---------------------------------------------------------------------------


def test_a_key_in_doubt_proposes_policies_and_nothing_that_it_would_have_to_endorse() -> None:
    home = network()
    b = home.machines["b"]
    b.step(MarkStale("restored from a backup"))
    for command in _SUCCESSIONS:
        error = refused(b, command)
        assert "restored" in error.message and "replace-key" in error.remedy
    asked = b.step(ChangePolicy(policy_of("acd", 2)))
    assert len(home.about(asked)) == 1, "proposed, not endorsed"
    assert "journal" in refused(b, Endorse(asked)).message


def test_only_who_is_alone_may_vouch() -> None:
    home = network()
    b = home.machines["b"]
    assert "nothing is in doubt" in refused(b, Vouch()).message
    b.step(MarkStale("restored from a backup"))
    assert "one authority" in refused(b, Vouch()).message
    alone = network(1, "a", "")
    a = alone.machines["a"]
    a.step(MarkStale("restored from a backup"))
    a.step(Vouch())
    assert a.core.live()["stale_reason"] is None


def test_two_finals_stop_everything() -> None:
    """F1: more lied than P1 allows."""
    home = network(liars="ab", also="")
    liar, other = Liar(home, "a"), Liar(home, "b")
    root = home.tip(home.genesis.id)
    for _ in range(2):
        liar.go_on_from(root)
        for one in (liar, other):
            one.cosign(home.snapshots[-1].id)
    spread(home)
    c = home.machines["c"]
    assert c.ledger.conflict() is not None
    error = refused(c, Recover(""))
    assert "exclude each other" in error.message and "evidence" in error.remedy


@pytest.mark.parametrize(
    "command",
    [
        Endorse(bytes(32)),
        Rotate(key("a"), ""),
        Recover(""),
        Revoke(key("a"), ""),
        ChangePolicy(policy_of("a", 1)),
        Vouch(),
    ],
)
def test_a_joiner_without_history_orders_nothing(command: Command) -> None:
    core = NodeCore(MemoryStore(), common_id=bytes(32), signer=KEYS["g"], entropy=bytes, verifier=VERIFIER)
    with pytest.raises(UserError, match="not received the Common"):
        core.step(command, Now(0, WALL_MS))


def test_a_joiner_without_history_can_be_asked_how_it_is() -> None:
    """Its daemon asks before anything has come."""
    core = NodeCore(MemoryStore(), common_id=bytes(32), signer=KEYS["g"], entropy=bytes, verifier=VERIFIER)
    live = core.live()
    assert live["endorsed_epoch"] == -1 and live["final_height"] == 0 and not live["is_authority"]
