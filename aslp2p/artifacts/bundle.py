"""Bundles: a file with any set of one Common's artifacts and contents, for paper that travels (section 10).

How it works. A bundle is a header, records, and a trailer:

    header   8 bytes MAGIC (its last byte is the version), 32 bytes Common id,
             8 bytes height (big-endian) and 32 bytes id of the writer's floor
    record   1 byte kind, 4 bytes length (big-endian), as many bytes
    trailer  1 byte END, 8 bytes number of records (big-endian), 32 bytes SHA-256 of all that comes before

Signed artifacts come first, then contents, each group strictly sorted by id: one set has one file, and a
second copy of anything is refused. An artifact's id is that of its statement (A2), a content's the SHA-256
of its bytes (A1); neither is written down. A file that was cut off anywhere lacks its trailer and is refused
as a whole: nothing that reading gives may be used before it has come to the trailer. The floor is the
genesis (height 0 and the Common's id) unless the bundle is made for somebody who joins; it is believed by
nobody who follows the Common already.

Reading and writing hold one record at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import IO, NamedTuple, NoReturn

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Signed, decode_artifact
from aslp2p.artifacts.invite import GivenFloor
from aslp2p.artifacts.types import Genesis, Statement
from aslp2p.errors import ArtifactError, InvariantBroken
from aslp2p.limits import (
    ARTIFACT_BYTES_MAX,
    BUNDLE_ARTIFACT_BYTES_MAX,
    BUNDLE_ARTIFACTS_MAX,
    BUNDLE_CONTENTS_MAX,
    CHUNK_BYTES,
    ID_BYTES,
    UINT_MAX,
)

MAGIC = b"\x89ASLB\r\n\x01"
"""Not text, and damaged by whatever translates line ends; the last byte is the version."""
ARTIFACT, CONTENT, END = b"A", b"C", b"E"
_KIND_NAMES = {ARTIFACT: "artifact", CONTENT: "content"}
_BYTES_MAX = {ARTIFACT: ARTIFACT_BYTES_MAX, CONTENT: CHUNK_BYTES}
_LENGTH_BYTES = 4
_COUNT_BYTES = 8
_HEIGHT_BYTES = 8


class Record(NamedTuple):
    """One record: the signed artifact with its signature unchecked, or None and a content's bytes."""

    id: bytes
    artifact: Signed[Statement] | None
    data: bytes


class BundleWriter:
    """Writes a bundle of the Common `common_id` to `file`, which the caller syncs and puts in place.

    `floor` is given to whoever joins with it; None is the genesis."""

    def __init__(self, file: IO[bytes], common_id: bytes, floor: GivenFloor | None = None) -> None:
        self._file = file
        self._common_id = common_id
        self._digest = sha256()
        self._last = (ARTIFACT, b"")
        self._records = 0
        self._artifact_bytes = 0
        self._counts = {ARTIFACT: 0, CONTENT: 0}
        height, id_ = (0, common_id) if floor is None else floor
        self._write(MAGIC + common_id + height.to_bytes(_HEIGHT_BYTES, "big") + id_)

    def add_artifact(self, signed: Signed[Statement]) -> None:
        """The next artifact. Raises `InvariantBroken` unless its id is above the last one's and it is of this
        Common, and `ArtifactError` (A4) beyond what a bundle may hold."""
        if about(signed) != self._common_id:
            raise InvariantBroken("an artifact of another Common in a bundle")
        self._add(ARTIFACT, signed.id, signed.raw)

    def add_content(self, data: bytes) -> None:
        """The next content or manifest, after all artifacts. Raises as `add_artifact`."""
        self._add(CONTENT, content_id(data), data)

    def finish(self) -> int:
        """Write the trailer; returns how many records there are."""
        self._write(END + self._records.to_bytes(_COUNT_BYTES, "big"))
        self._file.write(self._digest.digest())
        return self._records

    def _add(self, kind: bytes, id_: bytes, data: bytes) -> None:
        if (kind, id_) <= self._last:
            raise InvariantBroken("the records of a bundle are out of order")
        self._last = (kind, id_)
        self._records += 1
        self._counts[kind] += 1
        self._artifact_bytes += len(data) if kind == ARTIFACT else 0
        _require_room(self._counts, self._artifact_bytes)
        self._write(kind + len(data).to_bytes(_LENGTH_BYTES, "big") + data)

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


class BundleReader:
    """Reads a bundle from `file`, which stands at its beginning; `common_id` and `floor` (None: the genesis)
    are known at once.

    Raises `ArtifactError` citing A3 (not a bundle, not canonical, cut off) or A4 (out of bounds, a later
    version), and nothing else but what `file` raises.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = sha256()
        magic = self._take(len(MAGIC), "its header")
        if magic != MAGIC:
            if magic[:-1] == MAGIC[:-1]:
                raise ArtifactError("A4", f"a bundle of version {magic[-1]}, which is unknown here")
            raise ArtifactError("A3", "not a bundle")
        self.common_id = self._take(ID_BYTES, "its header")
        self.floor = self._floor()

    def records(self) -> Iterator[Record]:
        """Every record, in order. Nothing may be believed of them before the iterator has ended."""
        last = (ARTIFACT, b"")
        counts = {ARTIFACT: 0, CONTENT: 0}
        artifact_bytes = 0
        while (kind := self._take(1, "a record")) != END:
            record = self._record(kind)
            if (kind, record.id) <= last:
                raise ArtifactError("A3", "its records are not sorted by id, with each once")
            last = (kind, record.id)
            counts[kind] += 1
            artifact_bytes += len(record.data) if kind == ARTIFACT else 0
            _require_room(counts, artifact_bytes)
            yield record
        self._require_end(sum(counts.values()))

    def _floor(self) -> GivenFloor | None:
        height = int.from_bytes(self._take(_HEIGHT_BYTES, "its header"), "big")
        id_ = self._take(ID_BYTES, "its header")
        if height > UINT_MAX:
            raise ArtifactError("A4", f"a floor at height {height}; at most {UINT_MAX} is allowed")
        if height == 0 and id_ != self.common_id:
            raise ArtifactError("A3", "a floor at height 0 that is not the genesis")
        return GivenFloor(height, id_) if height else None

    def _record(self, kind: bytes) -> Record:
        bound = _BYTES_MAX.get(kind)
        if bound is None:
            raise ArtifactError("A3", f"a record of kind {kind!r}, which is unknown")
        length = int.from_bytes(self._take(_LENGTH_BYTES, "a record"), "big")
        if length > bound:
            raise ArtifactError("A4", f"{_KIND_NAMES[kind]} of {length} bytes; at most {bound} are allowed")
        data = self._take(length, "a record")
        if kind == CONTENT:
            return Record(content_id(data), None, data)
        signed = decode_artifact(data)
        if about(signed) != self.common_id:
            raise ArtifactError("A3", "an artifact of another Common than the bundle's")
        return Record(signed.id, signed, data)

    def _require_end(self, records: int) -> None:
        if int.from_bytes(self._take(_COUNT_BYTES, "its trailer"), "big") != records:
            raise ArtifactError("A3", f"its trailer does not count {records} records")
        expected = self._digest.digest()
        if self._take(len(expected), "its trailer") != expected:
            raise ArtifactError("A3", "its digest is not that of its bytes: it is damaged")
        if self._file.read(1):
            raise ArtifactError("A3", "there are bytes behind its trailer")

    def _take(self, count: int, what: str) -> bytes:
        data = bytearray()
        while len(data) < count:
            more = self._file.read(count - len(data))
            if not more:
                _cut_off(what)
            data += more
        self._digest.update(data)
        return bytes(data)


def about(signed: Signed[Statement]) -> bytes:
    """The id of the Common that an artifact is about: a genesis is about the one that it founds."""
    statement = signed.statement
    return signed.id if isinstance(statement, Genesis) else statement.common_id


def _require_room(counts: dict[bytes, int], artifact_bytes: int) -> None:
    if counts[ARTIFACT] > BUNDLE_ARTIFACTS_MAX or artifact_bytes > BUNDLE_ARTIFACT_BYTES_MAX:
        raise ArtifactError(
            "A4",
            f"a bundle holds at most {BUNDLE_ARTIFACTS_MAX} artifacts of {BUNDLE_ARTIFACT_BYTES_MAX} bytes "
            "together",
        )
    if counts[CONTENT] > BUNDLE_CONTENTS_MAX:
        raise ArtifactError("A4", f"a bundle holds at most {BUNDLE_CONTENTS_MAX} contents")


def _cut_off(what: str) -> NoReturn:
    raise ArtifactError("A3", f"it is cut off in {what}")
