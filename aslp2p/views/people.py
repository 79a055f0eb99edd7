"""Members and the policy of a Common."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.keys import KEY_PREFIX, parse_key
from aslp2p.artifacts.text import WORDS_OF_OURS, terminal_safe
from aslp2p.artifacts.types import Named, Policy, Proposal
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.facts import key_named, load_members
from aslp2p.ledger.policy import survival
from aslp2p.ledger.policy_text import dump_policy, policy_words
from aslp2p.ledger.standing import Standing
from aslp2p.ledger.state import ADMITTED, EXPELLED
from aslp2p.views.actions import policy_json
from aslp2p.views.view import View
from aslp2p.views.words import grace_words, survival_words


def members(view: View, at: int | None = None) -> dict[str, Any]:
    """Everybody whom the history knows at `@at`, by name: key, name, status, whether they left by themselves,
    and what they may do."""
    height = view.at(at)
    standing = view.standing(height)
    found = [
        {
            **view.party(key),
            "name": member.name,
            "status": member.status,
            "roles": roles(standing, key) if member.status == ADMITTED else [],
            "by": member.by.hex(),
            "left": member.status == EXPELLED and _is_by(view, member.by, key),
        }
        for key, member in load_members(view.reader, view.branch, height).items()
    ]
    return {"height": height, "members": sorted(found, key=lambda one: (str(one["name"]), str(one["key"])))}


def _is_by(view: View, proposal: bytes, key: bytes) -> bool:
    raw = view.reader.artifact(proposal)
    return raw is not None and decode_as(Proposal, raw).key == key


def roles(standing: Standing, key: bytes) -> list[str]:
    """What an admitted `key` is besides a participant: `witness`, `authority`, both or neither."""
    is_role = {"witness": key == standing.next_witness, "authority": key in standing.authorities()}
    return [role for role, held in is_role.items() if held]


def policy(view: View, at: int | None = None) -> dict[str, Any]:
    """The policy in force at `@at` (two, the old one first, while a change is joint), and what it survives
    (P1).
    """
    height = view.at(at)
    standing = view.standing(height)
    return {
        "height": height,
        "joint": standing.joint,
        "in_force": [
            {"installed_by": one.id.hex(), **explained(view, relabelled(view, one.policy))}
            for one in standing.installed
        ],
    }


def relabelled(view: View, policy: Policy) -> Policy:
    """`policy` with the names that its authorities have now: they may have been renamed since it was made."""
    names = [one.name if view.member(one.key) is None else view.label(one.key) for one in policy.witnesses]
    if len(set(names)) < len(names):
        return policy
    called = zip(names, policy.witnesses, strict=True)
    return replace(policy, witnesses=tuple(Named(name, one.key) for name, one in called))


def require_name(name: str) -> None:
    """Raises `UsageError` for a name that this program says of the asker, or of nobody."""
    if name.lower() in WORDS_OF_OURS:
        raise UsageError(f"asl itself says {name!r} in the place of a name", remedy="choose another name")


def explained(view: View | None, policy: Policy) -> dict[str, Any]:
    """`policy` as an object, as the file it can be written to, and in words."""
    survives = survival(policy)
    return {
        "policy": policy_json(policy),
        "yaml": dump_policy(policy),
        "words": policy_words(policy, None if view is None else view.who),
        "survives": {
            "silent": survives.silent,
            "lying": survives.lying,
            "replaceable": dict(survives.replaceable),
        },
        "explanation": [*survival_words(survives), grace_words(policy.grace_period_ms)],
    }


def member_key(view: View, text: str) -> bytes:
    """The key of the member whom `text` names: a name in the history (of who was one, if of nobody who is
    now), or a key. Raises `UserError`."""
    key = (
        parse_key(text)
        if text.startswith(KEY_PREFIX)
        else key_named(view.reader, view.branch, view.height, text)
    )
    if key is None or view.member(key) is None:
        former = load_members(view.reader, view.branch, view.height)
        named = [other for other, member in former.items() if member.name == text]
        key = named[0] if len(named) == 1 else None
    if key is None:
        raise UserError(f"nobody here is called '{terminal_safe(text)}'", remedy="see `asl members`")
    return key
