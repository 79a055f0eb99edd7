"""What people are told about open paper: who has signed, who is missing, and what a policy risks."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Endorsement, Named, PolicyChange, Proposal, Recovery, Rotation
from aslp2p.errors import UserError
from aslp2p.ledger.journal import ENDORSE, META_STALE
from aslp2p.ledger.reader import JournalRow, PutArtifacts, PutJournal, PutMeta
from aslp2p.views.certificates import offers
from aslp2p.views.pending import open_artifacts, open_certified
from aslp2p.views.policy_change import compare
from tests.views.histories import DAY_MS, History, Key


def endorse(history: History, proposal: Verified[Proposal], *signers: Key, epoch: int) -> None:
    for signer in signers:
        one = sign_statement(Endorsement(history.id, proposal.id, epoch, 1), signer)
        history.store.apply([PutArtifacts([one], open=True)])


def papers(history: History, asker: Key) -> list[dict[str, Any]]:
    view = history.view(asker)
    return open_certified(view, open_artifacts(view))


def recovery(history: History, author: Key, epoch: int) -> Verified[Proposal]:
    action = Recovery(epoch, history.tip.height, history.tip.id, author.key, "", ())
    return history.propose(action, author)


def test_a_rotation_waits_for_a_quorum_and_for_who_takes_over() -> None:
    history = History()
    action = Rotation(1, 0, history.tip.id, history.cleo.key, "moving out")
    proposal = history.propose(action)
    assert papers(history, history.ann)[0]["paper"]["progress"] == (
        "0 of 2; missing 2 of you, ben, cleo; cleo has to accept"
    )
    endorse(history, proposal, history.ann, epoch=1)
    paper = papers(history, history.ben)[0]["paper"]
    assert paper["progress"] == "1 of 2: ann; missing you or cleo; cleo has to accept"
    assert paper["may_endorse"] and not paper["complete"]
    endorse(history, proposal, history.ben, epoch=1)
    assert not papers(history, history.ben)[0]["paper"]["may_endorse"], "it was endorsed"
    paper = papers(history, history.cleo)[0]["paper"]
    assert paper["progress"] == "2 of 2: ann, ben; you has to accept" and paper["may_endorse"]
    endorse(history, proposal, history.cleo, epoch=1)
    paper = papers(history, history.cleo)[0]["paper"]
    assert paper["complete"] and paper["progress"] == "3, where 2 are enough: ann, ben, you"


def test_a_rotation_of_a_reign_that_is_over_is_nobodys_to_sign() -> None:
    """V4: it stays open as it binds whoever has endorsed it (S4), and people are told that it is over."""
    history = History()
    theirs = history.propose(Rotation(2, 0, history.tip.id, history.cleo.key, "moving out"), history.ben)
    elsewhere = history.propose(Rotation(3, 0, bytes(32), history.cleo.key, "moving out"))
    for proposal in (theirs, elsewhere):
        endorse(history, proposal, history.ann, epoch=2)
    for asker in (history.ann, history.ben, history.cleo):
        for one in papers(history, asker):
            assert "is over" in one["paper"]["progress"] and one["paper"]["over"]
            assert not one["paper"]["may_endorse"] and not one["paper"]["complete"]
        assert not offers(papers(history, asker))


def test_of_recoveries_the_one_nearest_to_its_quorum_is_offered() -> None:
    """S8"""
    history = History()
    recovery(history, history.ben, 1)
    near = recovery(history, history.cleo, 2)
    endorse(history, near, history.cleo, epoch=2)
    assert [one["id"] for one in offers(papers(history, history.ben))] == [near.id.hex()]


def test_nobody_is_asked_for_what_their_key_cannot_sign() -> None:
    history = History()
    recovery(history, history.cleo, 1)
    assert offers(papers(history, history.ben))
    history.store.apply([PutJournal(JournalRow(ENDORSE, 1, 0, bytes(32), b"another"))])
    assert not offers(papers(history, history.ben)), "S1: another one of that epoch"
    history = History()
    recovery(history, history.cleo, 1)
    history.store.apply([PutMeta(META_STALE, b"restored")])
    assert not offers(papers(history, history.ben)), "S11"
    stranger = Key(9)
    history.store.apply([PutMeta(META_STALE, None)])
    assert not offers(papers(history, stranger))


def test_a_policy_change_needs_both_quorums() -> None:
    history = History()
    zoe = Key(4)
    named = (*history.policy.witnesses, Named("zoe", zoe.key))
    change = PolicyChange(replace(history.policy, witnesses=named, threshold=3), history.id)
    endorse(history, history.propose(change, history.ben), history.ben, epoch=0)
    paper = papers(history, history.ben)[0]["paper"]
    assert (
        paper["progress"]
        == "now: 1 of 2: you; missing ann or cleo; then: 1 of 3: you; missing 2 of ann, cleo, zoe"
    )


@pytest.mark.parametrize(
    ("changes", "words", "risks"),
    [
        ({"grace_period_ms": DAY_MS}, "the witness may be silent for 1d instead of 30d", []),
        ({"rotation_allowed": False}, "the witness may not hand over", []),
        ({"participants": "authorities"}, "only authorities may admit others", []),
        ({"threshold": 3}, "2 of 3 becomes 3 of 3", ["one-loss-locks-out"]),
        ({"who": "ab", "threshold": 2}, "removes cleo", ["one-loss-locks-out"]),
        ({"who": "a", "threshold": 1}, "removes ben, cleo", ["one-loss-locks-out"]),
        ({"who": "cba"}, "the order of succession becomes cleo, ben, ann", []),
        ({"who": "abcz"}, "adds zoe", ["unseen-key"]),
        ({"who": "xyz"}, "removes ann, ben, cleo", ["all-new-authorities", "unseen-key"]),
    ],
)
def test_what_a_policy_would_change_and_risk(changes: dict[str, Any], words: str, risks: list[str]) -> None:
    history = History()
    keys = {"a": ("ann", history.ann), "b": ("ben", history.ben), "c": ("cleo", history.cleo)}
    keys |= {"x": ("xeno", Key(5)), "y": ("yves", Key(6)), "z": ("zoe", Key(4))}
    if who := changes.pop("who", ""):
        changes["witnesses"] = tuple(Named(keys[one][0], keys[one][1].key) for one in who)
        changes.setdefault("threshold", len(who) // 2 + 1)
    answer = compare(history.view(history.ann), replace(history.policy, **changes), frozenset())
    assert words in answer["words"]
    assert [risk["code"] for risk in answer["risks"]] == risks
    assert any(line.startswith("survives: ") for line in answer["words"])


def test_a_key_that_is_linked_was_seen_and_no_change_is_none() -> None:
    history = History()
    zoe = Key(4)
    grown = replace(history.policy, witnesses=(*history.policy.witnesses, Named("zoe", zoe.key)), threshold=3)
    assert compare(history.view(history.ann), grown, frozenset({zoe.key}))["risks"] == []
    with pytest.raises(UserError, match="the policy in force already"):
        compare(history.view(history.ann), history.policy, frozenset())
