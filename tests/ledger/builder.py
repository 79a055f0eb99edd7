"""A small world for tests of the ledger: keys from numbers, and histories that nobody has judged yet.

What is built here is signed and well formed, and nothing else: `after` takes whatever it is told, so that a
test can make each mistake by naming it. Nothing is random, so equal calls give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from nacl.signing import SigningKey

from aslp2p.artifacts.envelope import Signed, Verified, sign_statement
from aslp2p.artifacts.merkle import Frontier
from aslp2p.artifacts.token import bear, make_token, read_shown
from aslp2p.artifacts.types import (
    Action,
    Admit,
    Cosignature,
    Endorsement,
    Genesis,
    InviteToken,
    Named,
    Policy,
    PolicyChange,
    Proposal,
    Put,
    Recovery,
    Revocation,
    Rotation,
    Shown,
    Snapshot,
)
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.limits import UINT_MAX
from aslp2p.store.memory import MemoryStore

DAY_MS = 86_400_000
LARGE = b"\x07" * 32
"""A content of 64 bytes: nobody has it by chance."""


class Key:
    """A domain key from one number; `name` is what the tests call its owner."""

    def __init__(self, number: int, name: str) -> None:
        self._signing = SigningKey(bytes([number]) * 32)
        self.key = bytes(self._signing.verify_key)
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message).signature


@cache
def person(name: str) -> Key:
    """The same key for the same name, always."""
    return Key(1 + ("ann", "ben", "cleo", "dan", "eve", "fay", "gus", "hal", "ida", "joe").index(name), name)


ANN, BEN, CLEO, DAN, EVE, FAY, GUS = (
    person(name) for name in ("ann", "ben", "cleo", "dan", "eve", "fay", "gus")
)


def named(people: Iterable[Key]) -> tuple[Named, ...]:
    return tuple(Named(one.name, one.key) for one in people)


def policy(people: Iterable[Key], threshold: int, **changes: Any) -> Policy:
    """t of `people`; rotation allowed, 30 days, invited, protocol 1 unless said otherwise."""
    fields: dict[str, Any] = {
        "witnesses": named(people),
        "threshold": threshold,
        "rotation_allowed": True,
        "grace_period_ms": 30 * DAY_MS,
        "participants": "invited",
        "protocol": 1,
    }
    return Policy(**(fields | changes))


@dataclass(frozen=True)
class Node:
    """A snapshot (or genesis) of the tree that a test builds, and what its child needs."""

    signed: Verified[Snapshot] | Verified[Genesis]
    parent: Node | None
    proposals: tuple[Signed[Proposal], ...]
    height: int
    frontier: Frontier
    epoch: int
    signer: Key
    next_epoch: int
    next_signer: Key

    @property
    def id(self) -> bytes:
        return self.signed.id

    @property
    def snapshot(self) -> Verified[Snapshot]:
        assert isinstance(self.signed.statement, Snapshot)
        return self.signed

    def line(self) -> list[Node]:
        """From the first snapshot above genesis to this one."""
        line: list[Node] = []
        node: Node | None = self
        while node is not None and node.parent is not None:
            line.append(node)
            node = node.parent
        return line[::-1]


class World:
    """One Common: 2 of 3 of ann (its witness), ben and cleo, with dan as a plain member by default."""

    def __init__(
        self,
        policy_: Policy | None = None,
        *,
        witness: Key = ANN,
        members: Sequence[Key] = (ANN, BEN, CLEO, DAN),
        **changes: Any,
    ) -> None:
        fields: dict[str, Any] = {
            "name": "home",
            "policy": policy_ or policy((ANN, BEN, CLEO), 2),
            "anchors": named(members),
            "predecessor": None,
            "created_ms": 1_000,
            "salt": bytes(32),
        }
        self.genesis = sign_statement(Genesis(**(fields | changes)), witness)
        self.id = self.genesis.id
        self.root = Node(self.genesis, None, (), 0, Frontier(), 0, witness, 0, witness)
        self._salt = 0

    # --- proposals ------------------------------------------------------------------------------------

    def propose(self, action: Action, author: Key = ANN, **changes: Any) -> Verified[Proposal]:
        """A proposal of its own: every call has another salt."""
        self._salt += 1
        fields: dict[str, Any] = {
            "common_id": self.id,
            "created_ms": 2_000 + self._salt,
            "salt": self._salt.to_bytes(8, "big"),
            "action": action,
        }
        return sign_statement(Proposal(**(fields | changes)), author)

    def put(self, path: str = "a", author: Key = ANN, **changes: Any) -> Verified[Proposal]:
        fields: dict[str, Any] = {
            "path": path,
            "content": bytes(32),
            "size": 1,
            "media_type": "",
            "executable": False,
            "modified_ms": 0,
            "expects": None,
        }
        return self.propose(Put(**(fields | changes)), author)

    def admit(
        self, who: Key, author: Key = ANN, name: str | None = None, token: Shown | None = None
    ) -> Verified[Proposal]:
        return self.propose(Admit(who.key, who.name if name is None else name, token), author)

    def invite(
        self, by: Key = ANN, uses: int = 1, number: int = 1, common_id: bytes = b""
    ) -> tuple[Verified[InviteToken], bytes]:
        """An invite and its token; another `number` makes another one."""
        seed = bytes([number]) * 32
        return make_token(common_id or self.id, UINT_MAX, uses, seed, by)

    def shown(self, who: Key, by: Key = ANN, **invite: Any) -> Shown:
        """What `who` shows of an invite by `by`."""
        return read_shown(bear(self.invite(by, **invite)[1], who.key))

    def large(self, path: str, author: Key = ANN, **changes: Any) -> Verified[Proposal]:
        """A put of a content that can be erased: `LARGE`."""
        return self.put(path, author, **({"content": LARGE, "size": 64} | changes))

    def rotation(self, base: Node, to: Key, epoch: int = 1, author: Key = ANN) -> Verified[Proposal]:
        return self.propose(Rotation(epoch, base.height, base.id, to.key, "moving out"), author)

    def recovery(
        self, base: Node, to: Key, epoch: int = 1, author: Key = BEN, abandons: tuple[bytes, ...] = ()
    ) -> Verified[Proposal]:
        return self.propose(Recovery(epoch, base.height, base.id, to.key, "silent", abandons), author)

    def revocation(
        self,
        base: Node,
        to: Key,
        revoked: Key,
        epoch: int = 1,
        author: Key = BEN,
        abandons: tuple[bytes, ...] = (),
    ) -> Verified[Proposal]:
        action = Revocation(epoch, base.height, base.id, to.key, "stolen", abandons, revoked.key, ())
        return self.propose(action, author)

    def change(self, new: Policy, replaces: bytes | None = None, author: Key = ANN) -> Verified[Proposal]:
        return self.propose(PolicyChange(new, self.id if replaces is None else replaces), author)

    # --- paper ----------------------------------------------------------------------------------------

    def endorsement(self, proposal: Signed[Proposal], by: Key, /, **changes: Any) -> Verified[Endorsement]:
        action = proposal.statement.action
        fields: dict[str, Any] = {
            "common_id": self.id,
            "proposal": proposal.id,
            "epoch": getattr(action, "epoch", 0),
            "created_ms": 5_000,
        }
        return sign_statement(Endorsement(**(fields | changes)), by)

    def certificate(self, proposal: Signed[Proposal], /, *by: Key, **changes: Any) -> tuple[bytes, ...]:
        """The endorsements of `by`, as a snapshot embeds them."""
        return embed(self.endorsement(proposal, one, **changes) for one in by)

    def cosignature(self, node: Node, by: Key, **changes: Any) -> Verified[Cosignature]:
        fields: dict[str, Any] = {
            "common_id": self.id,
            "epoch": node.epoch,
            "height": node.height,
            "snapshot": node.id,
            "created_ms": 6_000,
        }
        return sign_statement(Cosignature(**(fields | changes)), by)

    def settlement(self, node: Node, *by: Key, **changes: Any) -> tuple[bytes, ...]:
        return embed(self.cosignature(node, one, **changes) for one in by)

    # --- snapshots ------------------------------------------------------------------------------------

    def after(
        self,
        parent: Node,
        *proposals: Signed[Proposal],
        signer: Key | None = None,
        appoints: tuple[int, Key] | None = None,
        **changes: Any,
    ) -> Node:
        """A snapshot on `parent`, by default signed by whom that appoints; `changes` replace fields."""
        signer = signer or parent.next_signer
        frontier, _ = parent.frontier.extend([one.id for one in proposals])
        fields: dict[str, Any] = {
            "common_id": self.id,
            "height": parent.height + 1,
            "previous": parent.id,
            "epoch": parent.next_epoch,
            "created_ms": 3_000 + parent.height,
            "proposals": tuple(one.id for one in proposals),
            "log_size": frontier.size,
            "log_root": frontier.root(),
            "certificate": None,
            "settlement": None,
        }
        statement = Snapshot(**(fields | changes))
        signed = sign_statement(statement, signer)
        next_epoch, next_signer = appoints or (statement.epoch, signer)
        return Node(
            signed,
            parent,
            tuple(proposals),
            statement.height,
            frontier,
            statement.epoch,
            signer,
            next_epoch,
            next_signer,
        )

    def puts(self, parent: Node, *paths: str, **changes: Any) -> Node:
        """A snapshot that puts each of `paths`."""
        return self.after(parent, *(self.put(path) for path in paths), **changes)

    def chain(self, parent: Node, count: int, prefix: str = "c") -> Node:
        """`count` snapshots of one put each."""
        for number in range(count):
            parent = self.after(parent, self.put(f"{prefix}/{number}"))
        return parent

    def rotate(
        self, parent: Node, to: Key, *endorsers: Key, epoch: int | None = None, base: Node | None = None
    ) -> Node:
        """A good transition; ann and ben and the incoming witness endorse unless said otherwise."""
        epoch = parent.next_epoch + 1 if epoch is None else epoch
        proposal = self.rotation(base or parent, to, epoch, parent.next_signer)
        by = {one.key: one for one in (*(endorsers or (ANN, BEN)), to)}
        certificate = self.certificate(proposal, *by.values())
        return self.after(parent, proposal, certificate=certificate, appoints=(epoch, to))

    def recover(
        self,
        parent: Node,
        to: Key,
        *endorsers: Key,
        epoch: int | None = None,
        author: Key = BEN,
        abandons: tuple[bytes, ...] = (),
        also: Sequence[Signed[Proposal]] = (),
        **changes: Any,
    ) -> Node:
        """A good takeover by recovery; ben and cleo endorse unless said otherwise."""
        epoch = parent.next_epoch + 1 if epoch is None else epoch
        proposal = self.recovery(parent, to, epoch, author, abandons)
        certificate = self.certificate(proposal, *(endorsers or (BEN, CLEO)))
        return self.after(parent, proposal, *also, signer=to, epoch=epoch, certificate=certificate, **changes)

    def revoke(
        self,
        parent: Node,
        to: Key,
        revoked: Key,
        *endorsers: Key,
        epoch: int | None = None,
        author: Key = BEN,
        abandons: tuple[bytes, ...] = (),
        **changes: Any,
    ) -> Node:
        epoch = parent.next_epoch + 1 if epoch is None else epoch
        proposal = self.revocation(parent, to, revoked, epoch, author, abandons)
        certificate = self.certificate(proposal, *(endorsers or (BEN, CLEO)))
        return self.after(parent, proposal, signer=to, epoch=epoch, certificate=certificate, **changes)

    def install(
        self, parent: Node, new: Policy, *endorsers: Key, replaces: bytes | None = None, author: Key = ANN
    ) -> Node:
        """A good policy change; ann and ben endorse unless said otherwise."""
        proposal = self.change(new, replaces, author)
        return self.after(
            parent, proposal, certificate=self.certificate(proposal, *(endorsers or (ANN, BEN)))
        )

    # --- ledgers --------------------------------------------------------------------------------------

    def ledger(self, own: Key | None = None) -> Ledger:
        """A ledger in memory that holds the genesis only."""
        store = MemoryStore()
        found_common(store, self.genesis)
        return Ledger(store, own_key=own.key if own else b"")


def embed(signed: Iterable[Verified[Endorsement] | Verified[Cosignature]]) -> tuple[bytes, ...]:
    """Whole artifacts, sorted by signer."""
    return tuple(one.raw for one in sorted(signed, key=lambda one: one.key))


def feed(ledger: Ledger, *nodes: Node) -> None:
    """Accept the line up to each of `nodes`, lowest first; what is there already is passed over."""
    for node in nodes:
        for one in node.line():
            ledger.accept(one.snapshot, one.proposals)


def run_of(node: Node, above: int = 0) -> list[tuple[Signed[Snapshot], Sequence[Signed[Proposal]]]]:
    """The line up to `node`, as catch-up gets it: decoded, no signature checked."""
    return [(unchecked(one.snapshot), [unchecked(p) for p in one.proposals]) for one in node.line()[above:]]


def unchecked(signed: Signed[Any]) -> Signed[Any]:
    """The same artifact without the proof in its type."""
    return Signed(
        signed.raw, signed.id, signed.type, signed.key, signed.body, signed.signature, signed.statement
    )


def bad_signature(signed: Signed[Any]) -> Signed[Any]:
    """The same statement with a signature that does not verify."""
    wrong = bytes([signed.signature[0] ^ 1]) + signed.signature[1:]
    raw = signed.raw[: -len(wrong)] + wrong
    return Signed(raw, signed.id, signed.type, signed.key, signed.body, wrong, signed.statement)


def swap(node: Node, **changes: Any) -> Node:
    """`node` with other things handed over beside it (missing, extra or badly signed proposals)."""
    return replace(node, **changes)
