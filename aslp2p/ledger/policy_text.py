"""A policy as text: the file that `policy_file` reads back, and one line for people. Needs no YAML reader."""

from __future__ import annotations

import re
from collections.abc import Callable

from aslp2p.artifacts.keys import key_text, short_key
from aslp2p.artifacts.types import Policy
from aslp2p.ledger.duration import duration_text

ROOT = "common_policy"
_NOT_PRINTABLE = re.compile("[\ufffe\uffff]")  # to YAML, of what a name may hold


def dump_policy(policy: Policy) -> str:
    """`policy` as the file that `parse_policy` reads back to the same value."""
    lines = [f"{ROOT}:", "  witnesses:  # the authorities; order is the order of succession"]
    for witness in policy.witnesses:
        lines += [f"    - domain: {_quoted(witness.name)}", f"      key: {key_text(witness.key)}"]
    lines += [
        f"  threshold: {policy.threshold}",
        "  rotation:",
        f"    allowed: {'true' if policy.rotation_allowed else 'false'}",
        f"    grace_period: {duration_text(policy.grace_period_ms)}",
        f"  participants: {policy.participants}",
        f"  protocol: {policy.protocol}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    """A name as a YAML scalar that is a string whatever it looks like."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'


def policy_words(policy: Policy, who: Callable[[bytes], str] | None = None) -> str:
    """`policy` in one line: `2 of 3 (you, alice, james), silence 30d, participants invited`."""
    names = [who(w.key) if who else f"{w.name} {short_key(w.key)}" for w in policy.witnesses]
    rotation = "" if policy.rotation_allowed else ", no rotation"
    return (
        f"{policy.threshold} of {len(policy.witnesses)} ({', '.join(names)}){rotation}, "
        f"silence {duration_text(policy.grace_period_ms)}, participants {policy.participants}"
    )
