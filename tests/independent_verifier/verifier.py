"""A stranger's reading of docs/spec.md, sections 3 and 4: what is true. Imports nothing of aslp2p.

`Common` keeps everything that it accepted, and for every snapshot the whole state after it, copied. It
follows the order of judgement of section 4 step by step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tests.independent_verifier.encoding import Refused, holds, pae, root
from tests.independent_verifier.records import Artifact, read

TAKEOVERS = ("witness-recovery", "witness-revocation")
PAPER = ("policy-change", "witness-rotation", *TAKEOVERS)


class Incomplete(Exception):
    """Something that it stands on is not here."""


@dataclass(frozen=True)
class Installed:
    """A policy in force and the id of what installed it."""

    id: bytes
    policy: dict[str, Any]

    def keys(self) -> set[bytes]:
        return {witness["key"] for witness in self.policy["witnesses"]}

    def satisfied(self, signers: set[bytes]) -> bool:
        return len(self.keys() & signers) >= int(self.policy["threshold"])


@dataclass(frozen=True)
class Said:
    """What the history says besides who is a member and where what is. Every change makes a new one."""

    named: frozenset[bytes] = frozenset()
    """Keys that the history names: never forgotten."""
    forgotten: frozenset[bytes] = frozenset()
    reserved: frozenset[str] = frozenset()
    uses: tuple[bytes, ...] = ()
    """The id of an invite, once for every use."""
    let_in: tuple[bytes, ...] = ()
    """Who it was that an admit rested on and was no authority, once for each."""
    revoked_invites: frozenset[tuple[bytes, bytes | None]] = frozenset()
    """(invite, by whom; None: an authority)."""
    puts: tuple[tuple[bytes, int, bytes], ...] = ()
    """(content, size, author) of every put."""
    erased: frozenset[bytes] = frozenset()


@dataclass(frozen=True, eq=False)
class After:
    """Everything that holds after a snapshot; and what its own certificate abandons."""

    id: bytes
    height: int
    parent: After | None
    epoch: int
    signer: bytes
    appoints: tuple[int, bytes]
    installed: tuple[Installed, ...]
    change_height: int
    members: dict[bytes, tuple[str, str]]
    files: dict[str, bytes]
    log: tuple[bytes, ...]
    said: Said
    abandons: tuple[bytes, ...] = ()

    def line(self) -> list[After]:
        """From itself down to genesis."""
        found: list[After] = []
        node: After | None = self
        while node is not None:
            found.append(node)
            node = node.parent
        return found

    def reign(self) -> list[After]:
        """Itself and its ancestors in one epoch, by one signer, under the same policies."""
        found = []
        for node in self.line():
            if (node.epoch, node.signer, node.installed) != (self.epoch, self.signer, self.installed):
                break
            found.append(node)
        return found

    def authorities(self) -> set[bytes]:
        return set().union(*(one.keys() for one in self.installed))

    def status(self, key: bytes) -> str | None:
        return self.members[key][1] if key in self.members else None

    def revoked(self) -> set[bytes]:
        return {key for key in self.members if self.status(key) == "revoked"}


def _demand(condition: bool, rule: str, why: str = "") -> None:
    if not condition:
        raise Refused(rule, why)


def _require_policy(policy: dict[str, Any]) -> None:
    keys = [witness["key"] for witness in policy["witnesses"]]
    labels = [witness["name"] for witness in policy["witnesses"]]
    n, t = len(keys), policy["threshold"]
    _demand(n >= 1 and len(set(keys)) == n and len(set(labels)) == n, "P1")
    _demand(1 <= t <= n < 2 * t, "P1")
    _demand(policy["protocol"] == 1, "A4")


def _may_be_called(name: str, key: bytes) -> bool:
    """What ends in a hyphen and 16 digits of a key is a name of that key alone."""
    end = name[-17:]
    made = len(end) == 17 and end[0] == "-" and all(digit in "0123456789abcdef" for digit in end[1:])
    return not made or key.hex()[:16] == end[1:]


class Common:
    """What a stranger who was handed everything, parents first, believes."""

    def __init__(self, genesis: bytes) -> None:
        found = read(genesis, "genesis")
        found.verify()
        self.id = found.id
        policy, anchors = found.fields["policy"], found.fields["anchors"]
        _require_policy(policy)
        keys = [anchor["key"] for anchor in anchors]
        names = [anchor["name"] for anchor in anchors]
        _demand(len(set(keys)) == len(keys) and len(set(names)) == len(names), "P6")
        installed = Installed(found.id, policy)
        _demand(found.key in keys and installed.keys() <= set(keys), "P6")
        _demand(
            all(_may_be_called(anchor["name"], anchor["key"]) for anchor in anchors), "P6", "another's name"
        )
        members = {anchor["key"]: (anchor["name"], "admitted") for anchor in anchors}
        said = Said(named=frozenset(installed.keys() | {found.key}))
        self.accepted = {
            found.id: After(
                found.id, 0, None, 0, found.key, (0, found.key), (installed,), 0, members, {}, (), said
            )
        }

    def accept(self, snapshot: bytes, proposals: list[bytes]) -> After:
        """Judge and keep; raises `Refused` with the first rule that fails, or `Incomplete`."""
        found = read(snapshot, "snapshot")
        here = {one.id: one for one in (read(raw, "proposal") for raw in proposals)}
        after = _Judgement(self, found, here).judge()
        self.accepted[after.id] = after
        return after


class _Judgement:
    def __init__(self, common: Common, snapshot: Artifact, here: dict[bytes, Artifact]) -> None:
        self.common = common
        self.snapshot = snapshot
        self.fields = snapshot.fields
        if self.fields["previous"] not in common.accepted:
            raise Incomplete
        self.parent = common.accepted[self.fields["previous"]]
        self.here = here
        self.members = dict(self.parent.members)
        self.files = dict(self.parent.files)
        self.said = self.parent.said

    def judge(self) -> After:
        fields, parent = self.fields, self.parent
        _demand(fields["common_id"] == self.common.id, "V1")
        _demand(fields["height"] == parent.height + 1, "V2")
        listed = self.listed()
        special = listed[0] if fields["certificate"] is not None else None
        action = special.fields["action"] if special else {"name_of_action": None}
        if action["name_of_action"] not in TAKEOVERS:
            _demand((fields["epoch"], self.snapshot.key) == parent.appoints, "V3")
        for one in (self.snapshot, *listed):
            one.verify()
        if special is not None:
            self.certified(special, action)
        for position, one in enumerate(listed):
            _demand(one.fields["common_id"] == self.common.id, "V7")
            if one is not special:
                _demand(self.status(one.key) == "admitted", "V7", "its author is no member")
                _demand(one.id not in parent.log + tuple(fields["proposals"][:position]), "V7", "listed")
                self.apply(one, one.fields["action"], action)
            self.name(one.key)
        log = parent.log + tuple(fields["proposals"])
        _demand(fields["log_size"] == len(log) and fields["log_root"] == root(list(log)), "V7", "the log")
        if fields["settlement"] is not None and action["name_of_action"] not in TAKEOVERS:
            self.settlement(set())
        _demand(self.status(self.snapshot.key) == "admitted", "V8")
        return self.after(special, action, log)

    def status(self, key: bytes) -> str | None:
        return self.members[key][1] if key in self.members else None

    def name(self, key: bytes) -> None:
        self.said = replace(self.said, named=self.said.named | {key})

    def listed(self) -> list[Artifact]:
        ids = self.fields["proposals"]
        if any(id_ not in self.here for id_ in ids):
            raise Incomplete
        _demand(len(set(ids)) == len(ids), "V7", "listed twice")
        certified = self.fields["certificate"] is not None
        _demand(bool(ids) or not certified, "V6")
        listed = [self.here[id_] for id_ in ids]
        for one in listed[1:] if certified else listed:
            _demand(one.fields["action"]["name_of_action"] not in PAPER, "V7", "paper")
        return listed

    # --- certificates ---------------------------------------------------------------------------------

    def certified(self, proposal: Artifact, action: dict[str, Any]) -> None:
        """Step 6: a takeover's settlement comes first, and leaves the new policy alone to judge the rest."""
        parent = self.parent
        if action["name_of_action"] in TAKEOVERS and self.fields["settlement"] is not None:
            self.settlement({action.get("revoked", b"")})
            self.parent = replace(parent, installed=parent.installed[1:], change_height=0)
        self.certificate(proposal, action)
        self.parent = parent

    def certificate(self, proposal: Artifact, action: dict[str, Any]) -> None:
        parent = self.parent
        kind = action["name_of_action"]
        _demand(kind in (*PAPER, "erase"), "V6")
        _demand(parent.status(proposal.key) == "admitted", "V7")
        if kind == "policy-change":
            self.change(action)
        elif kind == "erase":
            self.erasable(action["content"])
        else:
            self.succession(action, kind)
        if kind == "witness-rotation":
            self.transition(proposal, action)
        elif kind in TAKEOVERS:
            self.takeover(proposal, action)
        change = kind == "policy-change"
        rule, epoch = ("P3", 0) if change else ("V6", action.get("epoch", 0))
        allowed, policies = parent.authorities(), parent.installed
        if change:
            new = Installed(proposal.id, action["policy"])
            allowed |= new.keys()
            policies = (*policies, new)
        if kind == "witness-rotation":
            allowed.add(action["new_witness"])
        endorsements = self.embedded("certificate", "endorsement", "V6")
        for one in endorsements:
            named = (one.fields["proposal"], one.fields["epoch"])
            _demand(named == (proposal.id, epoch) and one.key in allowed, rule)
        signers = {one.key for one in endorsements}
        if kind == "witness-rotation":
            _demand(action["new_witness"] in signers, "V4", "the incoming witness is missing")
        gone = parent.revoked() | ({action["revoked"]} if kind == "witness-revocation" else set())
        _demand(all(policy.satisfied(signers - gone) for policy in policies), rule, "no quorum")
        if change:
            for witness in action["policy"]["witnesses"]:
                self.let_in(witness["key"], witness["name"])
        elif kind == "erase":
            _demand(proposal.id not in parent.log, "V7", "listed")
            self.said = replace(self.said, erased=self.said.erased | {action["content"]})
        else:
            self.let_in(action["new_witness"], "")
        if kind == "witness-revocation":
            self.members[action["revoked"]] = (self.members[action["revoked"]][0], "revoked")

    def change(self, action: dict[str, Any]) -> None:
        parent = self.parent
        _demand(len(parent.installed) == 1, "P3", "unsettled")
        _demand(action["replaces"] == parent.installed[0].id, "P3")
        _require_policy(action["policy"])
        count = len(self.members)
        for witness in action["policy"]["witnesses"]:
            _demand(parent.status(witness["key"]) != "revoked", "P3")
            count += witness["key"] not in parent.members
        _demand(count <= 2048, "A4")

    def let_in(self, key: bytes, label: str) -> None:
        """Whom a quorum makes an authority or the witness is a member, under a name that nobody else has."""
        if self.status(key) in (None, "expelled"):
            name = self.members[key][0] if key in self.members else label
            if name in self.names() or not _may_be_called(name, key):
                start = name.encode()[:47]
                while True:
                    try:
                        name = start.decode() + "-" + key.hex()[:16]
                        break
                    except UnicodeDecodeError:
                        start = start[:-1]
            self.members[key] = (name, "admitted")
            self.said = replace(
                self.said, forgotten=self.said.forgotten - {key}, reserved=self.said.reserved - {name}
            )
        self.name(key)

    def names(self) -> set[str]:
        return {name for name, status in self.members.values() if status == "admitted"}

    def erasable(self, content: bytes) -> None:
        sizes = [size for id_, size, _ in self.said.puts if id_ == content]
        _demand(bool(sizes), "V7", "nobody put it")
        _demand(max(sizes) >= 64, "V7", "too small")
        _demand(content not in self.files.values(), "V7", "a path holds it")
        _demand(content not in self.said.erased, "V7", "erased already")

    def succession(self, action: dict[str, Any], kind: str) -> None:
        parent = self.parent
        epoch, witness = parent.appoints
        _demand(epoch < action["epoch"] <= 2**52, "V6")
        _demand(parent.status(action["new_witness"]) in ("admitted", "expelled"), "V7")
        if kind == "witness-rotation":
            allowed = all(one.policy["rotation_allowed"] for one in parent.installed)
            _demand(allowed or action["new_witness"] == witness, "V4")
            return
        _demand(not {node.id for node in parent.line()} & set(action["abandons"]), "S9")
        if kind == "witness-revocation":
            revoked = action["revoked"]
            _demand(revoked != action["new_witness"], "V8")
            _demand(parent.status(revoked) in ("admitted", "expelled"), "V8")
            for one in parent.installed:
                _demand(one.satisfied(one.keys() - parent.revoked() - {revoked}), "V8", "too few are left")

    def transition(self, proposal: Artifact, action: dict[str, Any]) -> None:
        parent = self.parent
        _demand(proposal.key == self.snapshot.key, "V4")
        carries_rotation = parent.appoints != (parent.epoch, parent.signer)
        bases = [parent] if carries_rotation else parent.reign()
        _demand((action["base_height"], action["base_id"]) in [(one.height, one.id) for one in bases], "V4")

    def takeover(self, proposal: Artifact, action: dict[str, Any]) -> None:
        parent = self.parent
        _demand(proposal.key in parent.authorities(), "V5")
        _demand(proposal.key != action.get("revoked"), "V8")
        _demand((action["base_height"], action["base_id"]) == (parent.height, parent.id), "V5")
        _demand(self.snapshot.key == action["new_witness"], "V5")
        _demand(self.fields["epoch"] == action["epoch"], "V5")

    def embedded(self, field: str, kind: str, rule: str) -> list[Artifact]:
        found = [read(raw, kind) for raw in self.fields[field]]
        keys = [one.key for one in found]
        _demand(keys == sorted(set(keys)), rule, "not strictly ascending")
        _demand(all(one.fields["common_id"] == self.common.id for one in found), rule)
        for one in found:
            one.verify()
        return found

    def settlement(self, gone: set[bytes]) -> None:
        parent = self.parent
        _demand(len(parent.installed) == 2, "P4")
        cosignatures = self.embedded("settlement", "cosignature", "P4")
        line = {node.id: node for node in parent.line() if node.height >= parent.change_height}
        for one in cosignatures:
            node = line.get(one.fields["snapshot"])
            _demand(one.key in parent.authorities() and node is not None, "P4")
            named = (one.fields["height"], one.fields["epoch"])
            _demand(node is not None and named == (node.height, node.epoch), "P4")
        revoked = {key for key in self.members if self.status(key) == "revoked"}
        signers = {one.key for one in cosignatures} - revoked - gone
        _demand(all(policy.satisfied(signers) for policy in parent.installed), "P4", "no quorum")

    # --- actions --------------------------------------------------------------------------------------

    def apply(self, proposal: Artifact, action: dict[str, Any], special: dict[str, Any]) -> None:
        kind = action["name_of_action"]
        if kind in ("put", "remove"):
            path, there = action["path"], self.files.get(action["path"])
            _demand(kind == "put" or there is not None, "V7", "nothing is there")
            _demand(action["expects"] in (None, there or b""), "V7", "something else is there")
            if kind == "remove":
                del self.files[path]
                return
            parts = path.split("/")
            inside = {"/".join(parts[:cut]) for cut in range(1, len(parts))}
            _demand(not inside & set(self.files), "V7", "a part of it is a file")
            _demand(not any(other.startswith(path + "/") for other in self.files), "V7", "a folder")
            self.files[path] = action["content"]
            put = (action["content"], action["size"], proposal.key)
            self.said = replace(
                self.said, puts=(*self.said.puts, put), erased=self.said.erased - {action["content"]}
            )
        elif kind == "admit":
            self.admit(action, proposal.key, proposal.key in self.parent.authorities())
        elif kind == "expel":
            self.expel(action, proposal.key, special)
        elif kind == "forget":
            self.forget(action["key"], proposal.key)
        elif kind == "rename":
            self.rename(action, proposal.key)
        elif kind == "revoke-invite":
            self.revoke_invite(action["invite"], proposal.key)
        else:
            self.erasable(action["content"])
            authors = {author for id_, _, author in self.said.puts if id_ == action["content"]}
            _demand(authors == {proposal.key}, "V7", "others put it too")
            self.said = replace(self.said, erased=self.said.erased | {action["content"]})

    def admit(self, action: dict[str, Any], author: bytes, by_authority: bool) -> None:
        key, said = action["key"], self.said
        invite = None if action["token"] is None else self.token(action["token"], key)
        status = self.status(key)
        closed = any(one.policy["participants"] == "authorities" for one in self.parent.installed)
        _demand(status != "admitted", "V7")
        rests_on = author if invite is None else invite.key
        on_authority = rests_on in self.parent.authorities()
        _demand(self.status(rests_on) == "admitted", "V7", "the inviter is gone")
        _demand(on_authority or not closed, "P6")
        _demand(by_authority or (status != "expelled" and key not in said.forgotten), "P6")
        _demand(status != "revoked", "V8")
        if invite is not None:
            ended = {(invite.id, None), (invite.id, invite.key)} & said.revoked_invites
            _demand(not ended, "V7", "a revoked invite")
            _demand(said.uses.count(invite.id) < invite.fields["uses"], "V7", "a spent invite")
        _demand(status is not None or len(self.members) < (1920 if on_authority else 1024), "A4")
        _demand(on_authority or said.let_in.count(rests_on) < 64, "A4")
        self.require_name(action["name"], key, by_authority)
        self.members[key] = (action["name"], "admitted")
        self.said = replace(
            said,
            forgotten=said.forgotten - {key},
            reserved=said.reserved - {action["name"]},
            uses=said.uses if invite is None else (*said.uses, invite.id),
            let_in=said.let_in if on_authority else (*said.let_in, rests_on),
        )
        if invite is not None:
            self.name(invite.key)

    def token(self, token: dict[str, Any], key: bytes) -> Artifact:
        invite = read(token["invite"], "invite")
        invite.verify()
        message = pae("asl.bearer/1", invite.id + key)
        _demand(holds(invite.fields["bearer"], message, token["signature"]), "A5", "another bearer")
        _demand(invite.fields["common_id"] == self.common.id, "V7", "another Common's invite")
        return invite

    def require_name(self, name: str, key: bytes, by_authority: bool) -> None:
        _demand(_may_be_called(name, key), "V7", "another key's name")
        _demand(by_authority or name not in self.said.reserved, "V7", "a reserved name")
        others = {
            one for other, (one, status) in self.members.items() if status == "admitted" and other != key
        }
        _demand(name not in others, "V7", "a taken name")

    def forget(self, key: bytes, author: bytes) -> None:
        _demand(author in self.parent.authorities(), "P6")
        _demand(self.status(key) == "expelled", "P6")
        _demand(key not in self.said.named, "V7", "the history names it")
        name, _ = self.members.pop(key)
        reserved = {name} - self.names()
        self.said = replace(
            self.said, forgotten=self.said.forgotten | {key}, reserved=self.said.reserved | reserved
        )

    def rename(self, action: dict[str, Any], author: bytes) -> None:
        key, by_authority = action["key"], author in self.parent.authorities()
        _demand(author == key or by_authority, "P6")
        _demand(self.status(key) == "admitted", "P6")
        self.require_name(action["name"], key, by_authority)
        self.members[key] = (action["name"], "admitted")
        self.said = replace(self.said, reserved=self.said.reserved - {action["name"]})

    def revoke_invite(self, invite: bytes, author: bytes) -> None:
        ended = self.said.revoked_invites
        _demand(not {(invite, None), (invite, author)} & ended, "V7", "revoked already")
        by = None if author in self.parent.authorities() else author
        self.said = replace(self.said, revoked_invites=ended | {(invite, by)})

    def expel(self, action: dict[str, Any], author: bytes, special: dict[str, Any]) -> None:
        parent, key = self.parent, action["key"]
        appointed = {parent.signer, parent.appoints[1], special.get("new_witness")}
        if special["name_of_action"] == "policy-change":
            appointed |= {witness["key"] for witness in special["policy"]["witnesses"]}
        _demand(author in parent.authorities() | {key} and key not in parent.authorities() | appointed, "P6")
        _demand(self.status(key) == "admitted", "P6")
        self.members[key] = (self.members[key][0], "expelled")

    # --- what follows ---------------------------------------------------------------------------------

    def after(self, special: Artifact | None, action: dict[str, Any], log: tuple[bytes, ...]) -> After:
        fields, parent, kind = self.fields, self.parent, action["name_of_action"]
        after = replace(
            parent,
            id=self.snapshot.id,
            height=fields["height"],
            parent=parent,
            epoch=fields["epoch"],
            signer=self.snapshot.key,
            appoints=(fields["epoch"], self.snapshot.key),
            members=self.members,
            files=self.files,
            log=log,
            said=self.said,
            abandons=tuple(action.get("abandons", ())),
        )
        if kind == "witness-rotation":
            after = replace(after, appoints=(action["epoch"], action["new_witness"]))
        if special is not None and kind == "policy-change":
            both = (*parent.installed, Installed(special.id, action["policy"]))
            after = replace(after, installed=both, change_height=after.height)
        elif fields["settlement"] is not None:
            after = replace(after, installed=parent.installed[1:], change_height=0)
        return after
