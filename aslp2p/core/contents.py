"""Fetching content: what history and pending puts name, from whoever holds it.

What is wanted is a table in the store, so a fetch goes on after a restart and memory holds only what is
asked for
right now. A peer that does not hold something is asked again later; every piece is checked against its id.

What is new is asked for at once; the rest of the table in windows, one after the other, so that thousands of
things that nobody holds keep nothing waiting (G5). After the last window comes a pause, and the next one is
twice as long, until something arrives, somebody new does, or something new is wanted.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
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
    CONTENT_RETRY_MS_MAX,
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
        self._queue: OrderedDict[bytes, bool] = OrderedDict()
        """To be asked for next: id to whether a manifest."""
        self._asked: dict[bytes, tuple[int, int, bool]] = {}
        """Id to (link, when, whether a manifest)."""
        self._without: dict[bytes, set[int]] = {}
        self._load_at_ms: int | None = 0
        self._skip = 0
        self._window: set[bytes] = set()
        """Where in the table the window begins that was loaded last, and what of it is still there."""
        self._fetched = self._fetched_at_wrap = 0
        self._pause_ms = CONTENT_RETRY_MS
        self._newest_link = -1
        self.arrived = 0
        """Grows with everything that comes, so that who waits for content knows when to look again."""

    # --- wanting ----------------------------------------------------------------------------------

    def want(self, items: Sequence[tuple[bytes, bool]]) -> None:
        """Fetch these: (id, whether it is a manifest). What is here already costs a look."""
        if not items:
            return
        store, now = self._context.store, self._context.now.mono
        store.apply([Want(items)])
        room = max(0, CONTENT_WINDOW - len(self._queue))
        for id_, manifest in items[:room]:
            if id_ not in self._asked and store.content_size(id_) is None:
                self._queue[id_] = manifest
        self._look_soon(now if len(items) > room else now + CONTENT_RETRY_MS)

    def unwant(self, ids: Sequence[bytes]) -> None:
        self._context.store.apply([Unwant(ids)])

    def keep(self, data: bytes) -> None:
        """Store content that came along with what names it."""
        id_ = content_id(data)
        self._context.store.apply([PutContent(id_, data)])
        if (asked := self._asked.pop(id_, None)) is not None:
            self._gives_room(asked[0])
        self._queue.pop(id_, None)
        self._window.discard(id_)
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
        return self._load_at_ms if self._context.peers and not self._queue else None

    def poll(self) -> None:
        """Ask peers for what is wanted, as far as their windows allow."""
        peers = list(self._context.peers.values())
        if not peers:
            return
        now = self._context.now.mono
        if peers[-1].link != self._newest_link:
            self._newest_link = peers[-1].link
            self._look_soon(now)
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
            id_, manifest = self._queue.popitem(last=False)
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
            self._load_at_ms = now + self._pause_ms

    def _look_soon(self, at_ms: int) -> None:
        """Something has changed: look at the table at `at_ms` or before, and often again."""
        self._pause_ms = CONTENT_RETRY_MS
        self._load_at_ms = at_ms if self._load_at_ms is None else min(at_ms, self._load_at_ms)

    def _load(self) -> None:
        """Queue the next window of the table."""
        store, now = self._context.store, self._context.now.mono
        self._skip += len(self._window)
        wanted = store.wanted(CONTENT_WINDOW + len(self._asked), self._skip)
        if not wanted and self._skip:
            self._wrap()
            return
        self._window = {id_ for id_, _ in wanted}
        self._queue.update(item for item in wanted if item[0] not in self._asked)
        # Look again when the queue is used up.
        self._load_at_ms = now + self._pause_ms if wanted else None
        if not (self._queue or self._asked) or len(self._without) > 4 * CONTENT_WINDOW:
            self._without.clear()

    def _wrap(self) -> None:
        """All windows were loaded: pause."""
        self._skip = 0
        self._window = set()
        if self._fetched != self._fetched_at_wrap:
            self._pause_ms = CONTENT_RETRY_MS
        self._fetched_at_wrap = self._fetched
        self._load_at_ms = self._context.now.mono + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, CONTENT_RETRY_MS_MAX)

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
            self._fetched += 1
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
        self._window.discard(id_)
        self._gives_room(link)

    def _gives_room(self, link: int) -> None:
        """`link` has one thing less to do."""
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
            else:
                self._queue[id_] = asked[2]
        if not self._queue and not self._asked:
            self._load_at_ms = self._context.now.mono

    def forget_link(self, link: int) -> None:
        for id_ in [id_ for id_, asked in self._asked.items() if asked[0] == link]:
            _, _, self._queue[id_] = self._asked.pop(id_)

    def expire(self) -> None:
        """Ask others for what did not come in time."""
        before = self._context.now.mono - REQUEST_TIMEOUT_MS
        for id_ in [id_ for id_, asked in self._asked.items() if asked[1] < before]:
            link, _, manifest = self._asked.pop(id_)
            self._gives_room(link)
            self._without.setdefault(id_, set()).add(link)
            self._queue[id_] = manifest

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
