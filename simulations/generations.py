"""What people do over the years: one policy follows another, machines are replaced, liars are revoked.

A *generation* is a policy that is proposed, endorsed by those whom it asks and settled, and whose witness is
one of its authorities. Whoever wants one goes on asking until it is there: others may be asleep, busy with
another attempt, or wait for a witness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Named, Policy, PolicyChange, Proposal
from aslp2p.core.inputs import ChangePolicy, Recover, Rotate
from aslp2p.ledger.policy import authority_keys, satisfies_all
from aslp2p.ledger.state import is_admitted
from simulations import people
from simulations.scenario import SECOND

if TYPE_CHECKING:
    from aslp2p.ledger.gate import Tip
    from simulations.stage import Stage

AGAIN_MS = (20 * SECOND, 40 * SECOND)
ATTEMPTS_MAX = 40
ASKS_AGAIN = 5
"""Every so many looks somebody asks again: paper may have been lost on the way, or refused."""


def generation(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """Another policy, of whoever is honest: `keeps` of its authorities stay, `liars` of them lie.

    Never more of them lie than the new policy survives (P1), and never so many that the others are no quorum.
    """
    head = play.newest_head()
    if head is None:
        return
    policy = _next_policy(play, head, options)
    if policy is not None:
        begin(play, policy)


def begin(play: Stage, policy: Policy) -> None:
    """From now on people want `policy`, and none of those that they wanted before."""
    play.policy_wanted = policy
    _pursue(play, policy, ATTEMPTS_MAX)


def _next_policy(play: Stage, head: Tip, options: Mapping[str, str]) -> Policy | None:
    old = head.standing.policies[-1]
    draw = play.random.sample
    able = [name for name in play.trusted() if name not in play.gone and _is_member(play, head, name)]
    now = [name for name in able if play.world.nodes[name].key in authority_keys(old)]
    wanted = min(int(options.get("authorities", "3")), len(able))
    threshold = int(options.get("threshold", str(wanted // 2 + 1)))
    if not wanted // 2 < threshold <= wanted:
        threshold = wanted // 2 + 1
    bound = max(0, min(2 * threshold - wanted - 1, wanted - threshold))
    liars = [name for name in play.coalition if name not in play.gone and _is_member(play, head, name)]
    lying = draw(liars, min(int(options.get("liars", "0")), bound, len(liars)))
    keeps = draw(now, min(int(options.get("keeps", "1")), len(now), wanted - len(lying)))
    fresh = [name for name in able if name not in now]
    fresh = draw(fresh, min(len(fresh), wanted - len(lying) - len(keeps)))
    spare = [name for name in now if name not in keeps]
    chosen = [*keeps, *fresh, *lying, *spare][:wanted]
    play.random.shuffle(chosen)
    if len(chosen) < wanted:
        return None
    named = tuple(Named(name, play.world.nodes[name].key) for name in chosen)
    return Policy(
        witnesses=named,
        threshold=threshold,
        rotation_allowed=old.rotation_allowed,
        grace_period_ms=old.grace_period_ms,
        participants=old.participants,
        protocol=1,
    )


def _is_member(play: Stage, head: Tip, name: str) -> bool:
    return is_admitted(head.members, play.world.nodes[name].key)


def _pursue(play: Stage, policy: Policy, attempts: int) -> None:
    """Propose `policy`, look again and again whether it is in force, and then hand over to one of its own."""
    head = play.newest_head()
    if head is None or attempts == 0 or play.policy_wanted is not policy:
        return
    installed = head.standing.policies[-1].witnesses == policy.witnesses
    if installed and not head.standing.joint and head.standing.next_witness in authority_keys(policy):
        return
    play.world.plan(play.random.randint(*AGAIN_MS), _pursue, play, policy, attempts - 1)
    if attempts % ASKS_AGAIN:
        return
    if installed:
        _hand_over(play, head, policy)
    elif not head.standing.joint:
        for name in play.choose("any-honest-authority"):
            if not _is_proposed(play, name, policy):
                people.command(play, name, ChangePolicy(policy))


def _is_proposed(play: Stage, name: str, policy: Policy) -> bool:
    for _, raw in play.world.nodes[name].store.open_artifacts():
        if raw.startswith(people.PROPOSAL_RAW):
            action = decode_as(Proposal, raw).statement.action
            if isinstance(action, PolicyChange) and action.policy == policy:
                return True
    return False


def _hand_over(play: Stage, head: Tip, policy: Policy) -> None:
    """The witness that left the policy makes room, where it is honest; else its daemons' owners see to it."""
    witness = play.witness()
    if witness in play.liars or head.standing.next_witness in authority_keys(policy):
        return
    heirs = [one.name for one in policy.witnesses if one.name not in {*play.liars, *play.gone}]
    ready = [name for name in heirs if play.world.nodes[name].on]
    if ready and head.standing.next_epoch == head.standing.epoch:
        people.command(play, witness, Rotate(play.world.nodes[ready[0]].key, "moving out"))


def heed(play: Stage, _names: Sequence[str], _options: Mapping[str, str]) -> None:
    """Where status asks for a revocation, somebody does it (F3); and whoever decides alone appoints another
    witness where nothing is listed, as no daemon counts silence that nobody else hears (S2)."""
    people.heed_evidence(play)
    recover_alone(play)


def recover_alone(play: Stage) -> None:
    """A person whose key is all that the policy asks for does not wait for a witness that lies or is gone."""
    head, witness = play.newest_head(), play.witness()
    if head is None or witness not in {*play.liars, *play.gone}:
        return
    for name in play.choose("any-honest-authority"):
        if satisfies_all(head.standing.policies, frozenset([play.world.nodes[name].key])):
            people.command(play, name, Recover("nothing is listed any more"))
