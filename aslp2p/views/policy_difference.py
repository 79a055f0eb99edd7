"""How one policy differs from another, and what that one survives, in phrases that people endorse by (P1)."""

from __future__ import annotations

from aslp2p.artifacts.types import Policy
from aslp2p.ledger.duration import duration_text
from aslp2p.ledger.policy import authority_keys, survival


def change_words(old: Policy, new: Policy, witness: bytes) -> list[str]:
    """All that a person should know before endorsing `new` in the place of `old`; `witness` emits now. Empty
    if nothing differs.
    """
    words = difference(old, new)
    survives = survival(new)
    return words and [
        *words,
        f"survives: {survives.silent} silent, {survives.lying} lying",
        *_if_witness_is_gone(new, witness),
    ]


def difference(old: Policy, new: Policy) -> list[str]:
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


def _if_witness_is_gone(new: Policy, witness: bytes) -> list[str]:
    """What comes of it if an authority is the witness and disappears: one phrase for all of one fate."""
    lines = []
    for (name, replaceable), one in zip(survival(new).replaceable, new.witnesses, strict=True):
        if one.key == witness or not replaceable:
            fate = "the others can replace it" if replaceable else "NOBODY can replace it"
            lines.append(f"if {name} is the witness and disappears: {fate}")
    return lines
