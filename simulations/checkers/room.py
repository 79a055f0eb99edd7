"""Room: what a quorum of honest authorities that are up can always do (P3, P4, P6, V5, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulations.checkers.judge import Judge


@dataclass
class Wanted:
    """What people asked for in the calm; None: they did not come to that, because what is before failed."""

    member: bytes | None = None
    """A key that is to be admitted."""
    not_witness: bytes | None = None
    """The witness that is to be replaced."""
    authorities: frozenset[bytes] | None = None
    """Those of the policy that is to be in force, alone."""


def room(judge: Judge, tip: bytes | None, wanted: Wanted | None) -> Iterator[str]:
    """What is lacking on the agreed line, whose head is `tip`; nothing where nothing was asked for."""
    if wanted is None or tip is None:
        return
    state = judge.line(tip).state
    if wanted.member is None:
        yield "nobody could be invited in the calm"
    elif not state.members.usable(wanted.member):
        yield "whoever was invited in the calm is no member"
    elif wanted.not_witness is None or state.next_witness == wanted.not_witness:
        yield "the witness could not be replaced in the calm"
    elif wanted.authorities is None:
        yield "no policy could be proposed in the calm"
    elif frozenset(key for _, key in state.policies[-1][1][0]) != wanted.authorities:
        yield "the policy that was proposed in the calm is not in force"
    elif len(state.policies) > 1:
        yield f"the policy that came into force in the calm, @{state.change_height}, is not settled"
