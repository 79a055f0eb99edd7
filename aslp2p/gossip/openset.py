"""The set of open artifacts and its digest (G3).

Open is what everybody should have and history does not hold yet: pending proposals, endorsements of open
proposals, newest cosignatures, rejections. The digest has `OPEN_BUCKETS` buckets by the first bits of the id,
each the XOR of eight bytes of its ids: two nodes compare 128 bytes, and exchange ids only of the buckets that
differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from aslp2p.artifacts.envelope import Verified
from aslp2p.artifacts.types import Statement
from aslp2p.limits import OPEN_BUCKETS, OPEN_DIGEST_BYTES


def _bucket(id_: bytes) -> int:
    return id_[0] * OPEN_BUCKETS >> 8


class OpenSet:
    """Open artifacts by id, in order of arrival, with an incremental digest."""

    def __init__(self) -> None:
        self._items: dict[bytes, Verified[Statement]] = {}
        self._digest = [0] * OPEN_BUCKETS
        self._packed: bytes | None = None
        """The digest as bytes: it is asked for far more often than it changes."""

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, id_: bytes) -> bool:
        return id_ in self._items

    def __iter__(self) -> Iterator[Verified[Statement]]:
        return iter(self._items.values())

    def get(self, id_: bytes) -> Verified[Statement] | None:
        return self._items.get(id_)

    def add(self, artifact: Verified[Statement]) -> bool:
        """Whether it was new."""
        if artifact.id in self._items:
            return False
        self._items[artifact.id] = artifact
        self._flip(artifact.id)
        return True

    def discard(self, id_: bytes) -> bool:
        """Whether it was there."""
        if self._items.pop(id_, None) is None:
            return False
        self._flip(id_)
        return True

    def _flip(self, id_: bytes) -> None:
        # Bytes of the id that do not choose the bucket.
        self._digest[_bucket(id_)] ^= int.from_bytes(id_[8:16], "big")
        self._packed = None

    def digest(self) -> bytes:
        if self._packed is None:
            self._packed = b"".join(part.to_bytes(8, "big") for part in self._digest)
        return self._packed

    def differing(self, digest: bytes) -> list[int]:
        """The buckets in which a peer's digest differs from ours."""
        own = self.digest()
        if own == digest:
            return []
        parts = range(0, OPEN_DIGEST_BYTES, 8)
        return [at // 8 for at in parts if own[at : at + 8] != digest[at : at + 8]]

    def ids_in(self, buckets: Iterable[int]) -> list[bytes]:
        wanted = set(buckets)
        return [id_ for id_ in self._items if _bucket(id_) in wanted]
