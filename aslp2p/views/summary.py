"""What `asl status` says about a Common, as far as its store knows."""

from __future__ import annotations

from typing import Any

from aslp2p.artifacts.envelope import decode_artifact
from aslp2p.artifacts.keys import key_text
from aslp2p.ledger.audited import audited_to
from aslp2p.ledger.facts import Members, load_members
from aslp2p.ledger.history import read_abandoned, read_evidence
from aslp2p.ledger.joining import META_PIN
from aslp2p.ledger.journal import META_STALE
from aslp2p.ledger.policy_text import policy_words
from aslp2p.ledger.state import ADMITTED, REVOKED, revoked_keys
from aslp2p.recovery import beacon_interval_ms, grace_ms
from aslp2p.views.branches import stepped_down, superseded_rows
from aslp2p.views.certificates import (
    dead_authorities,
    is_only_authority,
    needs_certificate,
    offers,
    settlement,
)
from aslp2p.views.floor import floor_summary
from aslp2p.views.log import created_ms
from aslp2p.views.pending import Open, dismissed, open_artifacts, open_certified
from aslp2p.views.people import roles
from aslp2p.views.policy_change import came_by_invite
from aslp2p.views.view import View
from aslp2p.views.words import change_note

OTHERS_SHOWN = 32


def summary(view: View) -> dict[str, Any]:
    """Name, version, witness, the note of its last change, members, policy, what waits: at the head."""
    standing = view.standing(view.height)
    genesis = view.genesis()
    members = load_members(view.reader, view.branch, view.height)
    own = members.get(view.own_key) if view.own_key is not None else None
    found = open_artifacts(view)
    papers = open_certified(view, found)
    evidence = read_evidence(view.reader)
    accused = {one.witness: members.get(one.witness) for one in evidence}
    stale = view.reader.meta(META_STALE)
    grace = grace_ms(standing.policies)
    pending, rejected = _waiting(view, found)
    return {
        "name": genesis.name,
        "height": view.height,
        "head": view.head.id.hex(),
        "created_ms": created_ms(view.head),
        "witness": view.party(standing.next_witness),
        "epoch": standing.next_epoch,
        "head_epoch": standing.epoch,
        "note": change_note(standing.changed_by, genesis.name, standing.changed_height),
        "changed_height": standing.changed_height,
        "members": sum(member.status == ADMITTED for member in members.values()),
        "policy": [policy_words(policy, view.who) for policy in standing.policies],
        "grace_period_ms": grace,
        "beacon_interval_ms": beacon_interval_ms(grace),
        "joint": standing.joint,
        "settlement": settlement(view),
        "papers": papers,
        "offers": [one["id"] for one in offers(papers)],
        "dead_authorities": dead_authorities(view),
        "stepped_down": stepped_down(view),
        "superseded": sum(row.height > 0 for _, row in superseded_rows(view)),
        "stale": None if stale is None else stale.decode(),
        "only_authority": is_only_authority(view),
        "may_become_authorities": _may_become_authorities(view, members),
        "signers": _signers(view, members, in_doubt=stale is not None),
        "candidates": _candidates(view, members),
        "others": _others(view, members),
        "final": view.final_height(),
        "audited": audited_height(view),
        "evidence": len(evidence),
        "accused": [view.party(key) for key, one in accused.items() if one is None or one.status != REVOKED],
        "abandoned": [id_.hex() for id_ in read_abandoned(view.reader)],
        "log_size": view.head.log_size,
        "standing": own.status if own is not None else "unknown",
        "own_name": own.name if own is not None else None,
        "roles": roles(standing, view.own_key) if own is not None and view.own_key is not None else [],
        "pending": pending,
        "rejected": rejected,
        "pinned": pinned(view),
        "floor": floor_summary(view),
        "predecessor": genesis.predecessor and genesis.predecessor.hex(),
    }


def _may_become_authorities(view: View, members: Members) -> list[str]:
    """Where the asker is the one authority, two others by name, if there are two: with them no machine alone
    is what everything rests on."""
    if not is_only_authority(view):
        return []
    others = _candidates(view, members)
    return others if len(others) == 2 else []


def _signers(view: View, members: Members, *, in_doubt: bool) -> dict[str, int]:
    """Of the policy of now, or of the worse one of two: how many of its keys can sign (`usable`: neither
    revoked nor, our own, in doubt), `of` how many, and its `threshold`."""
    gone = set(revoked_keys(members)) | ({view.own_key} if in_doubt else set())
    counts = [
        {
            "usable": sum(one.key not in gone for one in policy.witnesses),
            "of": len(policy.witnesses),
            "threshold": policy.threshold,
        }
        for policy in view.standing(view.height).policies
    ]
    return min(counts, key=lambda one: one["usable"] - one["threshold"])


def _candidates(view: View, members: Members) -> list[str]:
    """Members, two by name, who are no authorities and could be: their keys have shown themselves, so
    nobody mistyped one."""
    authorities = view.standing(view.height).authorities()
    found: list[str] = []
    for key, one in sorted(members.items(), key=lambda item: item[1].name):
        if one.status == ADMITTED and key not in authorities and came_by_invite(view, key):
            found.append(one.name)
        if len(found) == 2:
            break
    return found


def _others(view: View, members: Members) -> list[dict[str, str]]:
    """The other members, authorities first, `OTHERS_SHOWN` at most."""
    authorities = view.standing(view.height).authorities()
    found = [
        (key not in authorities, one.name, key)
        for key, one in members.items()
        if one.status == ADMITTED and key != view.own_key
    ]
    return [{"name": name, "key": key_text(key)} for _, name, key in sorted(found)[:OTHERS_SHOWN]]


def pinned(view: View) -> dict[str, Any] | None:
    """What reading is pinned to: `height` (null if that is not here any more), `id`, and whether the history
    has left it behind."""
    id_ = view.reader.meta(META_PIN)
    if id_ is None:
        return None
    row = view.reader.snapshot(id_)
    on_line = None if row is None else view.reader.snapshot_at(view.branch, row.height)
    followed = row is not None and row.height <= view.height and on_line is not None and on_line.id == id_
    return {"id": id_.hex(), "height": None if row is None else row.height, "superseded": not followed}


def audited_height(view: View) -> int:
    """Every signature on the head's line was verified here up to this height (G4)."""
    return audited_to({row.branch: row for row in view.reader.branches()}, view.branch, view.height)


def _waiting(view: View, found: Open) -> tuple[int, int]:
    """How many ordinary proposals wait, and how many of the asker's own were refused."""
    own_refused = 0
    for raw in view.reader.artifacts(sorted(found.rejections.keys() - dismissed(view))).values():
        own_refused += decode_artifact(raw).key == view.own_key
    waiting = [id_ for id_ in found.proposals if id_ not in found.rejections]
    special = sum(needs_certificate(view, found.proposals[id_]) for id_ in waiting)
    return len(waiting) - special, own_refused
