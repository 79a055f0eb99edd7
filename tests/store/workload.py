"""A history to store, written down as commits, and everything that a store can be asked about it.

`commits()` makes each kind of write at least once: two branches, one of them rolled back and grown again,
facts that change and end, open artifacts that close, content wanted, fetched and dropped, and the three kinds
of promise. Artifacts and snapshots are real ones, so that fsck can look through the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Any

from nacl.signing import SigningKey

from aslp2p.artifacts.envelope import Verified, sign_statement
from aslp2p.artifacts.types import Genesis, Named, Policy, Proposal, Put, Snapshot
from aslp2p.ledger.reader import (
    BranchRow,
    CloseArtifacts,
    DropArtifacts,
    DropBranchAbove,
    DropContent,
    JournalRow,
    PutArtifacts,
    PutBranch,
    PutContent,
    PutFacts,
    PutJournal,
    PutMeta,
    PutSnapshot,
    PutUnaudited,
    Reader,
    SnapshotRow,
    UnwantContents,
    WantContents,
    Write,
)

SNAPSHOT = "asl.common.snapshot/1"
PROPOSAL = "asl.common.proposal/1"


def digest(*parts: object) -> bytes:
    return sha256(repr(parts).encode()).digest()


class Key:
    """A domain key, the same in every run."""

    def __init__(self, name: str) -> None:
        self._key = SigningKey(digest("key", name))

    @property
    def key(self) -> bytes:
        return bytes(self._key.verify_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message).signature


YOU = Key("you")


@cache
def genesis() -> Verified[Genesis]:
    policy = Policy(
        witnesses=(Named("you", YOU.key),),
        threshold=1,
        rotation_allowed=True,
        grace_period_ms=1000,
        participants="invited",
        protocol=1,
    )
    return sign_statement(Genesis("home", policy, (Named("you", YOU.key),), None, 0, digest("salt")), YOU)


def content_of(number: int) -> bytes:
    """Some are a few bytes, some a few pages."""
    return digest("content", number) * (1 + 300 * (number % 5 == 4))


@cache
def proposal(number: int) -> Verified[Proposal]:
    data = content_of(number)
    action = Put(f"photos/{number}.jpg", sha256(data).digest(), len(data), "image/jpeg", False, 0, None)
    return sign_statement(Proposal(genesis().id, number, digest(number)[:8], action), YOU)


@cache
def snapshot(branch: int, height: int) -> SnapshotRow:
    """Two branches: 1 leaves 0 after height 5."""
    if height == 0:
        root = genesis()
        return SnapshotRow(root.id, 0, 0, b"", 0, root.key, 0, root.raw)
    below = snapshot(0 if height - 1 <= 5 else branch, height - 1)
    epoch = branch if height > 5 else 0
    statement = Snapshot(
        genesis().id,
        height,
        below.id,
        epoch,
        height,
        (proposal(height).id,),
        height,
        digest("root", height),
        None,
        None,
    )
    signed = sign_statement(statement, YOU)
    return SnapshotRow(signed.id, branch, height, below.id, epoch, signed.key, height, signed.raw)


def line(branch: int, tip: int) -> BranchRow:
    return BranchRow(branch, branch - 1, 5 if branch else -1, tip, snapshot(branch, tip).id, max(0, tip - 2))


def kept(id_: bytes, raw: bytes) -> Verified[Any]:
    """Any bytes as the artifact `id_`, as no verifier would give it: a store looks at neither."""
    return Verified(raw, id_, PROPOSAL, bytes(32), b"", bytes(64), proposal(0).statement)


def grow(branch: int, height: int) -> list[Write]:
    """What accepting one snapshot writes, and putting its content."""
    row, signed, data = snapshot(branch, height), proposal(height), content_of(height)
    path = b"path/%d" % (height % 4)
    return [
        PutArtifacts([signed]),
        PutSnapshot(row),
        PutFacts(
            branch, height, {b"tip": row.id, path: None if height % 3 == 0 else signed.id + bytes([branch])}
        ),
        PutBranch(line(branch, height)),
        PutContent(sha256(data).digest(), data),
        PutJournal(JournalRow("emit", row.epoch, height, row.id, row.raw)),
    ]


@cache
def commits() -> tuple[tuple[Write, ...], ...]:
    pending = proposal(100)
    return (
        (PutMeta("common", genesis().id), PutSnapshot(snapshot(0, 0)), PutBranch(line(0, 0))),
        *(tuple(grow(0, height)) for height in range(1, 6)),
        (
            PutArtifacts([pending, proposal(101)], open=True),
            WantContents(
                [
                    (digest("wanted", 1), True),
                    (digest("wanted", 2), False),
                    (sha256(content_of(3)).digest(), False),
                ]
            ),
        ),
        (
            PutUnaudited([kept(proposal(7).id, b"unaudited"), proposal(102)]),
            *grow(0, 6),
            *grow(0, 7),
            PutMeta("counter", b"1"),
        ),
        (PutJournal(JournalRow("endorse", 1, 5, digest("endorsed"), b"e")),),
        tuple(grow(1, 6)),
        (CloseArtifacts([pending.id]), PutJournal(JournalRow("cosign", 1, 6, snapshot(1, 6).id, b"c"))),
        (DropBranchAbove(0, 6), PutBranch(line(0, 6))),
        (*grow(1, 7), UnwantContents([digest("wanted", 2)])),
        (DropArtifacts([proposal(101).id]), PutMeta("counter", None)),
        (*grow(1, 8), *grow(1, 9), *grow(1, 10)),
        (
            DropContent(sha256(content_of(2)).digest()),
            WantContents([(sha256(content_of(2)).digest(), False)]),
        ),
        (PutContent(sha256(content_of(2)).digest(), content_of(2)), PutMeta("counter", b"2")),
    )


def everything(store: Reader) -> dict[str, Any]:
    """What `store` answers to every question about `commits()`."""
    ids = [proposal(number).id for number in (*range(1, 11), 100, 101, 102)]
    contents = [sha256(content_of(number)).digest() for number in range(1, 11)]
    heights = range(-1, 12)
    answers: dict[str, Any] = {
        "meta": [store.meta(key) for key in ("common", "counter", "nothing")],
        "branches": store.branches(),
        "artifacts": store.artifacts(ids),
        "rows": store.artifact_rows(ids),
        "open": store.open_artifacts(),
        "content": [store.content(id_) for id_ in contents],
        "lacking": store.lacking_content(contents),
        "wanted": store.wanted(10),
        "journal": [store.journal(kind, last=100) for kind in ("emit", "endorse", "cosign")],
        "promised": [store.journal_at("emit", 1, height) for height in heights],
        "holds": [store.journal_holds("emit", snapshot(1, height).id) for height in (6, 7, 8)],
    }
    for branch in (0, 1):
        answers[f"snapshots {branch}"] = store.snapshots(branch, 0, 100)
        answers[f"snapshot_at {branch}"] = [store.snapshot_at(branch, height) for height in heights]
        answers[f"holding {branch}"] = [store.snapshot_holding(branch, index) for index in range(12)]
        answers[f"facts {branch}"] = [store.facts(branch, b"path/", height) for height in heights]
        answers[f"tip {branch}"] = [store.fact(branch, b"tip", height) for height in heights]
        answers[f"changes {branch}"] = store.fact_changes(branch, b"path/1", 20)
    return answers


def fill(store: Any, many: Iterable[Iterable[Write]] | None = None) -> None:
    for writes in commits() if many is None else many:
        store.apply(writes)
        store.commit()
