"""What became of invites, and by whose this machine was let in."""

from __future__ import annotations

from typing import Any

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.token import borne
from aslp2p.artifacts.types import Admit, Proposal
from aslp2p.errors import UsageError
from aslp2p.ledger.facts import invite_uses, is_invite_revoked
from aslp2p.ledger.state import ADMITTED
from aslp2p.views.actions import parse_id
from aslp2p.views.view import View

IDS_MAX = 256


def invites(view: View, ids: list[str]) -> dict[str, Any]:
    """How often each invite of `ids` was used, and whether it is revoked: by an authority, or by the asker if
    it is theirs."""
    if len(ids) > IDS_MAX:
        raise UsageError(f"at most {IDS_MAX} invites at once")
    return {"invites": [_invite(view, parse_id(id_, "ids")) for id_ in ids]}


def _invite(view: View, id_: bytes) -> dict[str, Any]:
    own = () if view.own_key is None else (view.own_key,)
    return {
        "id": id_.hex(),
        "used": invite_uses(view.reader, view.branch, view.height, id_),
        "revoked": is_invite_revoked(view.reader, view.branch, view.height, id_, own),
    }


def welcome(view: View) -> dict[str, Any]:
    """By whose word the asker is a member: `by` (a party), and whether by an invite; `by` is null for who is
    none, or is one since the genesis or by a quorum."""
    member = None if view.own_key is None else view.member(view.own_key)
    answer: dict[str, Any] = {"name": None if member is None else member.name, "by": None, "invited": False}
    if member is None or member.status != ADMITTED:
        return answer
    raw = view.reader.artifact(member.by)
    if raw is None:
        return answer
    proposal = decode_as(Proposal, raw)
    action = proposal.statement.action
    if not isinstance(action, Admit):
        return answer
    by = proposal.key if action.token is None else borne(action.token, action.key).key
    return {**answer, "by": view.party(by), "invited": action.token is not None}
