"""A stranger's reading of docs/spec.md, section 10.1: bundles. Imports nothing of aslp2p."""

from __future__ import annotations

import hashlib

from tests.independent_verifier.encoding import Refused
from tests.independent_verifier.records import Artifact, read
from tests.independent_verifier.verifier import After, Common, Incomplete

MAGIC = bytes.fromhex("89 41 53 4c 42 0d 0a 01")
MOST = {b"A": 128 << 10, b"C": 1 << 20}


class Bundle:
    """What a bundle's bytes hold; `Refused` with the first rule that fails."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        magic = self.take(8)
        if magic[:7] != MAGIC[:7]:
            raise Refused("A3", "no bundle")
        if magic != MAGIC:
            raise Refused("A4", "another version")
        self.common_id = self.take(32)
        self.floor = (int.from_bytes(self.take(8), "big"), self.take(32))
        if self.floor[0] > 2**53 - 1:
            raise Refused("A4", "a floor out of bounds")
        if self.floor[0] == 0 and self.floor[1] != self.common_id:
            raise Refused("A3", "another genesis for a floor")
        self.artifacts: dict[bytes, bytes] = {}
        self.read: dict[bytes, Artifact] = {}
        self.contents: dict[bytes, bytes] = {}
        before, size = (b"A", b""), 0
        while (kind := self.take(1)) != b"E":
            if kind not in MOST:
                raise Refused("A3", "an unknown kind")
            length = int.from_bytes(self.take(4), "big")
            if length > MOST[kind]:
                raise Refused("A4", "a record too long")
            record = self.take(length)
            id_ = self.keep(record) if kind == b"A" else hashlib.sha256(record).digest()
            if (kind, id_) <= before:
                raise Refused("A3", "out of order")
            before = (kind, id_)
            if kind == b"A":
                self.artifacts[id_] = record
                size += length
            else:
                self.contents[id_] = record
            if len(self.artifacts) > 1 << 20 or size > 256 << 20 or len(self.contents) > 1 << 20:
                raise Refused("A4", "too many")
        if int.from_bytes(self.take(8), "big") != len(self.artifacts) + len(self.contents):
            raise Refused("A3", "another number of records")
        digest = hashlib.sha256(data[: self.at]).digest()
        if self.take(32) != digest or self.at != len(data):
            raise Refused("A3", "damaged, or bytes behind the trailer")

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Refused("A3", "cut off")
        self.at += count
        return self.data[self.at - count : self.at]

    def keep(self, record: bytes) -> bytes:
        found = read(record)
        if (found.id if found.kind == "genesis" else found.fields["common_id"]) != self.common_id:
            raise Refused("A3", "another Common's")
        self.read[found.id] = found
        return found.id

    def tip(self) -> After | None:
        """The highest snapshot that can be accepted from the genesis that is in the bundle, if one is."""
        if self.common_id not in self.artifacts:
            return None
        common = Common(self.artifacts[self.common_id])
        tip = common.accepted[self.common_id]
        snapshots = [one for one in self.read.values() if one.kind == "snapshot"]
        for one in sorted(snapshots, key=lambda one: (one.fields["height"], one.id)):
            listed = [self.artifacts[id_] for id_ in one.fields["proposals"] if id_ in self.artifacts]
            try:
                tip = max(tip, common.accept(self.artifacts[one.id], listed), key=lambda after: after.height)
            except (Incomplete, Refused):
                continue
        return tip
