"""Quorum arithmetic: P1 to P5. Pure functions of policies and sets of keys."""

from __future__ import annotations

from collections.abc import Collection, Set

from msgspec import Struct

from aslp2p.artifacts.types import Policy
from aslp2p.errors import NewerProtocol, Rejected
from aslp2p.limits import PROTOCOL_VERSION


def authority_keys(policy: Policy) -> frozenset[bytes]:
    """The distinct keys of the policy's authorities (P5: a key counts once, however often it is listed)."""
    return frozenset(witness.key for witness in policy.witnesses)


def policy_problem(policy: Policy) -> str | None:
    """Why P1 refuses `policy`, or None: t of n distinct keys with 2t > n, names told apart."""
    n = len(policy.witnesses)
    if n == 0:
        return "a policy needs at least one authority"
    if len(authority_keys(policy)) != n:
        return "two authorities have the same key"
    if len({witness.name for witness in policy.witnesses}) != n:
        return "two authorities have the same name"
    if not 1 <= policy.threshold <= n:
        return f"threshold {policy.threshold} is not between 1 and {n}"
    if 2 * policy.threshold <= n:
        least = n // 2 + 1
        return f"threshold {policy.threshold} of {n}: two disjoint quorums would be a fork; at least {least}"
    return None


def require_policy(policy: Policy) -> None:
    """Raises `Rejected` citing P1 for a policy that may not stand, A4 for a protocol this software does not
    speak."""
    if problem := policy_problem(policy):
        raise Rejected("P1", problem)
    if policy.protocol != PROTOCOL_VERSION:
        raise NewerProtocol(policy.protocol)


def satisfies(policy: Policy, signers: Set[bytes]) -> bool:
    """Whether the distinct keys `signers` hold a quorum of `policy`."""
    return len(authority_keys(policy) & signers) >= policy.threshold


def satisfies_all(policies: Collection[Policy], signers: Set[bytes]) -> bool:
    """Whether `signers` hold a quorum of every policy in force (P4: both, while a change is joint)."""
    return all(satisfies(policy, signers) for policy in policies)


class Survival(Struct, frozen=True):
    """What a policy survives (P1), for people who choose one."""

    silent: int
    """Authorities that may be gone while the others can still replace the witness: n - t."""
    lying: int
    """Authorities that may sign anything while two finals still cannot conflict: 2t - n - 1."""
    replaceable: tuple[tuple[str, bool], ...]
    """For each authority, whether the others can replace it if it is the witness and disappears."""


def survival(policy: Policy) -> Survival:
    """The figures of P1 for a policy that P1 accepts."""
    n, t = len(policy.witnesses), policy.threshold
    return Survival(
        silent=n - t,
        lying=2 * t - n - 1,
        replaceable=tuple((witness.name, n - 1 >= t) for witness in policy.witnesses),
    )
