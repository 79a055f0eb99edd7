"""What a policy change would do, in words, and how it can lock people out (P1, P3).

`risks` names each way by a code that a person has to repeat to go on: no typing error loses a Common.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from aslp2p.artifacts.types import Policy
from aslp2p.errors import UserError
from aslp2p.ledger.duration import duration_text
from aslp2p.ledger.finality import cosignatures_on
from aslp2p.ledger.policy import Survival, authority_keys, survival
from aslp2p.ledger.state import REVOKED, revoked_keys
from aslp2p.views.actions import policy_json
from aslp2p.views.pending import open_artifacts
from aslp2p.views.people import explained
from aslp2p.views.view import View

NO_SPARE = "one-loss-locks-out"
ALL_NEW = "all-new-authorities"
UNSEEN = "unseen-key"
_RECENT = 1000
"""Snapshots that are looked through for who has emitted one."""


def compare(view: View, new: Policy, linked: Set[bytes]) -> dict[str, Any]:
    """How `new` differs from the policy in force and what it risks; `linked` are the keys linked to now.

    Raises `UserError` when nothing differs, or when a change is under way already (P3).
    """
    standing = view.standing(view.height)
    if standing.joint:
        raise UserError(
            f"the policy change of @{standing.change_height} has not settled yet, and there is one at a time",
            remedy="see what it waits for: asl status",
        )
    old = standing.policies[-1]
    words = difference(view, old, new)
    if not words:
        raise UserError("that is the policy in force already", remedy="see it with: asl policy show")
    survives = survival(new)
    return {
        "policy": policy_json(new),
        "replaces": standing.installed[-1].id.hex(),
        "words": [*words, _survival_line(survives), *_if_witness_is_gone(view, new, survives)],
        "risks": [{"code": code, "text": text} for code, text in _risks(view, old, new, linked)],
        "explanation": explained(view, new)["explanation"],
    }


def difference(view: View, old: Policy, new: Policy) -> list[str]:
    """What changes from `old` to `new`, a phrase each: `adds alice`, `2 of 3 becomes 3 of 4`."""
    words = _people(old, new)
    before, now = (f"{one.threshold} of {len(one.witnesses)}" for one in (old, new))
    if before != now:
        words.append(f"{before} becomes {now}")
    kept = authority_keys(old) & authority_keys(new)
    orders = [[one.key for one in policy.witnesses if one.key in kept] for policy in (old, new)]
    if orders[0] != orders[1]:
        names = ", ".join(one.name for one in new.witnesses)
        words.append(f"the order of succession becomes {names}")
    if old.grace_period_ms != new.grace_period_ms:
        was, now = duration_text(old.grace_period_ms), duration_text(new.grace_period_ms)
        words.append(f"the witness may be silent for {now} instead of {was}")
    if old.rotation_allowed != new.rotation_allowed:
        words.append("the witness may hand over" if new.rotation_allowed else "the witness may not hand over")
    if old.participants != new.participants:
        words.append(
            "every member may admit others"
            if new.participants == "invited"
            else "only authorities may admit others"
        )
    if old.protocol != new.protocol:
        words.append(f"protocol {old.protocol} becomes {new.protocol}")
    return words


def _people(old: Policy, new: Policy) -> list[str]:
    before = {one.key: one.name for one in old.witnesses}
    now = {one.key: one.name for one in new.witnesses}
    added = [name for key, name in now.items() if key not in before]
    removed = [name for key, name in before.items() if key not in now]
    words = []
    if rekeyed := [name for name in added if name in removed]:
        words.append(f"gives {', '.join(rekeyed)} a new key")
    if others := [name for name in added if name not in rekeyed]:
        words.append(f"adds {', '.join(others)}")
    if others := [name for name in removed if name not in rekeyed]:
        words.append(f"removes {', '.join(others)}")
    words += [
        f"{before[key]} is called {now[key]}" for key in before if now.get(key, before[key]) != before[key]
    ]
    return words


def _survival_line(survives: Survival) -> str:
    return f"survives: {survives.silent} silent, {survives.lying} lying"


def _if_witness_is_gone(view: View, new: Policy, survives: Survival) -> list[str]:
    """What comes of it if an authority is the witness and disappears: one phrase for all of one fate."""
    witness = view.standing(view.height).next_witness
    lines = []
    for (name, replaceable), one in zip(survives.replaceable, new.witnesses, strict=True):
        if one.key == witness or not replaceable:
            fate = "the others can replace it" if replaceable else "NOBODY can replace it"
            lines.append(f"if {name} is the witness and disappears: {fate}")
    return lines


def _risks(view: View, old: Policy, new: Policy, linked: Set[bytes]) -> list[tuple[str, str]]:
    risks = []
    t, n = new.threshold, len(new.witnesses)
    if t == n and (old.threshold, len(old.witnesses)) != (t, n):
        whose = "that one key is lost" if n == 1 else f"any one of the {n} keys is lost"
        risks.append((NO_SPARE, f"with {t} of {n}, once {whose} nobody can ever replace the witness"))
    gone = revoked_keys({key: one for key in authority_keys(new) if (one := view.member(key)) is not None})
    if n - len(gone) < t:
        risks.append((NO_SPARE, "too many of its authorities are revoked for it to do anything"))
    if not authority_keys(old) & authority_keys(new):
        risks.append((ALL_NEW, "none of the present authorities keeps a say"))
    known = authority_keys(old) | _seen(view) | linked | {view.own_key}
    unseen = [one.name for one in new.witnesses if one.key not in known]
    if unseen:
        risks.append(
            (
                UNSEEN,
                f"nothing signed with the key of {', '.join(unseen)} was ever seen here, "
                "and it is not linked now: if it is mistyped, that place is lost",
            )
        )
    return risks


def _seen(view: View) -> frozenset[bytes]:
    """Keys that have signed something that is here."""
    seen = set(cosignatures_on(view.reader, view.branch, view.height))
    found = open_artifacts(view)
    seen |= {one.key for one in found.proposals.values()}
    seen |= {key for keys in found.endorsers.values() for key in keys}
    low = max(0, view.height - _RECENT + 1)
    seen |= {row.signer for row in view.reader.snapshots(view.branch, low, _RECENT)}
    return frozenset(key for key in seen if (one := view.member(key)) is None or one.status != REVOKED)
