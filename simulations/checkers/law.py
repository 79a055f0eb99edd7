"""A history judged from genesis by the rules V1 to V8 and P1 to P6, written from `docs/spec.md` alone.

`judge_line` walks one line and says which rule the first bad snapshot breaks. What it leaves on the way (who
was witness, which policies were in force, which proposals are listed) is what the other checkers ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from simulations.checkers.artifacts import (
    CERTIFIED_ACTIONS,
    COSIGNATURE,
    ENDORSEMENT,
    PROPOSAL,
    TAKEOVERS,
    Artifact,
    Unreadable,
    action_of,
    log_append,
    log_root,
    read,
    verifies,
)
from simulations.checkers.membership import (
    ADMITTED,
    PLACES,
    REVOKED,
    Broken,
    Contents,
    Members,
    may_be_called,
    require,
)

EPOCH_MAX = 2**52


@dataclass
class State:
    """What is known after a snapshot. A line is walked once, so what grows with it is changed in place."""

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
    members: Members
    contents: Contents = field(default_factory=Contents)
    files: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """Path to (content, who signed the snapshot that lists it)."""
    listed: dict[bytes, int] = field(default_factory=dict)
    """Proposal id to the height that lists it."""
    peaks: list[tuple[int, bytes]] = field(default_factory=list)
    size: int = 0
    kind: str = "ordinary"
    """How its witness came: ordinary, or the tag of its certified action."""
    certified: Artifact | None = None


@dataclass(frozen=True)
class Step:
    """What the checkers remember of one snapshot of a line."""

    id: bytes
    height: int
    epoch: int
    signer: bytes
    kind: str
    certified: Artifact | None
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


def require_policy(policy: list[Any]) -> None:
    """P1."""
    keys, threshold = _keys(policy), policy[1]
    require(len(keys) == len(policy[0]) >= 1, "P1", "an authority is listed twice, or there is none")
    require(len({name for name, _ in policy[0]}) == len(keys), "P1", "two authorities have one name")
    require(1 <= threshold <= len(keys) < 2 * threshold, "P1", f"{threshold} of {len(keys)}")


def judge_line(
    genesis: bytes, snapshots: Sequence[Artifact], proposal: Callable[[bytes], bytes | None]
) -> Line:
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
    revoked = state.members.revoked()
    return Step(state.id, state.height, state.epoch, signer, state.kind, state.certified, policies, revoked)


def found(genesis: Artifact) -> State:
    """The state at `common@0`."""
    require(verifies(genesis), "V1", "the genesis is not signed")
    _, policy, anchors, *_ = genesis.body
    require_policy(policy)
    of = {key: (name, ADMITTED) for name, key in anchors}
    names = {name for name, _ in anchors}
    require(len(of) == len(anchors) == len(names), "P6", "an anchor or a name is there twice")
    require(genesis.key in of and _keys(policy) <= of.keys(), "P6", "an authority is no anchor")
    require(all(may_be_called(name, key) for name, key in anchors), "P6", "an anchor has another key's name")
    members = Members(of, {genesis.key, *_keys(policy)})
    reign = (0, genesis.key, (genesis.id,))
    return State(genesis.id, 0, 0, 0, genesis.key, [(genesis.id, policy)], 0, reign, 0, members)


def _follow(
    state: State,
    snapshot: Artifact,
    proposal: Callable[[bytes], bytes | None],
    ids: dict[int, bytes],
    epochs: dict[int, int],
) -> State:
    common, height, previous, epoch, _, listed, size, root, certificate, settlement = snapshot.body
    require(verifies(snapshot), "V1", "its signature does not verify")
    require(common == ids[0], "V1", "it is of another Common")
    require((previous, height) == (state.id, state.height + 1), "V2", "it does not follow its parent")
    artifacts = []
    for id_ in listed:
        raw = proposal(id_)
        require(raw is not None, "durability", f"its proposal {id_.hex()[:8]} is nowhere")
        artifacts.append(read(raw or b""))
    new = replace(
        state,
        id=snapshot.id,
        height=height,
        epoch=epoch,
        kind="ordinary",
        certified=None,
        next_epoch=epoch,
        next_witness=snapshot.key,
        policies=list(state.policies),
    )
    special = None
    if certificate is not None:
        require(bool(artifacts), "V6", "a certificate for nothing")
        special = artifacts[0]
    kind = action_of(special)[0] if special is not None else "ordinary"
    if kind not in TAKEOVERS:
        appointed = (state.next_epoch, state.next_witness)
        require((epoch, snapshot.key) == appointed, "V3", "its signer is not who its parent appoints")
    taken_over = kind in TAKEOVERS and settlement is not None
    if taken_over and special is not None:
        _settled(state, new, settlement, (ids, epochs), set(action_of(special)[7:8]))
    if special is not None:
        judged = replace(state, policies=new.policies) if taken_over else state
        _certified(judged, new, snapshot, special, certificate, ids)
    for artifact in artifacts:
        _listed(state, new, artifact, special, (ids[0], snapshot.key))
    new.size = state.size + len(artifacts)
    require(
        (size, root) == (new.size, log_root(new.peaks)), "V7", "its log root is not that of its proposals"
    )
    if settlement is not None and not taken_over:
        _settled(state, new, settlement, (ids, epochs), set())
    require(new.members.usable(snapshot.key), "V8", "its signer is no admitted member")
    reign = (epoch, snapshot.key, tuple(installed for installed, _ in new.policies))
    new.reign_height = state.reign_height if reign == state.reign else height
    new.reign = reign
    return new


def _signed(raws: Sequence[bytes], type_: str, rule: str) -> list[Artifact]:
    artifacts = [read(raw) for raw in raws]
    keys = [artifact.key for artifact in artifacts]
    require(keys == sorted(set(keys)), "P5", "a key signs twice, or out of order")
    require(
        all(artifact.type == type_ and verifies(artifact) for artifact in artifacts),
        rule,
        "a signature does not hold",
    )
    return artifacts


def _quorum(policies: Sequence[list[Any]], keys: frozenset[bytes], rule: str) -> None:
    for policy in policies:
        have = len(_keys(policy) & keys)
        require(have >= policy[1], rule, f"{have} of the {policy[1]} signatures that are needed")


def _certified(
    state: State,
    new: State,
    snapshot: Artifact,
    special: Artifact,
    certificate: Sequence[bytes],
    ids: dict[int, bytes],
) -> None:
    action = action_of(special)
    kind = action[0]
    require(kind in (*CERTIFIED_ACTIONS, "erase"), "V6", "a certificate for an ordinary action")
    require(state.members.usable(special.key), "V7", "its proposer is no member")
    artifacts = _signed(certificate, ENDORSEMENT, "V6")
    epoch = 0 if kind in ("policy-change", "erase") else action[1]
    for artifact in artifacts:
        require(artifact.body[:3] == [ids[0], special.id, epoch], "V6", "an endorsement of something else")
    keys = frozenset(artifact.key for artifact in artifacts)
    revoked = state.members.revoked()
    policies = [policy for _, policy in state.policies]
    authorities = frozenset[bytes]().union(*map(_keys, policies))
    if kind == "erase":
        require(keys <= authorities, "V6", "endorsed by somebody who is no authority")
        _quorum(policies, keys - revoked, "V6")
        new.contents.erase(action[1], None, {content for content, _ in new.files.values()})
        return
    new.kind, new.certified = kind, special
    if kind == "policy-change":
        _, policy, replaces = action
        require(len(policies) == 1, "P3", "a policy change while another is unsettled")
        require(replaces == state.policies[-1][0], "P3", "it replaces a policy that is not in force")
        require_policy(policy)
        require(keys <= authorities | _keys(policy), "P3", "endorsed by somebody of neither policy")
        _quorum([*policies, policy], keys - revoked, "P3")
        new.policies.append((special.id, policy))
        new.change_height = new.height
        require(not _keys(policy) & revoked, "P3", "a revoked authority")
        require(len(new.members.of.keys() | _keys(policy)) <= PLACES, "A4", "no place for a new authority")
        for name, key in policy[0]:
            new.members.appoint(key, name)
        return
    _, epoch, base_height, base_id, witness, *_ = action
    require(state.next_epoch < epoch <= EPOCH_MAX, "V6", f"epoch {epoch} after {state.next_epoch}")
    require(state.members.status(witness) not in ("", REVOKED), "V7", "the new witness is no member")
    allowed = authorities | {witness} if kind == "witness-rotation" else authorities
    require(keys <= allowed, "V6", "endorsed by somebody who is no authority")
    if kind == "witness-rotation":
        same = witness == state.next_witness
        require(same or all(policy[2] for policy in policies), "V4", "rotation is not allowed")
        require(special.key == snapshot.key, "V4", "a rotation that the witness did not propose")
        require(witness in keys, "V4", "the incoming witness has not endorsed")
        first = (
            state.reign_height
            if (state.epoch, _signer(state)) == (state.next_epoch, state.next_witness)
            else state.height
        )
        require(
            first <= base_height <= state.height and ids[base_height] == base_id,
            "V4",
            "its base is elsewhere",
        )
        new.next_epoch, new.next_witness = epoch, witness
    else:
        require(not set(action[6]) & set(ids.values()), "S9", "it abandons what it stands on")
        require(special.key in authorities, "V5", "a takeover that no authority proposed")
        require((base_height, base_id) == (state.height, state.id), "V5", "its base is not its parent")
        require(
            (snapshot.key, snapshot.body[3]) == (witness, epoch), "V5", "not the new witness, not its epoch"
        )
        if kind == "witness-revocation":
            gone = action[7]
            require(state.members.status(gone) not in ("", REVOKED), "V8", "nobody to revoke")
            require(gone not in (special.key, witness), "V8", "the revoked key proposes, or is appointed")
            keys -= {gone}
            for policy in policies:
                left = len(_keys(policy) - revoked - {gone})
                require(left >= policy[1], "V8", "too few authorities would be left")
            new.members.of[gone] = (new.members.of[gone][0], REVOKED)
    _quorum(policies, keys - revoked, "V6")
    new.members.appoint(witness, "")


def _signer(state: State) -> bytes:
    return state.reign[1]


def _settled(
    state: State,
    new: State,
    settlement: Sequence[bytes],
    line: tuple[dict[int, bytes], dict[int, int]],
    gone: set[bytes],
) -> None:
    """P4: `line` are ids and epochs by height; the keys in `gone` do not count."""
    ids, epochs = line
    require(len(state.policies) == 2, "P4", "a settlement of nothing")
    artifacts = _signed(settlement, COSIGNATURE, "P4")
    for artifact in artifacts:
        _, epoch, height, snapshot, _ = artifact.body
        require(artifact.body[0] == ids[0], "P4", "a cosignature of another Common")
        require(state.change_height <= height <= state.height, "P4", "a cosignature from below the change")
        require((ids[height], epochs[height]) == (snapshot, epoch), "P4", "a cosignature of something else")
    revoked = new.members.revoked()
    policies = [policy for _, policy in state.policies]
    keys = frozenset(artifact.key for artifact in artifacts)
    require(keys <= frozenset[bytes]().union(*map(_keys, policies)), "P4", "a stranger's cosignature")
    _quorum(policies, keys - revoked - gone, "P4")
    new.policies, new.change_height = state.policies[1:], 0


def _listed(
    state: State, new: State, artifact: Artifact, special: Artifact | None, by: tuple[bytes, bytes]
) -> None:
    require(artifact.type == PROPOSAL and verifies(artifact), "V7", "a listed proposal does not verify")
    common_id, witness = by
    require(artifact.body[0] == common_id, "V7", "a proposal of another Common")
    require(artifact.id not in new.listed, "V7", "a proposal is listed twice")
    new.listed[artifact.id] = new.height
    new.peaks = log_append(new.peaks, artifact.id)
    members = new.members
    if artifact is special:
        members.named.add(artifact.key)
        return
    require(members.usable(artifact.key), "V7", "its author is no member")
    kind, *fields = action_of(artifact)
    authorities = frozenset[bytes]().union(*(_keys(policy) for _, policy in state.policies))
    match kind:
        case "put" | "remove":
            _change(new, kind, fields, witness)
            if kind == "put":
                new.contents.put(fields[1], fields[2], artifact.key)
        case "admit":
            closed = any(policy[4] == "authorities" for _, policy in state.policies)
            members.admit(artifact, authorities, closed=closed)
        case "expel":
            members.expel(fields[0], artifact.key, authorities, _appointed(state, special))
        case "forget":
            members.forget(fields[0], artifact.key, authorities)
        case "rename":
            members.rename(fields[0], fields[1], artifact.key, authorities)
        case "revoke-invite":
            members.end_invite(fields[0], artifact.key, authorities)
        case "erase":
            new.contents.erase(fields[0], artifact.key, {content for content, _ in new.files.values()})
        case _:
            raise Broken("V7", f"{kind} without a certificate")
    members.named.add(artifact.key)


def _appointed(state: State, special: Artifact | None) -> set[bytes]:
    """Whom no snapshot on `state` that carries `special` may expel, besides the authorities."""
    found = {_signer(state), state.next_witness}
    action: list[Any] = action_of(special) if special is not None else [""]
    if action[0] == "policy-change":
        found |= _keys(action[1])
    elif action[0] in CERTIFIED_ACTIONS:
        found.add(action[4])
    return found


def _change(new: State, kind: str, fields: list[Any], witness: bytes) -> None:
    path, expects = fields[0], fields[-1]
    there, _ = new.files.get(path, (b"", b""))
    require(expects is None or expects == there, "V7", f"{path} is not what its author expected")
    if kind == "remove":
        require(path in new.files, "V7", f"{path} is not there")
        del new.files[path]
        return
    if path not in new.files:
        parts = path.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts)))
        require(not any(folder in new.files for folder in above), "V7", f"{path} is inside a file")
        require(not any(other.startswith(f"{path}/") for other in new.files), "V7", f"{path} is a folder")
    new.files[path] = fields[1], witness
