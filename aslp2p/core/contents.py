"""Fetching content: what history and pending puts name, from whoever holds it.

What is wanted is a table in the store, so a fetch goes on after a restart and memory holds only what is
asked for
right now. A peer that does not hold something is asked again later; every piece is checked against its id.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from aslp2p.artifacts.canonical import decode
from aslp2p.artifacts.content import chunk_bytes, content_id, decode_manifest, has_manifest
from aslp2p.artifacts.types import Put
from aslp2p.core.context import Context
from aslp2p.errors import ArtifactError
from aslp2p.gossip.messages import Content, GetContent, NoContent
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.reader import PutContent, Unwant, Want
from aslp2p.ledger.state import NotApplicable
from aslp2p.limits import (
    CONTENT_BATCH_BYTES_MAX,
    CONTENT_REQUESTS_PER_PEER_MAX,
    CONTENT_RETRY_MS,
    CONTENT_WINDOW,
    MANIFEST_BYTES_MAX,
    REQUEST_TIMEOUT_MS,
)


def manifest_size(data: bytes) -> int:
    """The size that a manifest states; raises `ArtifactError` if it is none."""
    value = decode(data, bytes_max=MANIFEST_BYTES_MAX)
    if type(value) is not list or len(value) != 3 or type(value[1]) is not int:
        raise ArtifactError("A3", "not a manifest")
    decode_manifest(data, value[1])
    return value[1]


class Contents:
    """What is wanted, what is asked of whom, and who has said that it holds nothing."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._asked: dict[bytes, tuple[int, int, bool]] = {}
        """Id to (link, when, whether a manifest)."""
        self._without: dict[bytes, set[int]] = {}
        self._load_at_ms: int | None = 0
        self.arrived = 0
        """Grows with everything that comes, so that who waits for content knows when to look again."""

    # --- wanting ----------------------------------------------------------------------------------

    def want(self, items: Sequence[tuple[bytes, bool]]) -> None:
        """Fetch these: (id, whether it is a manifest). What is here already costs a look."""
        if items:
            self._context.store.apply([Want(items)])
            self._load_at_ms = self._context.now.mono

    def unwant(self, ids: Sequence[bytes]) -> None:
        self._context.store.apply([Unwant(ids)])

    def keep(self, data: bytes) -> None:
        """Store content that came along with what names it."""
        id_ = content_id(data)
        self._context.store.apply([PutContent(id_, data)])
        self._asked.pop(id_, None)
        self.arrived += 1

    def complete(self, action: Put) -> bool:
        """Whether all of a put's content is here (G6). Raises `NotApplicable` if it is not what the put
        says."""
        store = self._context.store
        if not has_manifest(action.size):
            size = store.content_size(action.content)
            if size is not None and size != action.size:
                raise NotApplicable("content-mismatch", f"its content has {size} bytes, not {action.size}")
            return size is not None
        manifest = store.content(action.content)
        if manifest is None:
            return False
        try:
            ids = decode_manifest(manifest, action.size)
        except ArtifactError as error:
            raise NotApplicable("content-mismatch", error.message) from None
        for index, id_ in enumerate(ids):
            size = store.content_size(id_)
            if size is None:
                return False
            if size != chunk_bytes(action.size, index):
                raise NotApplicable("content-mismatch", f"chunk {index} has {size} bytes")
        return True

    # --- asking -----------------------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> int | None:
        return self._load_at_ms if self._context.peers else None

    def poll(self) -> None:
        """Ask peers for what is wanted, as far as their windows allow."""
        peers = list(self._context.peers.values())
        if not peers:
            return
        now = self._context.now.mono
        if self._load_at_ms is not None and now >= self._load_at_ms and not self._queue:
            self._load()
        open_windows = {
            peer.link: CONTENT_REQUESTS_PER_PEER_MAX - peer.contents_asked
            for peer in peers
            if peer.contents_asked < CONTENT_REQUESTS_PER_PEER_MAX and peer.height >= 0
        }
        asks: dict[int, list[bytes]] = {}
        held: list[tuple[bytes, bool]] = []
        while self._queue and open_windows:
            id_, manifest = self._queue.popleft()
            links = [link for link in open_windows if link not in self._without.get(id_, ())]
            if not links:
                held.append((id_, manifest))
                continue
            link = links[self._context.draw(len(links))] if len(links) > 1 else links[0]
            asks.setdefault(link, []).append(id_)
            self._asked[id_] = (link, now, manifest)
            open_windows[link] -= 1
            if not open_windows[link]:
                del open_windows[link]
        for link, ids in asks.items():
            self._context.peers[link].contents_asked += len(ids)
            self._context.send(link, GetContent(tuple(ids)))
        if held and self._load_at_ms is None:
            self._load_at_ms = now + CONTENT_RETRY_MS

    def _load(self) -> None:
        wanted = self._context.store.wanted(CONTENT_WINDOW + len(self._asked))
        self._queue.extend(item for item in wanted if item[0] not in self._asked)
        if not self._queue and not self._asked:
            self._without.clear()
        # Look again when the queue is used up; if nothing came meanwhile, after a pause.
        self._load_at_ms = self._context.now.mono + CONTENT_RETRY_MS if wanted else None
        if len(self._without) > 4 * CONTENT_WINDOW:
            self._without.clear()

    # --- answers ----------------------------------------------------------------------------------

    def take(self, peer: Peer, contents: Iterable[bytes]) -> int:
        """Keep what was asked of `peer`; returns how many were of no use (never asked, or not what was
        asked)."""
        useless = 0
        for data in contents:
            id_ = content_id(data)
            asked = self._asked.get(id_)
            if asked is None or asked[0] != peer.link:
                useless += 1
                continue
            self._answered(id_)
            if asked[2] and not self._take_manifest(id_, data):
                continue
            self._context.store.apply([PutContent(id_, data)])
            self.arrived += 1
        if not self._queue:
            self._load_at_ms = self._context.now.mono
        return useless

    def _take_manifest(self, id_: bytes, data: bytes) -> bool:
        try:
            ids = decode_manifest(data, manifest_size(data))
        except ArtifactError:
            # Its author's lie, not the relay's: the id is what was asked for. The witness refuses the put.
            self.unwant([id_])
            self._context.store.apply([PutContent(id_, data)])
            self.arrived += 1
            return False
        self.want([(chunk, False) for chunk in ids])
        return True

    def _answered(self, id_: bytes) -> None:
        link, _, _ = self._asked.pop(id_)
        self._without.pop(id_, None)
        if (peer := self._context.peers.get(link)) is not None:
            peer.contents_asked -= 1

    def take_none(self, peer: Peer, ids: Iterable[bytes]) -> None:
        """`peer` does not hold these."""
        for id_ in ids:
            asked = self._asked.get(id_)
            if asked is None or asked[0] != peer.link:
                continue
            self._asked.pop(id_)
            peer.contents_asked -= 1
            without = self._without.setdefault(id_, set())
            without.add(peer.link)
            if without >= self._context.peers.keys():
                without.clear()
                self._load_at_ms = self._context.now.mono + CONTENT_RETRY_MS
            else:
                self._queue.append((id_, asked[2]))

    def forget_link(self, link: int) -> None:
        for id_ in [id_ for id_, asked in self._asked.items() if asked[0] == link]:
            _, _, manifest = self._asked.pop(id_)
            self._queue.append((id_, manifest))

    def expire(self) -> None:
        """Ask others for what did not come in time."""
        before = self._context.now.mono - REQUEST_TIMEOUT_MS
        for id_ in [id_ for id_, asked in self._asked.items() if asked[1] < before]:
            link, _, manifest = self._asked.pop(id_)
            if (peer := self._context.peers.get(link)) is not None:
                peer.contents_asked -= 1
            self._without.setdefault(id_, set()).add(link)
            self._queue.append((id_, manifest))

    # --- serving ----------------------------------------------------------------------------------

    def serve(self, peer: Peer, ids: Sequence[bytes]) -> None:
        """Answer a request: what is here in messages of bounded size, and the ids of what is not."""
        batch: list[bytes] = []
        size = 0
        missing = list(ids[CONTENT_REQUESTS_PER_PEER_MAX:])
        for id_ in ids[:CONTENT_REQUESTS_PER_PEER_MAX]:
            data = self._context.store.content(id_)
            if data is None:
                missing.append(id_)
                continue
            if batch and size + len(data) > CONTENT_BATCH_BYTES_MAX:
                self._context.send(peer.link, Content(tuple(batch)))
                batch, size = [], 0
            batch.append(data)
            size += len(data)
        if batch:
            self._context.send(peer.link, Content(tuple(batch)))
        if missing:
            self._context.send(peer.link, NoContent(tuple(missing)))

    def progress(self) -> Counter[str]:
        """How many pieces are asked for and queued."""
        return Counter(asked=len(self._asked), queued=len(self._queue))
