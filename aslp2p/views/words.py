"""Plain words for what artifacts say. One line each, safe for a terminal as far as the artifacts' own rules
go.
"""

from __future__ import annotations

from collections.abc import Callable

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.keys import short, short_key
from aslp2p.artifacts.sizes import size_text
from aslp2p.artifacts.types import (
    Action,
    Admit,
    Erase,
    Expel,
    Forget,
    InviteToken,
    PolicyChange,
    Put,
    Recovery,
    Remove,
    Rename,
    Revocation,
    RevokeInvite,
    Rotation,
    Shown,
)
from aslp2p.errors import ArtifactError
from aslp2p.ledger.duration import duration_text
from aslp2p.ledger.policy import Survival
from aslp2p.ledger.policy_text import policy_words

Who = Callable[[bytes], str]
"""How to call a key."""

SILENT = "the witness is silent"
"""The reason that daemons give; the words for a recovery say it already."""
_CHANGES = {
    "witness-rotation": "",
    "witness-recovery": ", after the silence of the one before",
    "witness-revocation": ", and the key of the one before was revoked",
}
"""How the witness changed: what follows on `witness rotated at common@43`."""
_DOES = {
    "witness-rotation": "the witness hands over",
    "witness-recovery": "a new witness after silence",
    "witness-revocation": "a key is revoked",
    "policy-change": "the policy changes",
    "erase": "a content is erased",
}


def describe_action(action: Action, who: Who, author: bytes = b"") -> str:
    """What `action` does, in words that follow on its `author`'s name: `puts photos/cat.jpg (12.0 KiB)`."""
    match action:
        case Put():
            executable = ", executable" if action.executable else ""
            return f"puts {action.path} ({size_text(action.size)}{executable}){_expecting(action.expects)}"
        case Remove():
            return f"removes {action.path}{_expecting(action.expects)}"
        case Admit():
            return f"admits {action.name} (key {short_key(action.key)}…){_invited(action.token, who)}"
        case Expel():
            return "leaves" if action.key == author else f"expels {who(action.key)}"
        case Forget():
            return f"forgets the key of {who(action.key)}"
        case Rename():
            whom = "itself" if action.key == author else who(action.key)
            return f"calls {whom} {action.name} from now on"
        case RevokeInvite():
            return f"revokes the invite {short(action.invite)}"
        case Erase():
            return f"ERASES the content {short(action.content)} everywhere{_because(action.reason)}"
        case PolicyChange():
            return f"changes the policy to {policy_words(action.policy)}"
        case Rotation():
            if action.new_witness == author:
                return f"stays the witness{_because(action.reason)}"
            return f"hands the witness's office to {who(action.new_witness)}{_because(action.reason)}"
        case Recovery():
            new = who(action.new_witness)
            office = "becomes" if action.new_witness == author else f"makes {new}"
            return (
                f"{office} the witness from @{action.base_height} on, as the present one is silent"
                f"{_giving_up(action.abandons)}{_because(action.reason)}"
            )
        case Revocation():
            return (
                f"revokes the key of {who(action.revoked)}{_evidence(action.evidence)}, with "
                f"{who(action.new_witness)} as the witness from @{action.base_height} on"
                f"{_giving_up(action.abandons)}{_because(action.reason)}"
            )


def _invited(token: Shown | None, who: Who) -> str:
    """By whose invite; an admit that nobody has judged may hold anything."""
    if token is None:
        return ""
    try:
        return f", invited by {who(decode_as(InviteToken, token.invite).key)}"
    except ArtifactError:
        return ", with an invite that cannot be read"


def _expecting(expects: bytes | None) -> str:
    if expects is None:
        return ""
    return f", if it is still {short(expects)}" if expects else ", if nothing is there"


def _giving_up(abandons: tuple[bytes, ...]) -> str:
    return f"; GIVES UP {', '.join(short(id_) for id_ in abandons)}" if abandons else ""


def _evidence(ids: tuple[bytes, ...]) -> str:
    return f", on the evidence of {', '.join(map(short, ids))}" if ids else ""


def _because(reason: str) -> str:
    return f": {reason}" if reason and reason != SILENT else ""


def change_note(changed_by: str, common: str, height: int) -> str:
    """What status notes on the last change of witness: `witness rotated at common@43` and, unless the one
    before handed over, why; empty if none.
    """
    words = _CHANGES.get(changed_by)
    return "" if words is None else f"witness rotated at {common}@{height}{words}"


def transition_words(kind: str) -> str:
    """What the log marks a snapshot with whose certificate is for an action of `kind`."""
    return _DOES[kind]


def survival_words(survives: Survival) -> list[str]:
    """What a policy survives (P1), as sentences."""
    silent, lying = survives.silent, survives.lying
    sentences = [
        "No authority may be gone for long: every one of them is needed to replace the witness."
        if silent == 0
        else f"{_authorities(silent)} may be silent or lost, and the others can still replace the witness.",
        "Two contradicting final histories need only one authority that lies."
        if lying == 0
        else f"{_authorities(lying)} may lie, and two contradicting final histories are still impossible.",
    ]
    stuck = [name for name, replaceable in survives.replaceable if not replaceable]
    if len(survives.replaceable) == 1:
        sentences[:] = [
            f"Everything rests on {stuck[0]}: if that machine or its key is lost, nobody can replace the "
            "witness, and the history stays readable but ends there."
        ]
    elif stuck:
        sentences.append(
            f"If the witness is an authority and disappears ({', '.join(stuck)}), "
            "the others cannot replace it."
        )
    else:
        sentences.append("Whichever authority is the witness and disappears, the others can replace it.")
    return sentences


def _authorities(count: int) -> str:
    return "1 authority" if count == 1 else f"{count} authorities"


def grace_words(grace_period_ms: int) -> str:
    """How long the witness may be silent, as a sentence."""
    return f"The witness may be silent for {duration_text(grace_period_ms)} before it may be replaced."
