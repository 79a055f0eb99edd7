"""A history judged from genesis by the rules V1 to V8 and P1 to P6, written from `docs/spec.md` alone.

`judge_line` walks one line and says which rule the first bad snapshot breaks. What it leaves on the way (who
was witness, which policies were in force, which proposals are listed) is what the other checkers ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simulations.checkers.papers import (
    COSIGNATURE,
    ENDORSEMENT,
    PAPER_ACTIONS,
    PROPOSAL,
    TAKEOVERS,
    Paper,
    Unreadable,
    action_of,
    log_append,
    log_root,
    read,
    verifies,
)

EPOCH_STEP_MAX = 2**20


class Broken(Exception):
    """A rule that does not hold."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


@dataclass
class State:
    """What is known after a snapshot. A line is walked once, so `files` and `listed` are changed in place."""

    id: bytes
    height: int
    epoch: int
    next_epoch: int
    next_witness: bytes
    policies: list[tuple[bytes, list[Any]]]
    """(what installed it, the policy), two while a change is joint."""
    change_height: int
    reign: tuple[int, bytes, tuple[bytes, ...]]
    reign_height: int
    members: dict[bytes, tuple[str, str]]
    files: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """Path to (content, who signed the snapshot that lists it)."""
    listed: dict[bytes, int] = field(default_factory=dict)
    """Proposal id to the height that lists it."""
    peaks: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0
    kind: str = "ordinary"
    """How its witness came: ordinary, or the tag of its certified action."""
    certified: Paper | None = None


@dataclass(frozen=True)
class Step:
    """What the checkers remember of one snapshot of a line."""

    id: bytes
    height: int
    epoch: int
    signer: bytes
    kind: str
    certified: Paper | None
    policies: tuple[tuple[int, frozenset[bytes]], ...]
    """(threshold, keys) of each policy in force at it."""
    revoked: frozenset[bytes]


@dataclass
class Line:
    """A judged line: its steps up to the first bad one, and what was wrong with that."""

    steps: list[Step]
    state: State
    problem: str | None = None
    rule: str | None = None


def _keys(policy: list[Any]) -> frozenset[bytes]:
    return frozenset(key for _, key in policy[0])


def _usable(state: State, key: bytes) -> bool:
    return state.members.get(key, ("", ""))[1] == "admitted"


def _require(held: bool, rule: str, text: str) -> None:
    if not held:
        raise Broken(rule, text)


def require_policy(policy: list[Any]) -> None:
    """P1."""
    keys, threshold = _keys(policy), policy[1]
    _require(len(keys) == len(policy[0]) >= 1, "P1", "an authority is listed twice, or there is none")
    _require(len({name for name, _ in policy[0]}) == len(keys), "P1", "two authorities have one name")
    _require(1 <= threshold <= len(keys) < 2 * threshold, "P1", f"{threshold} of {len(keys)}")


def judge_line(genesis: bytes, snapshots: Sequence[Paper], proposal: Callable[[bytes], bytes | None]) -> Line:
    """Judge `snapshots` in order; `proposal` gives the bytes of a listed one."""
    state = found(read(genesis))
    ids = {0: state.id}
    epochs = {0: 0}
    steps = [_step(state, read(genesis).key)]
    for snapshot in snapshots:
        try:
            state = _follow(state, snapshot, proposal, ids, epochs)
        except Broken as broken:
            return Line(steps, state, f"@{snapshot.body[1]} {snapshot.id.hex()[:8]} {broken}", broken.rule)
        except Unreadable as error:
            return Line(steps, state, f"@{snapshot.body[1]} {snapshot.id.hex()[:8]} {error}", "A2")
        ids[state.height], epochs[state.height] = state.id, state.epoch
        steps.append(_step(state, snapshot.key))
    return Line(steps, state)


def _step(state: State, signer: bytes) -> Step:
    policies = tuple((policy[1], _keys(policy)) for _, policy in state.policies)
    revoked = frozenset(key for key, (_, status) in state.members.items() if status == "revoked")
    return Step(state.id, state.height, state.epoch, signer, state.kind, state.certified, policies, revoked)


def found(genesis: Paper) -> State:
    """The state at `common@0`."""
    _require(verifies(genesis), "V1", "the genesis is not signed")
    _, policy, anchors, *_ = genesis.body
    require_policy(policy)
    members = {key: (name, "admitted") for name, key in anchors}
    names = {name for name, _ in anchors}
    _require(len(members) == len(anchors) == len(names), "P6", "an anchor or a name is there twice")
    _require(genesis.key in members and _keys(policy) <= members.keys(), "P6", "an authority is no anchor")
    reign = (0, genesis.key, (genesis.id,))
    return State(genesis.id, 0, 0, 0, genesis.key, [(genesis.id, policy)], 0, reign, 0, members)


def _follow(
    state: State,
    snapshot: Paper,
    proposal: Callable[[bytes], bytes | None],
    ids: dict[int, bytes],
    epochs: dict[int, int],
) -> State:
    common, height, previous, epoch, _, listed, size, root, certificate, settlement = snapshot.body
    _require(verifies(snapshot), "V1", "its signature does not verify")
    _require(common == ids[0], "V1", "it is of another Common")
    _require((previous, height) == (state.id, state.height + 1), "V2", "it does not follow its parent")
    papers = []
    for id_ in listed:
        raw = proposal(id_)
        _require(raw is not None, "durability", f"its proposal {id_.hex()[:8]} is nowhere")
        papers.append(read(raw or b""))
    new = replace(
        state,
        id=snapshot.id,
        height=height,
        epoch=epoch,
        members=dict(state.members),
        kind="ordinary",
        certified=None,
        next_epoch=epoch,
        next_witness=snapshot.key,
        policies=list(state.policies),
    )
    special = None
    if certificate is not None:
        _require(bool(papers), "V6", "a certificate for nothing")
        special = papers[0]
    kind = action_of(special)[0] if special is not None else "ordinary"
    if kind not in TAKEOVERS:
        appointed = (state.next_epoch, state.next_witness)
        _require((epoch, snapshot.key) == appointed, "V3", "its signer is not who its parent appoints")
    if special is not None:
        _certified(state, new, snapshot, special, certificate, ids)
    for paper in papers:
        _listed(state, new, paper, special, (ids[0], snapshot.key))
    new.size = state.size + len(papers)
    _require(
        (size, root) == (new.size, log_root(new.peaks)), "V7", "its log root is not that of its proposals"
    )
    if settlement is not None:
        _settled(state, new, settlement, ids, epochs)
    _require(_usable(new, snapshot.key), "V8", "its signer is no admitted member")
    reign = (epoch, snapshot.key, tuple(installed for installed, _ in new.policies))
    new.reign_height = state.reign_height if reign == state.reign else height
    new.reign = reign
    return new


def _signed(raws: Sequence[bytes], type_: str, rule: str) -> list[Paper]:
    papers = [read(raw) for raw in raws]
    keys = [paper.key for paper in papers]
    _require(keys == sorted(set(keys)), "P5", "a key signs twice, or out of order")
    _require(
        all(paper.type == type_ and verifies(paper) for paper in papers), rule, "a signature does not hold"
    )
    return papers


def _quorum(policies: Sequence[list[Any]], keys: frozenset[bytes], rule: str) -> None:
    for policy in policies:
        have = len(_keys(policy) & keys)
        _require(have >= policy[1], rule, f"{have} of the {policy[1]} signatures that are needed")


def _certified(
    state: State,
    new: State,
    snapshot: Paper,
    special: Paper,
    certificate: Sequence[bytes],
    ids: dict[int, bytes],
) -> None:
    action = action_of(special)
    kind = action[0]
    _require(kind in PAPER_ACTIONS, "V6", "a certificate for an ordinary action")
    _require(_usable(state, special.key), "V7", "its proposer is no member")
    papers = _signed(certificate, ENDORSEMENT, "V6")
    epoch = 0 if kind == "policy-change" else action[1]
    for paper in papers:
        _require(paper.body[:3] == [ids[0], special.id, epoch], "V6", "an endorsement of something else")
    keys = frozenset(paper.key for paper in papers)
    revoked = frozenset(key for key, (_, status) in state.members.items() if status == "revoked")
    policies = [policy for _, policy in state.policies]
    new.kind, new.certified = kind, special
    authorities = frozenset[bytes]().union(*map(_keys, policies))
    if kind == "policy-change":
        _, policy, replaces = action
        _require(len(policies) == 1, "P3", "a policy change while another is unsettled")
        _require(replaces == state.policies[-1][0], "P3", "it replaces a policy that is not in force")
        require_policy(policy)
        _require(keys <= authorities | _keys(policy), "P3", "endorsed by somebody of neither policy")
        _quorum([*policies, policy], keys - revoked, "P3")
        taken = {name for name, status in new.members.values() if status == "admitted"}
        new.policies.append((special.id, policy))
        new.change_height = new.height
        for name, key in policy[0]:
            _require(key in new.members or name not in taken, "V7", "a name that is taken")
            new.members.setdefault(key, (name, "admitted"))
            _require(new.members[key][1] == "admitted", "P3", "an expelled or revoked authority")
        return
    _, epoch, base_height, base_id, witness, *_ = action
    _require(0 < epoch - state.next_epoch <= EPOCH_STEP_MAX, "V6", f"epoch {epoch} after {state.next_epoch}")
    _require(_usable(state, witness), "V7", "the new witness is no member")
    allowed = authorities | {witness} if kind == "witness-rotation" else authorities
    _require(keys <= allowed, "V6", "endorsed by somebody who is no authority")
    if kind == "witness-rotation":
        same = witness == state.next_witness
        _require(same or all(policy[2] for policy in policies), "V4", "rotation is not allowed")
        _require(special.key == snapshot.key, "V4", "a rotation that the witness did not propose")
        _require(witness in keys, "V4", "the incoming witness has not endorsed")
        first = (
            state.reign_height
            if (state.epoch, _signer(state)) == (state.next_epoch, state.next_witness)
            else state.height
        )
        _require(
            first <= base_height <= state.height and ids[base_height] == base_id,
            "V4",
            "its base is elsewhere",
        )
        new.next_epoch, new.next_witness = epoch, witness
    else:
        _require(not set(action[6]) & set(ids.values()), "S9", "it abandons what it stands on")
        _require(special.key in authorities, "V5", "a takeover that no authority proposed")
        _require((base_height, base_id) == (state.height, state.id), "V5", "its base is not its parent")
        _require(
            (snapshot.key, snapshot.body[3]) == (witness, epoch), "V5", "not the new witness, not its epoch"
        )
        if kind == "witness-revocation":
            gone = action[7]
            _require(gone in state.members and gone not in revoked, "V8", "nobody to revoke")
            _require(special.key != gone, "V8", "the revoked key proposes")
            keys -= {gone}
            for policy in policies:
                left = len(_keys(policy) - revoked - {gone})
                _require(left >= policy[1], "V8", "too few authorities would be left")
            new.members[gone] = (new.members[gone][0], "revoked")
    _quorum(policies, keys - revoked, "V6")


def _signer(state: State) -> bytes:
    return state.reign[1]


def _settled(
    state: State, new: State, settlement: Sequence[bytes], ids: dict[int, bytes], epochs: dict[int, int]
) -> None:
    _require(len(state.policies) == 2, "P4", "a settlement of nothing")
    papers = _signed(settlement, COSIGNATURE, "P4")
    for paper in papers:
        _, epoch, height, snapshot, _ = paper.body
        _require(paper.body[0] == ids[0], "P4", "a cosignature of another Common")
        _require(state.change_height <= height <= state.height, "P4", "a cosignature from below the change")
        _require((ids[height], epochs[height]) == (snapshot, epoch), "P4", "a cosignature of something else")
    revoked = frozenset(key for key, (_, status) in new.members.items() if status == "revoked")
    policies = [policy for _, policy in state.policies]
    keys = frozenset(paper.key for paper in papers)
    _require(keys <= frozenset[bytes]().union(*map(_keys, policies)), "P4", "a stranger's cosignature")
    _quorum(policies, keys - revoked, "P4")
    new.policies, new.change_height = state.policies[1:], 0


def _listed(state: State, new: State, paper: Paper, special: Paper | None, by: tuple[bytes, bytes]) -> None:
    _require(paper.type == PROPOSAL and verifies(paper), "V7", "a listed proposal does not verify")
    common_id, witness = by
    _require(paper.body[0] == common_id, "V7", "a proposal of another Common")
    _require(paper.id not in new.listed, "V7", "a proposal is listed twice")
    new.listed[paper.id] = new.height
    new.peaks = log_append(new.peaks, paper.id)
    if paper is special:
        return
    _require(_usable(new, paper.key), "V7", "its author is no member")
    kind, *fields = action_of(paper)
    authorities = frozenset[bytes]().union(*(_keys(policy) for _, policy in state.policies))
    match kind:
        case "put" | "remove":
            _change(new, kind, fields, witness)
        case "admit":
            key, name = fields
            free = all(other != name for other, status in new.members.values() if status == "admitted")
            _require(
                free and new.members.get(key, ("", ""))[1] in ("", "expelled"), "V7", "cannot be admitted"
            )
            closed = any(policy[4] == "authorities" for _, policy in state.policies) or key in new.members
            _require(not closed or paper.key in authorities, "P6", "admitted by who may not")
            new.members[key] = (name, "admitted")
        case "expel":
            _require(
                paper.key in authorities and fields[0] not in authorities, "P6", "expelled by who may not"
            )
            _require(_usable(new, fields[0]), "P6", "expelled twice")
            _require(
                fields[0] not in _appointed(state, special), "P6", "the witness or an authority expelled"
            )
            new.members[fields[0]] = (new.members[fields[0]][0], "expelled")
        case _:
            raise Broken("V7", f"{kind} without a certificate")


def _appointed(state: State, special: Paper | None) -> set[bytes]:
    """Whom no snapshot on `state` that carries `special` may expel, besides the authorities."""
    found = {_signer(state), state.next_witness}
    action: list[Any] = action_of(special) if special is not None else [""]
    if action[0] == "policy-change":
        found |= _keys(action[1])
    elif action[0] in PAPER_ACTIONS:
        found.add(action[4])
    return found


def _change(new: State, kind: str, fields: list[Any], witness: bytes) -> None:
    path, expects = fields[0], fields[-1]
    there, _ = new.files.get(path, (b"", b""))
    _require(expects is None or expects == there, "V7", f"{path} is not what its author expected")
    if kind == "remove":
        _require(path in new.files, "V7", f"{path} is not there")
        del new.files[path]
        return
    if path not in new.files:
        parts = path.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        _require(not any(folder in new.files for folder in above), "V7", f"{path} is inside a file")
        _require(not any(other.startswith(f"{path}/") for other in new.files), "V7", f"{path} is a folder")
    new.files[path] = fields[1], witness
