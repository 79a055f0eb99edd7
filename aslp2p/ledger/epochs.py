"""How far epochs may be raised (S1), so that nobody uses them up.

A certificate's epoch has no bound but `EPOCH_MAX` (V6): whoever judges history takes what a quorum endorsed.
It is the authorities that go in steps. None endorses an epoch more than `EPOCH_STRIDE` above the highest of
what its head appoints, what it has endorsed itself, and what f + 1 authorities have endorsed or proposed, f
being how many lie at most where the policy holds: so f liars lift nobody, and nobody is left behind whom they
keep pushing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aslp2p.artifacts.types import Policy
from aslp2p.ledger.policy import authority_keys
from aslp2p.limits import EPOCH_MAX, EPOCH_STRIDE


def liars_counted(policy: Policy) -> int:
    """How many authorities the ceiling does not listen to: what P1 survives, and at least one."""
    return max(1, 2 * policy.threshold - len(policy.witnesses) - 1)


def reached_by_others(policy: Policy, heard: Mapping[bytes, int], gone: Collection[bytes]) -> int:
    """The highest epoch that one more authorities than `liars_counted` have reached, of those not in `gone`;
    where there are fewer of them, what all have. `heard` has the highest epoch of each key, if any."""
    usable = authority_keys(policy) - frozenset(gone)
    reached = sorted((heard.get(key, 0) for key in usable), reverse=True)
    return reached[min(liars_counted(policy), len(reached) - 1)] if reached else 0


def ceiling(
    appointed: int, own: int, policies: Iterable[Policy], heard: Mapping[bytes, int], gone: Collection[bytes]
) -> int:
    """The highest epoch that may be endorsed (S1): `appointed` is what the head appoints, `own` the highest
    that this key has endorsed; of several policies in force the least counts."""
    others = min(reached_by_others(policy, heard, gone) for policy in policies)
    return min(max(appointed, own, others) + EPOCH_STRIDE, EPOCH_MAX)
