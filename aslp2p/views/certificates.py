"""Successions and policy changes that are open: what each does, who has signed, who is missing, what to type.

The answer is about the asker: `may_endorse` says whether their signature is wanted and their key could give
it as far as the store shows; the table of promises (S1, S3) has the last word when they do.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.types import (
    Erase,
    Policy,
    PolicyChange,
    Proposal,
    Revocation,
    Rotation,
    Succession,
    Takeover,
)
from aslp2p.ledger.certificate import Certified
from aslp2p.ledger.facts import cosignatures_on, held_at, load_members
from aslp2p.ledger.finality import settling
from aslp2p.ledger.journal import ENDORSE, META_STALE
from aslp2p.ledger.policy import authority_keys
from aslp2p.ledger.policy_text import policy_words
from aslp2p.ledger.state import revoked_keys
from aslp2p.views.policy_difference import change_words
from aslp2p.views.view import View

_JOINT = ("old policy: ", "new policy: ")
"""How the two policies of the joint phase are told apart (P4)."""
DECIDES_ALONE = "the new policy alone decides (P4)"
DECIDE_BOTH = "the old policy and the new one decide, both,"
_OVER = "its reign is over: nobody can carry it out any more, and it closes by itself"


def needs_certificate(view: View, proposal: Signed[Proposal]) -> bool:
    """Whether an open proposal needs endorsements at the head: what changes authority, and erasing what not
    only its author has put."""
    action = proposal.statement.action
    if not isinstance(action, Erase):
        return isinstance(action, Certified)
    held = held_at(view.reader, view.branch, view.height, action.content)
    return held is not None and held.by != proposal.key


def certificate_json(view: View, proposal: Signed[Proposal], endorsers: Set[bytes]) -> dict[str, Any]:
    """How far open paper has come; `endorsers` are the keys that endorsed it."""
    action = proposal.statement.action
    if not isinstance(action, Certified):
        raise TypeError("a proposal that needs no endorsement")
    gone = revoked_keys(load_members(view.reader, view.branch, view.height))
    if isinstance(action, Revocation):
        gone |= {action.revoked}
    policies, alone = _judging(view, action, gone)
    signed = endorsers - gone
    needs = [_need(view, policy, signed, gone) for policy in dict.fromkeys(policies)]
    accepts = isinstance(action, Rotation) and action.new_witness not in signed
    wanted = {one["key"] for need in needs if need["short"] for one in need["missing"]}
    incoming = view.party(action.new_witness) if isinstance(action, Rotation) else None
    if accepts and incoming is not None:
        wanted.add(incoming["key"])
    over = isinstance(action, Rotation) and not _may_ride(view, action, proposal.key)
    own = None if view.own_key is None else view.party(view.own_key)["key"]
    standing = view.standing(view.height)
    changes = []
    if isinstance(action, PolicyChange):
        changes = change_words(standing.policies[-1], action.policy, standing.next_witness)
    return {
        "epoch": action.epoch if isinstance(action, Succession) else 0,
        "changes": changes,
        "needs": needs,
        "accepts": incoming if accepts else None,
        "complete": not accepts and not over and not any(need["short"] for need in needs),
        "over": over,
        "endorsed": view.own_key in endorsers,
        "may_endorse": own in wanted and not over and _possible(view, action),
        "alone": alone,
        "progress": _OVER
        if over
        else progress_words(needs, incoming if accepts else None, _labels(action, len(needs), alone)),
        "command": f"asl endorse {proposal.id.hex()[:8]}",
    }


def _judging(view: View, action: Certified, gone: Set[bytes]) -> tuple[Sequence[Policy], bool]:
    """The policies whose quorums `action` needs, and whether that is the new one alone, though the change is
    not settled yet (P4): that holds for a takeover, once the change is known to be final."""
    standing = view.standing(view.height)
    if isinstance(action, PolicyChange):
        return (*standing.policies, action.policy), False
    alone = (
        isinstance(action, Takeover)
        and standing.joint
        and settling(view.reader, (view.branch, view.height), gone) is not None
    )
    return standing.policies[-1:] if alone else standing.policies, alone


def _need(view: View, policy: Policy, signed: Set[bytes], gone: Set[bytes]) -> dict[str, Any]:
    keys = [one.key for one in policy.witnesses]
    have = [key for key in keys if key in signed]
    return {
        "threshold": policy.threshold,
        "have": [view.party(key) for key in have],
        "missing": [_party(view, policy, key) for key in keys if key not in signed and key not in gone],
        "short": max(0, policy.threshold - len(have)),
    }


def _party(view: View, policy: Policy, key: bytes) -> dict[str, Any]:
    """An authority; one who is no member yet has the name that its policy gives it."""
    party = view.party(key)
    if view.member(key) is None:
        name = next(one.name for one in policy.witnesses if one.key == key)
        return {**party, "name": name, "shown": party["shown"] if party["self"] else name}
    return party


def _labels(action: Certified, count: int, alone: bool) -> Sequence[str]:
    """What to call the policies that count, where there are several, or one of two."""
    if count == 1:
        return (f"{DECIDES_ALONE}: " if alone else "",)
    now, then = ("now: ", "then: ") if isinstance(action, PolicyChange) else _JOINT
    return [now] * (count - 1) + [then]


def progress_words(
    needs: Sequence[dict[str, Any]], accepts: dict[str, Any] | None = None, labels: Sequence[str] = ("",)
) -> str:
    """Who has signed and who is missing: `1 of 2: you; missing alice or james`.

    Under several policies one part for each, called as `labels` say; `accepts` is the incoming witness who
    has not accepted yet.
    """
    parts = [label + _need_words(need) for label, need in zip(labels, needs, strict=True)]
    if accepts is not None:
        parts.append(f"{accepts['shown']} has to accept")
    return "; ".join(parts)


def _need_words(need: dict[str, Any]) -> str:
    have = [one["shown"] for one in need["have"]]
    count = f"{len(have)} of {need['threshold']}"
    if len(have) > need["threshold"]:
        count = f"{len(have)}, where {need['threshold']} are enough"
    words = count + (f": {', '.join(have)}" if have else "")
    if not need["short"]:
        return words
    missing = [one["shown"] for one in need["missing"]]
    if need["short"] >= len(missing):
        return f"{words}; missing {' and '.join(missing) or 'somebody who can still sign'}"
    if need["short"] == 1:
        return f"{words}; missing {' or '.join(missing)}"
    return f"{words}; missing {need['short']} of {', '.join(missing)}"


def _possible(view: View, action: Certified) -> bool:
    """Whether the asker's key could endorse this: its journal is whole, its epoch and base would do."""
    reader = view.reader
    if view.own_key is None or reader.meta(META_STALE) is not None:
        return False
    if not isinstance(action, Succession):
        return True
    last = reader.journal(ENDORSE)
    if last and last[0].epoch >= action.epoch:
        return False
    if isinstance(action, Rotation):
        return True
    if not _is_on_line(view, action):
        return False
    cosigned = cosignatures_on(reader, view.branch, view.height).get(view.own_key)
    return cosigned is None or cosigned[0] <= action.base_height


def _is_on_line(view: View, action: Succession) -> bool:
    base = view.reader.snapshot_at(view.branch, action.base_height)
    return base is not None and base.id == action.base_id and base.height <= view.height


def _may_ride(view: View, rotation: Rotation, author: bytes) -> bool:
    """Whether the witness can still carry it out (V4): its own, and the reign of its base lasts."""
    standing = view.standing(view.height)
    lasts = rotation.base_height >= min(standing.reign_height, view.height)
    return author == standing.next_witness and lasts and _is_on_line(view, rotation)


def offers(papers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the asker is asked to endorse: of recoveries only the one nearest to its quorum (S8)."""
    wanted = [one for one in papers if one["paper"]["may_endorse"]]
    recoveries = [one for one in wanted if one["does"] == "witness-recovery"]
    if len(recoveries) > 1:
        nearest = min(recoveries, key=lambda one: (_short(one), -one["paper"]["epoch"], one["id"]))
        wanted = [one for one in wanted if one["does"] != "witness-recovery" or one is nearest]
    return wanted


def _short(one: dict[str, Any]) -> int:
    return sum(need["short"] for need in one["paper"]["needs"])


def settlement(view: View) -> dict[str, Any] | None:
    """How far a joint policy is from settling (P4): whose cosignatures are here, who decides about a new
    witness meanwhile, and how many of whom that takes; None if nothing is joint."""
    standing = view.standing(view.height)
    if not standing.joint:
        return None
    gone = revoked_keys(load_members(view.reader, view.branch, view.height))
    cosigned = cosignatures_on(view.reader, view.branch, view.height)
    signed = frozenset(key for key, (at, _) in cosigned.items() if at >= standing.change_height) - gone
    needs = [_need(view, policy, signed, gone) for policy in standing.policies]  # the old and the new one
    progress = progress_words(needs, labels=_JOINT)
    final = not any(need["short"] for need in needs)
    deciding = standing.policies[-1:] if final else standing.policies
    quorums = " and ".join(policy_words(policy, view.who) for policy in deciding)
    takeover = f"{DECIDES_ALONE if final else DECIDE_BOTH} about a new witness: {quorums}"
    return {
        "height": standing.change_height,
        "needs": needs,
        "progress": progress,
        "final": final,
        "takeover": takeover,
    }


def dead_authorities(view: View) -> list[dict[str, Any]]:
    """Authorities whose key was revoked: their places are to be given to new keys (V8)."""
    gone = revoked_keys(load_members(view.reader, view.branch, view.height))
    policy = view.standing(view.height).policies[-1]
    return [view.party(one.key) for one in policy.witnesses if one.key in gone]


def is_only_authority(view: View) -> bool:
    """Whether the asker is the one authority there is, who may vouch for their journal (S11)."""
    policies = view.standing(view.height).policies
    return all(authority_keys(policy) == {view.own_key} for policy in policies)
