"""What people do: put files, invite, answer what their daemon asks, carry sticks.

People act through commands of the core, as `asl` does, and only on machines that are on. A refused command
(`UserError`) is an everyday thing: it is noted and life goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.token import bear
from aslp2p.artifacts.types import (
    Expel,
    Named,
    Policy,
    PolicyChange,
    Proposal,
    Put,
    Recovery,
    Remove,
    Revocation,
    Rotation,
)
from aslp2p.core.effects import Effect, Publish
from aslp2p.core.inputs import (
    AddContent,
    ChangePolicy,
    Command,
    Endorse,
    Import,
    MakeToken,
    Propose,
    Recover,
    Revoke,
    Rotate,
)
from aslp2p.errors import DiskFault, UserError
from aslp2p.ledger.facts import entry_at
from aslp2p.ledger.floor import give_floor, read_floor
from aslp2p.ledger.history import read_evidence
from aslp2p.ledger.state import revoked_keys
from aslp2p.limits import INVITE_USES_MAX
from aslp2p.views.branches import cosigned_beside
from aslp2p.views.view import View
from simulations.names import name_of
from simulations.scenario import DAY, MINUTE

if TYPE_CHECKING:
    from simulations.machine import Node
    from simulations.stage import Stage

PROPOSAL_RAW = b"\x94\xb5asl.common.proposal/1"
SHARED_PATHS = 8
ASK_AGAIN_MAX = 20
REVOKE_AGAIN_MAX = 10
REVOKE_AGAIN_MS = 10 * MINUTE


def command(play: Stage, name: str, what: Command) -> Any:
    """The answer, or None when it was refused or the machine is not there to take it."""
    node = play.world.nodes[name]
    if not node.on:
        return None
    try:
        return play.world.command(name, what)
    except (UserError, DiskFault) as refused:
        play.note(name, f"refuses {type(what).__name__}: {refused.message}", minor=True)
        return None


# --- files ----------------------------------------------------------------------------------------


def put_one(play: Stage, name: str, path: str, data: bytes, *, expects: bytes | None = None) -> bytes | None:
    """Put `data` at `path`; the proposal's id once it is acknowledged."""
    id_ = content_id(data)
    node = play.world.nodes[name]
    core = node.core
    if not node.on or core is None or core.head is None:
        return None
    if command(play, name, AddContent(((id_, data),))) is None and node.core is not core:
        return None
    proposal = command(play, name, Propose(Put(path, id_, len(data), "text/plain", False, 0, expects)))
    if isinstance(proposal, bytes):
        play.acknowledged(name, proposal)
        return proposal
    return None


def put(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    for name in names:
        for _ in range(int(options.get("count", "1"))):
            put_one(play, name, f"{name}/{play.serial()}", play.random.randbytes(40))


def work(play: Stage, name: str) -> None:
    """One small everyday change."""
    workload = play.scenario.workload
    assert workload is not None
    data = play.random.randbytes(play.random.randint(1, workload.bytes_max))
    chance = play.random.random() if workload.kinds == "mix" else 0.0
    path = f"shared/{play.random.randrange(SHARED_PATHS)}"
    if chance < 0.5:
        put_one(play, name, f"{name}/{play.serial() % 50}", data)
    elif chance < 0.7:
        put_one(play, name, path, data)
    elif chance < 0.8:
        put_one(play, name, path, data, expects=_there(play, name, path))
    elif chance < 0.85:
        put_one(play, name, f"{path}/inside", data)
    else:
        proposal = command(play, name, Propose(Remove(path, None)))
        if isinstance(proposal, bytes):
            play.acknowledged(name, proposal)


def _there(play: Stage, name: str, path: str) -> bytes:
    """The content id that this machine sees at `path`; empty if there is nothing."""
    head = play.head_of(name)
    if head is None:
        return b""
    entry = entry_at(play.world.nodes[name].store, head.branch, head.height, path)
    return b"" if entry is None else entry.content


# --- members --------------------------------------------------------------------------------------


def join(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """New machines with an invite of `names`: they hold the Common's id and a token, and nothing else."""
    token = make_invite(play, names[0])
    for _ in range(int(options["count"])) if token is not None else ():
        play.switch_on([add_joiner(play, names[0], token or b"")])


def make_invite(play: Stage, inviter: str) -> bytes | None:
    """The token of an invite of this machine, or None when it was refused."""
    wall = play.world.nodes[inviter].clock.now(play.world.now_ms).wall
    token = command(play, inviter, MakeToken(wall + DAY, INVITE_USES_MAX))
    return token if isinstance(token, bytes) else None


def add_joiner(play: Stage, inviter: str, token: bytes, *, floor: bool = False) -> str:
    """A new machine that is off yet, with an invite; `floor`: the inviter's is in there (F5). Its name."""
    name = name_of(len(play.world.nodes))
    play.add_machine(name)
    node = play.world.nodes[name]
    node.token, node.inviter = bear(token, node.key), inviter
    if floor and (given := read_floor(play.world.nodes[inviter].store)) is not None:
        node.store.apply([give_floor(given)])
        node.store.commit()
    return name


def expel(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """Whoever is expelled keeps the machine, and works on as if nothing had happened."""
    here = [name for name in play.choose("authorities") if play.world.nodes[name].on]
    for name in names if here else ():
        by = play.random.choice(here)
        command(play, by, Propose(Expel(play.world.nodes[name].key)))


# --- successions ----------------------------------------------------------------------------------


def rotate(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """The witness asks to hand over; people answer later."""
    to = [name for name in play.choose(options.get("to", "any-other")) if name not in names]
    if to:
        command(play, names[0], Rotate(play.world.nodes[to[0]].key, "moving out"))


def recover(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    command(play, names[0], Recover("the witness is gone"))


def revoke(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    by = play.choose(options.get("by", "any-other"))
    if not by:
        return
    _revoke_until_done(play, by[0], play.world.nodes[names[0]].key, REVOKE_AGAIN_MAX)


def _revoke_until_done(play: Stage, name: str, key: bytes, attempts: int) -> None:
    """Status goes on asking, so its person goes on trying: others may have been busy with another attempt."""
    head = play.head_of(name)
    if head is None or attempts == 0 or key in revoked_keys(head.members):
        return
    node = play.world.nodes[name]
    # What `asl evidence` says to give up, or whoever cosigned that could not join in (S3, S9).
    beside = cosigned_beside(View(node.store, own_key=node.key), key)
    command(play, name, Revoke(key, "its key is in other hands", abandons=tuple(beside)))
    play.world.plan(REVOKE_AGAIN_MS, _revoke_until_done, play, name, key, attempts - 1)


def heed_evidence(play: Stage) -> None:
    """Nothing goes on, and status asks for a revocation wherever it is known that a key signed two histories
    (F3): of those who see that, one does it."""
    for name in play.choose("authorities"):
        node, head = play.world.nodes[name], play.head_of(name)
        if name in play.liars or not node.on or head is None:
            continue
        accused = {one.witness for one in read_evidence(node.store)} - revoked_keys(head.members)
        for key in sorted(accused):
            _revoke_until_done(play, name, key, REVOKE_AGAIN_MAX)
        if accused:
            return


def change_policy(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """`authorities` of the machines that are still here become the authorities; `keeps` old ones stay.

    Not one of them is `without`.
    """
    head = play.head_of(names[0])
    if head is None:
        return
    old = head.standing.policies[-1]
    wanted = int(options.get("authorities", str(len(old.witnesses))))
    without = play.choose(options["without"]) if "without" in options else []
    left_out = {play.world.nodes[name].key for name in without}
    keeps = [one for one in old.witnesses if one.key not in left_out][
        : int(options.get("keeps", str(wanted)))
    ]
    here = [name for name in play.world.nodes if name not in play.gone and name not in without]
    others = [name for name in here if play.is_member(name, names[0])]
    taken = {one.key for one in keeps}
    fresh = [Named(name, play.world.nodes[name].key) for name in others]
    witnesses = (keeps + [one for one in fresh if one.key not in taken])[:wanted]
    threshold = int(options.get("threshold", str(len(witnesses) // 2 + 1)))
    policy = Policy(
        witnesses=tuple(witnesses),
        threshold=threshold,
        rotation_allowed=old.rotation_allowed,
        grace_period_ms=old.grace_period_ms,
        participants=old.participants,
        protocol=1,
    )
    command(play, names[0], ChangePolicy(policy))


def courier(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    """A stick with everything that one machine holds goes to another one."""
    source = play.world.nodes[names[0]]
    for target in play.choose(options["to"]):
        if target != names[0]:
            bundle = everything(source)
            play.world.plan(MINUTE, lambda target=target, bundle=bundle: command(play, target, bundle))


def everything(node: Node) -> Import:
    store = node.store
    raws = [] if store.meta("genesis") is None else [store.meta("genesis") or b""]
    contents: dict[bytes, bytes] = {}
    for branch in store.branches():
        for row in store.snapshots(branch.branch, max(1, branch.fork_height + 1), branch.tip_height):
            raws.append(row.raw)
    artifacts = node.store.every_artifact()
    for raw in artifacts:
        if raw.startswith(PROPOSAL_RAW):
            action = decode_as(Proposal, raw).statement.action
            if isinstance(action, Put) and (data := store.content(action.content)) is not None:
                contents[action.content] = data
    return Import(tuple(raws + artifacts), tuple(contents.values()))


class People:
    """Those who sit at the authorities' machines and answer what their daemon asks them."""

    def __init__(self, play: Stage) -> None:
        self._play = play
        self._asked: dict[tuple[str, bytes], int] = {}
        self._wait_until: dict[str, int] = {}

    def hear(self, node: Node, effect: Effect) -> None:
        """A daemon tells of paper: its person looks at it later."""
        if isinstance(effect, Publish) and effect.topic == "paper" and effect.data["endorsed_by"] is None:
            proposal = bytes.fromhex(effect.data["proposal"])
            if (node.name, proposal) not in self._asked:
                self._asked[node.name, proposal] = 0
                self._later(node.name, proposal)

    def _later(self, name: str, proposal: bytes) -> None:
        answer_ms = self._play.scenario.answer_ms
        if answer_ms is not None and name not in self._play.liars:
            self._play.world.plan(self._play.random.randint(*answer_ms), self._answer, name, proposal)

    def _answer(self, name: str, proposal: bytes) -> None:
        """Endorse what is sensible; look again later while the machine is off or it is too early."""
        play = self._play
        node = play.world.nodes[name]
        key = (name, proposal)
        if name in play.gone or self._asked[key] >= ASK_AGAIN_MAX:
            return
        if not node.on or node.core is None:
            self._later(name, proposal)
            return
        self._asked[key] += 1
        raw = node.store.artifact(proposal)
        if raw is None or not any(id_ == proposal for id_, _ in node.store.open_artifacts()):
            return
        action = decode_as(Proposal, raw).statement.action
        live = node.core.live()
        counts = live["is_authority"] or isinstance(action, PolicyChange)
        if isinstance(action, Rotation):
            counts = counts or action.new_witness == node.key
        if not counts or live["stale_reason"] is not None:
            return
        early = live["silent_ms"] < play.scenario.grace_period_ms
        if isinstance(action, Recovery) and (early or play.world.now_ms < self._wait_until.get(name, 0)):
            self._later(name, proposal)
            return
        if command(play, name, Endorse(proposal)) is None:
            self._later(name, proposal)
        elif isinstance(action, Revocation):
            self._wait_until[name] = play.world.now_ms + REVOKE_AGAIN_MS  # that first, then anything else
