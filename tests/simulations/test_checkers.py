"""Each checker lets an honest history pass and catches the one that was doctored for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import count
from typing import Any

import pytest

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.merkle import Frontier
from aslp2p.artifacts.types import Beacon, Cosignature, Endorsement, Proposal, Put, Recovery, Snapshot
from simulations.checkers import liveness
from simulations.checkers.artifacts import COSIGNATURE, SNAPSHOT, Artifact, read
from simulations.checkers.evidence import Claim, Evidence, Image, Promise
from simulations.checkers.judge import Judge
from simulations.checkers.liveness import Expected
from simulations.checkers.room import Wanted, room
from simulations.checkers.safety import SAFETY, final_on
from simulations.keys import SeededKey
from simulations.play import Play
from simulations.scenario_file import parse
from simulations.verdict import evidence_of, judge

HISTORY = """
scenario: history
machines: 4
policy: {authorities: 3, threshold: 2, grace_period: 20s}
network: {delay: 1ms..20ms}
lasts: 90s
heals: 2m
workload: {every: 2s..10s, kinds: mix}
steps:
  - {at: 20s, do: crash, on: first, for: 40s}
"""
GROWN_HISTORY = """
scenario: grown
machines: 4
policy: {authorities: 1, threshold: 1, grace_period: 60s}
network: {delay: 1ms..20ms}
people: 1s..5s
lasts: 4m
heals: 5m
workload: {every: 10s..20s}
steps:
  - {at: 20s, do: policy, on: first, authorities: 3, threshold: 2, keeps: 0}
expect: {final: true, room: true}
"""
NOBODY = SeededKey("nobody whom anybody knows")
Doctor = Callable[[Evidence], Evidence]


@cache
def played() -> Play:
    play = Play(parse(HISTORY), 1)
    play.run()
    return play


@cache
def honest() -> Evidence:
    return evidence_of(played())


@cache
def grown_up() -> Play:
    """A Common that settled a policy without its founder, and went on."""
    play = Play(parse(GROWN_HISTORY), 1)
    play.run()
    return play


def with_image(evidence: Evidence, name: str, **changes: Any) -> Evidence:
    return replace(evidence, images={**evidence.images, name: replace(evidence.images[name], **changes)})


def with_promises(evidence: Evidence, artifacts: Iterable[tuple[str, bytes]]) -> Evidence:
    """More promises that left the machines named."""
    orders = count(1 + max(one.order for one in evidence.promises))
    fresh = [Promise(next(orders), 10**9, machine, read(raw), True) for machine, raw in artifacts]
    return replace(evidence, promises=[*evidence.promises, *fresh])


def image(evidence: Evidence, name: str = "bob") -> Image:
    return evidence.images[name]


def head(evidence: Evidence) -> Artifact:
    return evidence.lines.artifact[image(evidence).head]


def child(
    evidence: Evidence, signer: SeededKey, *, salt: int = 0, listed: tuple[bytes, ...] = (), epoch: int = -1
) -> Verified[Snapshot]:
    """A snapshot on the head; `salt` makes it another one."""
    artifact = head(evidence)
    statement = Snapshot(
        evidence.common_id, artifact.body[1] + 1, artifact.id, artifact.body[3] if epoch < 0 else epoch,
        salt, listed, artifact.body[6] + len(listed), artifact.body[7], None, None,
    )  # fmt: skip
    return sign_statement(statement, signer)


def key_of(name: str) -> SeededKey:
    return played().world.nodes[name].signer


def witness(evidence: Evidence) -> str:
    return next(name for name, one in evidence.images.items() if one.key == head(evidence).key)


def grown(evidence: Evidence, *snapshots: Verified[Snapshot], name: str = "bob") -> Evidence:
    held = {**image(evidence, name).snapshots, **{one.id: one.raw for one in snapshots}}
    return with_image(evidence, name, snapshots=held)


def invented(evidence: Evidence) -> Evidence:
    return grown(evidence, child(evidence, NOBODY))


def with_a_gap(evidence: Evidence) -> Evidence:
    middle = evidence.lines.at_height(image(evidence).head, head(evidence).body[1] // 2)
    held = {id_: raw for id_, raw in image(evidence).snapshots.items() if id_ != middle}
    return with_image(evidence, "bob", snapshots=held)


def listing_twice(evidence: Evidence) -> Evidence:
    line = evidence.lines.line(image(evidence).head)
    old = next(id_ for one in line[1:] for id_ in evidence.lines.artifact[one].body[5])
    again = child(evidence, key_of(witness(evidence)), listed=(old,))
    return with_image(grown(evidence, again), "bob", head=again.id)


def uncosigned(evidence: Evidence) -> Evidence:
    """Nobody has cosigned anything."""
    images = {
        name: replace(one, journal=tuple(raw for raw in one.journal if read(raw).type != COSIGNATURE))
        for name, one in evidence.images.items()
    }
    promises = [one for one in evidence.promises if one.artifact.type != COSIGNATURE]
    return replace(evidence, images=images, promises=promises, claims=[])


def boasting(evidence: Evidence) -> Evidence:
    """Bob calls final what nobody cosigned."""
    claim = Claim(10**9, "bob", image(evidence).head, head(evidence).body[1], head(evidence).body[1])
    return replace(uncosigned(evidence), claims=[claim])


def two_finals(evidence: Evidence) -> Evidence:
    """Two children of one head, both cosigned by everybody."""
    both = [child(evidence, key_of(witness(evidence)), salt=salt) for salt in (1, 2)]
    artifacts = []
    for snapshot in both:
        body = snapshot.statement
        for name in ("alice", "bob", "carol"):
            cosigned = Cosignature(evidence.common_id, body.epoch, body.height, snapshot.id, 0)
            artifacts.append((name, sign_statement(cosigned, key_of(name)).raw))
    return with_promises(grown(evidence, *both), artifacts)


def leaving_what_was_final(evidence: Evidence) -> Evidence:
    one, other = (child(evidence, key_of(witness(evidence)), salt=salt) for salt in (1, 2))
    height = one.statement.height
    claims = [Claim(1, "bob", one.id, height, height), Claim(2, "bob", other.id, height, height - 1)]
    return replace(grown(evidence, one, other), claims=claims)


def less_final(evidence: Evidence) -> Evidence:
    """Bob stands where he stood, and calls less of it final."""
    tip = image(evidence).head
    height = head(evidence).body[1]
    return replace(evidence, claims=[Claim(1, "bob", tip, height, height), Claim(2, "bob", tip, height, 1)])


def off_the_disk(evidence: Evidence) -> Evidence:
    """A cosignature left before it was on the disk."""
    place = next(place for place, one in enumerate(evidence.promises) if one.artifact.type == COSIGNATURE)
    promises = list(evidence.promises)
    promises[place] = replace(promises[place], on_disk=False)
    return replace(evidence, promises=promises)


def two_in_one_place(evidence: Evidence) -> Evidence:
    name = witness(evidence)
    artifacts = [(name, child(evidence, key_of(name), salt=salt).raw) for salt in (1, 2)]
    return with_promises(evidence, artifacts)


def endorsing_backwards(evidence: Evidence) -> Evidence:
    votes = [Endorsement(evidence.common_id, bytes([epoch]) * 32, epoch, 0) for epoch in (9, 8)]
    return with_promises(evidence, [("carol", sign_statement(vote, key_of("carol")).raw) for vote in votes])


def cosigning_the_past(evidence: Evidence) -> Evidence:
    """Carol endorses an epoch far above, and cosigns the old one all the same (S4)."""
    artifact = head(evidence)
    vote = Endorsement(evidence.common_id, bytes(32), artifact.body[3] + 5, 0)
    cosigned = Cosignature(evidence.common_id, artifact.body[3], artifact.body[1], artifact.id, 0)
    artifacts = [("carol", sign_statement(one, key_of("carol")).raw) for one in (vote, cosigned)]
    return with_promises(evidence, artifacts)


def emitting_backwards(evidence: Evidence) -> Evidence:
    name = witness(evidence)
    artifacts = [(name, child(evidence, key_of(name), epoch=epoch).raw) for epoch in (50, 40)]
    return with_promises(evidence, artifacts)


def two_branches_in_an_epoch(evidence: Evidence) -> Evidence:
    """The second snapshot of an epoch does not stand on the first (S13)."""
    name = witness(evidence)
    one, other = (child(evidence, key_of(name), salt=salt) for salt in (1, 2))
    body = other.statement
    on_it = Snapshot(
        evidence.common_id, body.height + 1, other.id, body.epoch, 0, (), body.log_size, body.log_root, None,
        None,
    )  # fmt: skip
    last = sign_statement(on_it, key_of(name))
    return with_promises(grown(evidence, one, other), [(name, one.raw), (name, last.raw)])


def foreign(evidence: Evidence) -> Evidence:
    put = Put("a", content_id(b""), 0, "text/plain", False, 0, None)
    stray = sign_statement(Proposal(bytes(32), 0, bytes(8), put), NOBODY)
    return with_image(evidence, "bob", artifacts={**image(evidence).artifacts, stray.id: stray.raw})


def stale(evidence: Evidence) -> Evidence:
    """The witness lost its journal in the middle, and went on."""
    name = witness(evidence)
    times = sorted(one.at_ms for one in evidence.promises if one.machine == name)
    return replace(
        with_image(evidence, name, journal=()),
        stale={name: times[len(times) // 2]},
        trusted=evidence.trusted - {name},
    )


def counting_anew(evidence: Evidence) -> Evidence:
    """The witness's second beacon counts less than its first."""
    name, at = witness(evidence), head(evidence)
    statements = [Beacon(evidence.common_id, at.body[3], at.body[1], at.id, counter) for counter in (7, 7)]
    beacons = [(name, read(sign_statement(one, key_of(name)).raw)) for one in statements]
    return replace(evidence, beacons=beacons)


def signing_on_and_on(evidence: Evidence) -> Evidence:
    """Carol endorses one attempt of Bob's after the other within a moment (S14)."""
    votes = [Endorsement(evidence.common_id, bytes([epoch]) * 32, epoch, 9_000) for epoch in range(50, 70)]
    journal = (
        *image(evidence, "carol").journal,
        *(sign_statement(one, key_of("carol")).raw for one in votes),
    )
    return with_image(evidence, "carol", journal=journal)


def too_many_branches(evidence: Evidence) -> Evidence:
    more = (child(evidence, key_of(witness(evidence)), salt=salt) for salt in range(300))
    return grown(evidence, *more)


def beside_a_certificate(evidence: Evidence) -> Evidence:
    """The witness emitted the head while two of three had endorsed another one (S10)."""
    name, at = witness(evidence), head(evidence)
    epoch = at.body[3] + 5
    action = Recovery(epoch, at.body[1] - 1, at.body[2], key_of("carol").key, "", ())
    proposal = sign_statement(Proposal(evidence.common_id, 0, bytes(8), action), key_of("carol"))
    vote = Endorsement(evidence.common_id, proposal.id, epoch, 0)
    endorsed = tuple(sign_statement(vote, key_of(one)).raw for one in ("alice", "carol"))
    held = {**image(evidence).artifacts, proposal.id: proposal.raw}
    return replace(with_image(evidence, "bob", artifacts=held), beside=[(name, at.id, endorsed)])


def spoilt_on_one_disk(evidence: Evidence) -> Evidence:
    """Bob has audited a copy of the first snapshot whose signature does not verify; all others hold a good
    one."""
    home = image(evidence)
    id_ = evidence.lines.line(home.head)[1]
    spoilt = home.snapshots[id_][:-64] + bytes(64)
    assert read(spoilt).id == id_
    told = Claim(10**9, "bob", home.head, evidence.lines.height[home.head], 0)
    return replace(
        with_image(evidence, "bob", snapshots={**home.snapshots, id_: spoilt}),
        claims=[*evidence.claims, told],
    )


def going_back_an_epoch(evidence: Evidence) -> Evidence:
    """Bob stood on the takeover's epoch, and then again on what it has ended."""
    tip, lines = image(evidence).head, evidence.lines
    before = next(id_ for id_ in reversed(lines.line(tip)) if lines.epoch[id_] < lines.epoch[tip])
    return replace(
        evidence,
        claims=[
            Claim(1, "bob", tip, lines.height[tip], 0, 0, lines.epoch[tip]),
            Claim(2, "bob", before, lines.height[before], 0, 0, lines.epoch[before]),
        ],
    )


def takeover_of_the_retired(evidence: Evidence) -> tuple[Verified[Proposal], Verified[Snapshot]]:
    """By the founder alone, on what lies below the policy that took its power."""
    lines, founder = evidence.lines, key_of("alice")
    change = Judge(evidence).floors[1]
    base = lines.artifact[lines.parent[change.id]]
    action = Recovery(9, change.height - 1, base.id, founder.key, "", (change.id,))
    proposal = sign_statement(Proposal(evidence.common_id, 0, bytes(8), action), founder)
    vote = sign_statement(Endorsement(evidence.common_id, proposal.id, 9, 0), founder)
    listed = [id_ for one in lines.line(base.id)[1:] for id_ in lines.artifact[one].body[5]]
    frontier, _ = Frontier().extend([*listed, proposal.id])
    statement = Snapshot(
        evidence.common_id, change.height, base.id, 9, 0, (proposal.id,), frontier.size, frontier.root(),
        (vote.raw,), None,
    )  # fmt: skip
    return proposal, sign_statement(statement, founder)


def captured(_: Evidence) -> Evidence:
    """Carol, who knew the founder's key to have retired, follows it back (F5, S9)."""
    evidence = evidence_of(grown_up())
    home = evidence.images["carol"]
    proposal, rival = takeover_of_the_retired(evidence)
    held = with_image(
        evidence, "carol", artifacts={**home.artifacts, proposal.id: proposal.raw},
        snapshots={**home.snapshots, rival.id: rival.raw},
    )  # fmt: skip
    height = rival.statement.height
    told = Claim(10**9, "carol", rival.id, height, height, 0, 9)
    return replace(held, claims=[*evidence.claims, told])


def halted(_: Evidence) -> Evidence:
    """Carol signs nothing more, and nobody in power has contradicted (F5)."""
    return replace(evidence_of(grown_up()), halts=[(10**9, "carol")])


DOCTORED: dict[str, tuple[Doctor, ...]] = {
    "authorization": (invented, spoilt_on_one_disk),
    "chain": (with_a_gap,),
    "inclusion": (listing_twice,),
    "quorum": (boasting,),
    "agreement": (two_finals,),
    "floor": (captured, halted),
    "rollback": (leaving_what_was_final, less_final),
    "precedence": (going_back_an_epoch,),
    "promises": (off_the_disk, two_in_one_place, endorsing_backwards),
    "fencing": (cosigning_the_past, emitting_backwards, two_branches_in_an_epoch),
    "isolation": (foreign,),
    "blame": (lambda evidence: replace(evidence, blamed=[("alice", "bob", "for nothing")]),),
    "durability": (lambda evidence: replace(evidence, proposed={bytes(32): ("bob", 1)}),),
    "noted": (
        lambda evidence: with_image(
            grown(evidence, *(child(evidence, key_of(witness(evidence)), salt=salt) for salt in (1, 2))),
            "bob",
            noted=frozenset(),
        ),
    ),
    "held": (lambda evidence: replace(evidence, unheld=[("bob", bytes(32))]),),
    "stale": (stale,),
    "counters": (counting_anew,),
    "deposed": (beside_a_certificate,),
    "calm": (signing_on_and_on, too_many_branches),
}


def test_the_honest_history_has_everything_that_is_doctored_and_passes() -> None:
    evidence = honest()
    kinds = {one.artifact.type for one in evidence.promises}
    assert len(kinds) == 3 and head(evidence).body[3] > 0, "no cosignature, endorsement or takeover to doctor"
    assert {name: list(check(Judge(evidence))) for name, check in SAFETY.items()} == {
        name: [] for name in SAFETY
    }
    assert judge(played()).broken() == []


def test_a_common_that_grew_up_has_a_floor_and_passes() -> None:
    evidence = evidence_of(grown_up())
    assert len(Judge(evidence).floors) > 1
    assert judge(grown_up()).broken() == []


def test_what_retired_keys_sign_makes_no_two_finals() -> None:
    """F5: the founder's key cosigns its own history, on everybody's disk, and nothing is wrong with that."""
    evidence = evidence_of(grown_up())
    proposal, rival = takeover_of_the_retired(evidence)
    held = grown(evidence, rival, name="carol")
    held = with_image(held, "carol", artifacts={**held.images["carol"].artifacts, proposal.id: proposal.raw})
    cosigned = Cosignature(evidence.common_id, 9, rival.statement.height, rival.id, 0)
    held = with_promises(held, [("alice", sign_statement(cosigned, key_of("alice")).raw)])
    judged = Judge(held)
    assert final_on(judged, rival.id) == rival.statement.height
    assert not list(SAFETY["agreement"](judged)) and not list(SAFETY["floor"](judged))


def test_every_safety_check_has_a_doctored_history() -> None:
    assert DOCTORED.keys() == SAFETY.keys()


@pytest.mark.parametrize(
    ("name", "doctor"), [(name, doctor) for name, doctors in DOCTORED.items() for doctor in doctors]
)
def test_a_doctored_history_is_caught(name: str, doctor: Doctor) -> None:
    assert list(SAFETY[name](Judge(doctor(honest()))))


def test_who_lost_an_unsaved_genesis_left_nothing() -> None:
    """Seed 44367: nothing was promised between hearing of the Common and the disk that was full."""
    evidence = honest()
    claims = [Claim(1, "bob", evidence.common_id, 0, 0), Claim(9, "bob", bytes(32), 0, 0, since_ms=5)]
    assert not list(SAFETY["rollback"](Judge(replace(evidence, claims=claims))))


LACKING: dict[str, Wanted] = {
    "nobody could be invited": Wanted(),
    "no member": Wanted(bytes(32)),
    "could not be replaced": Wanted(SeededKey("bob").key),
    "no policy could be proposed": Wanted(SeededKey("bob").key, bytes(32)),
    "not in force": Wanted(SeededKey("bob").key, bytes(32), frozenset([bytes(32)])),
}


@pytest.mark.parametrize(("problem", "wanted"), LACKING.items())
def test_room_says_what_was_not_to_be_had(problem: str, wanted: Wanted) -> None:
    judged = Judge(honest())
    assert [problem in one for one in room(judged, image(honest()).head, wanted)] == [True]


def test_an_unsettled_policy_has_no_room() -> None:
    judged = Judge(evidence_of(grown_up()))
    tip = judged.floors[1].id
    keys = frozenset(key for _, key in judged.line(tip).state.policies[-1][1][0])
    wanted = Wanted(SeededKey("bob").key, bytes(32), keys)
    assert ["not settled" in one for one in room(judged, tip, wanted)] == [True]


def parted(evidence: Evidence) -> Evidence:
    """Two participants know the same and stand apart."""
    dave = image(evidence, "dave")
    erin = replace(dave, name="erin", key=NOBODY.key, head=evidence.lines.parent[dave.head])
    return replace(evidence, images={**evidence.images, "erin": erin}, trusted=evidence.trusted | {"erin"})


def last_listed(evidence: Evidence) -> frozenset[bytes]:
    return frozenset(head(evidence).body[5])


def unanswered(evidence: Evidence) -> Evidence:
    put = Put("a", content_id(b""), 0, "text/plain", False, 0, None)
    proposal = sign_statement(Proposal(evidence.common_id, 0, bytes(8), put), key_of("bob"))
    held = {**image(evidence).artifacts, proposal.id: proposal.raw}
    return replace(with_image(evidence, "bob", artifacts=held), proposed={proposal.id: ("bob", 5)})


LIVELESS: dict[str, tuple[Callable[[Judge], Iterable[str]], Doctor]] = {
    "convergence": (
        lambda judged: liveness.convergence(judged, Expected()),
        lambda evidence: with_image(evidence, "bob", head=evidence.lines.parent[image(evidence).head]),
    ),
    "progress": (
        lambda judged: liveness.progress(judged, Expected(), frozenset([bytes(32)])),
        lambda evidence: evidence,
    ),
    "equality": (lambda judged: liveness.equality(judged, Expected()), parted),
    "finality": (
        lambda judged: liveness.finality(judged, Expected(final=True), last_listed(honest())),
        uncosigned,
    ),
    "answered": (lambda judged: liveness.answered(judged, Expected()), unanswered),
    "no needless takeover": (
        lambda judged: liveness.successor(judged, Expected(takeovers=(0, 0))),
        lambda evidence: evidence,
    ),
    "no needless rotation": (
        lambda judged: liveness.successor(judged, Expected(rotations=(1, 1))),
        lambda evidence: evidence,
    ),
    "the successor": (
        lambda judged: liveness.successor(judged, Expected(witness="dave")),
        lambda evidence: evidence,
    ),
    "contents": (
        lambda judged: liveness.contents(judged, Expected()),
        lambda evidence: with_image(evidence, "bob", contents=frozenset()),
    ),
    "bounded": (
        lambda judged: liveness.bounded(judged, Expected()),
        lambda evidence: with_image(
            evidence, "bob", open=frozenset(n.to_bytes(32, "big") for n in range(liveness.OPEN_MAX + 1))
        ),
    ),
}


@pytest.mark.parametrize("name", LIVELESS)
def test_what_did_not_come_to_pass_is_caught(name: str) -> None:
    check, doctor = LIVELESS[name]
    assert list(check(Judge(doctor(honest()))))


def test_what_only_a_machine_held_that_is_gone_is_not_asked_for() -> None:
    """Its owner was switched off before it was anywhere else. What nobody holds is asked for."""
    evidence = honest()
    lost = next(id_ for id_, _ in Judge(evidence).line(evidence.images["bob"].head).state.files.values())
    for name in evidence.images:
        evidence = with_image(evidence, name, contents=evidence.images[name].contents - {lost})
    assert list(liveness.contents(Judge(evidence), Expected()))
    gone = with_image(evidence, "dave", contents=honest().images["dave"].contents, on=False)
    assert not list(liveness.contents(Judge(gone), Expected()))


@pytest.mark.parametrize(
    ("expect", "broken"),
    [
        ("{within: 1s}", ["interregnum"]),
        ("{takeovers: 0}", ["successor"]),
        ("{witness: dave}", ["successor"]),
        ("{takeovers: 1, within: 40s}", []),
    ],
)
def test_what_a_scenario_expects_is_asked_for(expect: str, broken: list[str]) -> None:
    play = Play(parse(f"{HISTORY}expect: {expect}"), 1)
    play.run()
    assert judge(play).broken() == broken


def test_the_checkers_have_a_log_of_their_own() -> None:
    """The checkers' own Merkle log agrees with the product's, which they do not import."""
    from simulations.checkers.artifacts import log_append, log_root

    peaks: list[tuple[int, bytes]] = []
    frontier = Frontier()
    for number in range(70):
        assert log_root(peaks) == frontier.root()
        leaf = number.to_bytes(32, "big")
        peaks, frontier = log_append(peaks, leaf), frontier.append(leaf)


def test_the_snapshots_of_the_history_are_those_that_left() -> None:
    evidence = honest()
    left = {one.artifact.id for one in evidence.promises if one.artifact.type == SNAPSHOT}
    assert set(evidence.lines.line(image(evidence).head)[1:]) <= left
