"""A stranger's reading of docs/spec.md, section 10.2: proofs. Imports nothing of aslp2p."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.independent_verifier.encoding import Refused, decode, included
from tests.independent_verifier.records import (
    ARTIFACT,
    UINT,
    Artifact,
    Kind,
    blob,
    many,
    maybe,
    read,
    record,
    text,
)
from tests.independent_verifier.verifier import (
    PAPER,
    TAKEOVERS,
    After,
    Common,
    Incomplete,
    _demand,
    _Judgement,
)


def path_of(value: Any) -> bytes:
    path: bytes = blob(0, 64 * 32)(value)
    if len(path) % 32:
        raise Refused("A4", "not whole hashes")
    return path


FIELDS: list[Kind] = [
    text(lambda word: word == "asl.proof/1"),
    text(lambda word: word in ("whole", "brief")),
    ARTIFACT,
    many(ARTIFACT, 2048),
    maybe(UINT),
    many(ARTIFACT, 64),
    many(record(proposal=ARTIFACT, index=UINT, path=path_of), 2048),
    UINT,
]


class Proof:
    """A proof that was judged: what it says, or `Refused` with the first rule that fails."""

    def __init__(self, data: bytes, common_id: bytes) -> None:
        fields = decode(data, 1 << 20)
        if not isinstance(fields, list) or len(fields) != len(FIELDS):
            raise Refused("A3", "no array, or another number of fields")
        values = [kind(value) for kind, value in zip(FIELDS, fields, strict=True)]
        _, self.kind, genesis, line, self.final, cosignatures, listed, self.subject = values
        self.line = [read(raw, "snapshot") for raw in line]
        self.cosignatures = [read(raw, "cosignature") for raw in cosignatures]
        self.listed = [(read(one["proposal"], "proposal"), one["index"], one["path"]) for one in listed]
        _demand(read(genesis, "genesis").id == common_id, "V1")
        self.common = Common(genesis)
        self.after = {0: self.common.accepted[common_id]}
        self.snapshots: dict[int, Artifact] = {}
        if self.kind == "whole":
            self.judge_whole()
        else:
            self.judge_brief()
        self.cosigned_by = self.judge_final()
        self.put = self.judge_subject()

    # --- whole ----------------------------------------------------------------------------------------

    def judge_whole(self) -> None:
        for position, (_, index, path) in enumerate(self.listed):
            _demand(index == position and not path, "V7")
        last = self.after[0]
        for snapshot in self.line:
            fields = snapshot.fields
            _demand(fields["common_id"] == self.common.id, "V1")
            _demand((fields["previous"], fields["height"]) == (last.id, last.height + 1), "V2")
            start = len(last.log)
            here = [one for one, _, _ in self.listed[start : start + len(fields["proposals"])]]
            try:
                last = _Judgement(self.common, snapshot, {one.id: one for one in here}).judge()
            except Incomplete:
                raise Refused("V9", "a proposal is missing") from None
            _demand([one.id for one in here] == list(fields["proposals"]), "V7", "their order")
            self.common.accepted[last.id] = last
            self.keep(snapshot, last)
        _demand(len(last.log) == len(self.listed), "V7", "too many proposals")
        _demand(self.final is None or self.final in self.snapshots, "P2")

    def keep(self, snapshot: Artifact, after: After) -> None:
        self.after[after.height] = after
        self.snapshots[after.height] = snapshot

    # --- brief ----------------------------------------------------------------------------------------

    def judge_brief(self) -> None:
        named = {one.fields["height"]: one for one in self.line}
        _demand(self.final in named, "P2", "nothing final")
        final = named[self.final]
        size, root = final.fields["log_size"], final.fields["log_root"]
        before = -1
        for one, index, path in self.listed:
            _demand(index > before and one.fields["common_id"] == self.common.id, "V7")
            before = index
            one.verify()
            nodes = [path[cut : cut + 32] for cut in range(0, len(path), 32)]
            above = index >= size and not nodes
            _demand(above or included(one.id, index, size, nodes, root), "V7", "not in the final log")
        self.rest = list(self.listed)
        self.size = size
        last = self.after[0]
        for snapshot in self.line:
            last = self.step(snapshot, last)
            self.keep(snapshot, last)
        _demand(not self.rest, "V7", "more than is needed")

    def step(self, snapshot: Artifact, below: After) -> After:
        fields = snapshot.fields
        height, known = fields["height"], below
        _demand(fields["common_id"] == self.common.id, "V1")
        follows = height == below.height + 1
        _demand(height > below.height and (not follows or fields["previous"] == below.id), "V2")
        if not follows:
            _demand(below.height < self.final, "V2", "a gap above what is final")
            # The upper end of the gap: whoever is appointed signed it, and nothing else moved.
            known = replace(
                below,
                id=fields["previous"],
                height=height - 1,
                parent=below,
                epoch=below.appoints[0],
                signer=below.appoints[1],
            )
        start = fields["log_size"] - len(fields["proposals"])
        size = self.snapshots[below.height].fields["log_size"] if below.height else 0
        _demand(start == size if follows else start >= size, "V7", "the log")
        known = replace(known, members=self.take(start, known.members))
        special = None
        if fields["certificate"] is not None:
            first = self.rest.pop(0) if self.rest else None
            _demand(first is not None and first[1] == start, "V9")
            assert first is not None
            _demand([first[0].id] == fields["proposals"][:1], "V9")
            special = first[0]
        action = special.fields["action"] if special else {"name_of_action": None}
        if action["name_of_action"] not in TAKEOVERS:
            _demand((fields["epoch"], snapshot.key) == known.appoints, "V3")
        snapshot.verify()
        judgement = _Step(self.common, snapshot, known)
        if special is not None:
            judgement.certified(special, action)
        if fields["settlement"] is not None and action["name_of_action"] not in TAKEOVERS:
            judgement.settlement(set())
        judgement.members = self.take(fields["log_size"], judgement.members)
        return judgement.after(special, action, ())

    def take(self, stop: int, members: dict[bytes, tuple[str, str]]) -> dict[bytes, tuple[str, str]]:
        members = dict(members)
        while self.rest and self.rest[0][1] < stop:
            one, index, _ = self.rest.pop(0)
            action = one.fields["action"]
            _demand(action["name_of_action"] not in PAPER and index < self.size, "V7")
            _demand(one.key in members and members[one.key][1] == "admitted", "V7", "its author")
            if action["name_of_action"] == "admit":
                members.setdefault(action["key"], (action["name"], "admitted"))
        return members

    # --- both -----------------------------------------------------------------------------------------

    def judge_final(self) -> set[bytes]:
        if self.final is None:
            _demand(not self.cosignatures, "P2")
            return set()
        keys = [one.key for one in self.cosignatures]
        _demand(keys == sorted(set(keys)), "P2", "not strictly ascending")
        for one in self.cosignatures:
            one.verify()
        for one in self.cosignatures:
            at = one.fields
            _demand(at["common_id"] == self.common.id, "P2")
            _demand(at["height"] >= self.final and at["height"] in self.snapshots, "P2")
            node = self.after[at["height"]]
            _demand((node.id, node.epoch) == (at["snapshot"], at["epoch"]), "P2")
            _demand(one.key in node.authorities() - node.revoked(), "P2")
        installed = self.after[self.final].installed
        _demand(all(policy.satisfied(set(keys)) for policy in installed), "P2", "no quorum")
        return set(keys)

    def judge_subject(self) -> dict[str, Any]:
        _demand(bool(self.snapshots), "V9")
        self.top = max(self.snapshots) if self.final is None else self.final
        _demand(self.subject < self.snapshots[self.top].fields["log_size"], "V7")
        for one, index, _ in self.listed:
            if index == self.subject and one.fields["action"]["name_of_action"] == "put":
                put: dict[str, Any] = one.fields["action"]
                return put
        raise Refused("V7", "it proves no put")


class _Step(_Judgement):
    """A snapshot above a parent of which only a part is known."""

    def __init__(self, common: Common, snapshot: Artifact, parent: After) -> None:
        self.common = common
        self.snapshot = snapshot
        self.fields = snapshot.fields
        self.parent = parent
        self.members = dict(parent.members)
        self.files = {}
        self.said = parent.said
        self.rotation: dict[str, Any] | None = None

    def erasable(self, content: bytes) -> None:
        """Which contents there are is not known here: that is taken at its word."""

    def settlement(self, gone: set[bytes]) -> None:
        """As the whole history has it; of what is in a gap only height and epoch are known."""
        parent = self.parent
        _demand(len(parent.installed) == 2, "P4")
        cosignatures = self.embedded("settlement", "cosignature", "P4")
        line = {node.height: node for node in parent.line()}
        taken: dict[int, bytes] = {}
        if self.rotation is not None:
            taken[self.rotation["base_height"]] = self.rotation["base_id"]
        for one in cosignatures:
            height, snapshot, epoch = (one.fields[name] for name in ("height", "snapshot", "epoch"))
            _demand(one.key in parent.authorities(), "P4")
            _demand(parent.change_height <= height <= parent.height, "P4")
            if height in line:
                _demand((line[height].id, line[height].epoch) == (snapshot, epoch), "P4")
                continue
            below = max(at for at in line if at < height)
            _demand(taken.setdefault(height, snapshot) == snapshot, "P4", "two snapshots of one height")
            _demand(epoch == line[below].appoints[0], "P4")
        revoked = {key for key in self.members if self.status(key) == "revoked"}
        signers = {one.key for one in cosignatures} - revoked - gone
        _demand(all(policy.satisfied(signers) for policy in parent.installed), "P4", "no quorum")

    def transition(self, proposal: Artifact, action: dict[str, Any]) -> None:
        """As the whole history has it, but a base that is in a gap is not known by its id."""
        parent = self.parent
        self.rotation = action
        _demand(proposal.key == self.snapshot.key, "V4")
        first = parent.height if parent.appoints != (parent.epoch, parent.signer) else self.lowest()
        _demand(first <= action["base_height"] <= parent.height, "V4")
        known = {node.height: node.id for node in parent.line()}
        _demand(known.get(action["base_height"], action["base_id"]) == action["base_id"], "V4")

    def lowest(self) -> int:
        """Where the parent's reign begins: just above the last that is not of it."""
        below = self.parent.reign()[-1].parent
        return 0 if below is None else below.height + 1
