"""Fetching content: what history and pending puts name, from whoever holds it.

How it works. What is lacking, and when to look for each again, is `lacking`'s to say; here is a little of it:
a *queue* of what is to be asked, and what is *asked* of whom. What is newly wanted is queued at once; the
rest comes a window at a time, when the queue is used up, so that thousands of things that nobody holds keep
nothing waiting (G5).

A peer that says that it lacks something, or stays silent, is not asked for that again in this round. Every
piece is checked against its id, whoever sends it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from aslp2p.artifacts.content import chunk_bytes, content_id, decode_manifest, has_manifest
from aslp2p.artifacts.envelope import Signed, Verified
from aslp2p.artifacts.types import Action, Proposal, Put
from aslp2p.core.context import Context
from aslp2p.core.effects import Await, Give
from aslp2p.core.lacking import Items, Lacking, contents_of
from aslp2p.core.part import Part
from aslp2p.errors import ArtifactError
from aslp2p.gossip.messages import GetContent, NoContent
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.facts import held_at
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.keeping import Rule
from aslp2p.ledger.reader import DropStaged, PutContent, PutStaged, Staged, UnwantContents, WantContents
from aslp2p.ledger.state import NotApplicable
from aslp2p.limits import (
    CHUNK_BYTES,
    CONTENT_REQUESTED_BYTES_PER_PEER,
    CONTENT_REQUESTS_PER_PEER_MAX,
    CONTENT_TYPICAL_BYTES,
    CONTENT_WINDOW,
    KIB,
    PEERS_MAX,
    REQUEST_TIMEOUT_MS,
)

QUEUE_MAX = 2 * CONTENT_WINDOW
CHECKED_MAX = 64
"""Manifests of which it is remembered how many of their chunks are here."""
COME_MAX = 4096
TELL_MS = 1_000
"""Contents that come are told of so often at most, while more is on its way."""
SILENT_MS = 4 * REQUEST_TIMEOUT_MS
UNASKED_BYTES = 4 * KIB
"""Content that nobody asked for counts once, and once more for each of these."""
TYPICAL_WEIGHT = 0.125
"""Of the latest content in how long they are taken to be."""
UNASKED_MAX = 1 + CHUNK_BYTES // UNASKED_BYTES


def unasked(data: bytes) -> int:
    """How useless content is that nobody asked for."""
    return 1 + len(data) // UNASKED_BYTES


class _Asked(Struct, frozen=True):
    link: int
    asked_ms: int
    manifest: bool


class Contents(Part):
    """What is wanted, what is asked of whom, and who has said that it holds nothing."""

    def __init__(self, context: Context, pending: Mapping[bytes, Verified[Proposal]]) -> None:
        self._context = context
        self._queue: dict[bytes, bool] = {}
        """To be asked, in order: id to whether it is a manifest."""
        self.served_ms: dict[bytes, int] = {}
        """When each key last asked this node for content; those that asked last."""
        self._asked: dict[bytes, _Asked] = {}
        self._asked_of: Counter[int] = Counter()
        """Link to how many are asked of it."""
        self._typical_bytes = float(CONTENT_TYPICAL_BYTES)
        """How long contents are, by those that came last."""
        self._heard_ms: dict[int, int] = {}
        """Link to when content came over it last."""
        self._without: dict[bytes, set[int]] = {}
        """Links that were asked in vain in this round; only for what is in `_queue` or `_asked`."""
        self._lacking = Lacking(context, pending, self._fetches_pending)
        self._askable: set[int] = set()
        self._keys: dict[int, bytes] = {}
        self._silent: dict[int, int] = {}
        """Links that answered nothing in time, and until when they are not asked: the others go on."""
        self._checked: dict[bytes, int] = {}
        self.erased: set[bytes] = set()
        """What was erased here (`erasing`), by id; of what was put again since, some too."""
        self.rule = Rule()
        """What is to be here of all that is put (`keeping`)."""
        self.arrived = 0
        """Grows with everything that comes, so that who waits for content knows when to look again."""
        self._told_ms = -TELL_MS
        self._come: set[bytes] | None = set()
        """What has come since somebody asked for that; None: more than are remembered."""

    # --- wanting ----------------------------------------------------------------------------------

    def want(self, items: Items) -> None:
        """Fetch these, with the chunks of a manifest, until they are here: history names them, or a person.
        What is here already costs a look."""
        if new := self._new_of(items):
            # What was wanted as a plain file may turn out to be a manifest: wanted anew it is taken for one.
            store = self._context.store
            store.apply([UnwantContents([id_ for id_, manifest in new if manifest]), WantContents(new)])
            self._enqueue(new)

    def want_listed(self, listed: Sequence[Signed[Proposal]]) -> None:
        """As `want`, of what these put, as far as it is to be here."""
        rule, head = self.rule, self._context.ledger.head
        if not rule.is_everything:
            listed = [one for one in listed if self._is_to_be_here(one.statement.action, head)]
        self.want(contents_of(listed))

    def _is_to_be_here(self, action: Action, head: Tip) -> bool:
        if not isinstance(action, Put) or not self.rule.holds(action.path):
            return False
        if self.rule.keep.versions_ms != 0:
            return True
        held = held_at(self._context.store, head.branch, head.height, action.content)
        return held is not None and held.paths > 0

    def want_pending(self, proposals: Iterable[Signed[Proposal]]) -> None:
        """Fetch what these put, with the chunks of a manifest, as long as they are pending."""
        self._enqueue(self._new_of(self._lacking.pending_of(proposals)))

    def _names_erased(self, id_: bytes) -> bool:
        """Whether the head's line has erased the content `id_`, and nobody has put it again since."""
        head = self._context.ledger.head
        held = held_at(self._context.store, head.branch, head.height, id_)
        return held is not None and bool(held.erased)

    def _is_erased(self, id_: bytes) -> bool:
        """Whether what comes unasked was erased, or is a chunk of it that nothing here wants."""
        if id_ not in self.erased:
            return False
        wanted = self._manifest_of(id_) is not None or self._context.store.is_wanted(id_)
        return not wanted or self._names_erased(id_)

    def _fetches_pending(self, action: Put) -> bool:
        """Whether to fetch what somebody wants to put: all of it at the witness, which lists nothing that it
        does not hold (G6)."""
        if self.rule.holds(action.path):
            return True
        context = self._context
        return context.founded and context.ledger.head.standing.next_witness == context.key

    def release(self, ids: Iterable[bytes]) -> None:
        """Ask for these no more."""
        for id_ in ids:
            self._release(id_)

    def _new_of(self, items: Items) -> Items:
        lacking = set(self._context.store.lacking_content(id_ for id_, _ in items)) if items else set()
        new: Items = []
        for id_, manifest in items:
            if id_ in lacking:
                if id_ in self.erased and self._names_erased(id_):
                    continue
                new.append((id_, manifest))
            elif manifest:
                new += self._lacking.chunks(id_)
        return new

    def _enqueue(self, new: Items) -> None:
        for id_, manifest in new:
            self._lacking.wanted_anew(id_)
            asked = self._asked.get(id_)
            if asked is not None:
                self._asked[id_] = _Asked(asked.link, asked.asked_ms, asked.manifest or manifest)
            else:
                self._queue[id_] = manifest or self._queue.get(id_, False)
                if len(self._queue) > QUEUE_MAX:  # the oldest come again with their window
                    self._release(next(iter(self._queue)))
                    self._lacking.look_soon()

    def keep(self, data: bytes) -> None:
        """Store small content that came along with what names it."""
        id_ = content_id(data)
        if self._context.store.content_size(id_) is None and not self._is_erased(id_):
            self._store(id_, PutContent(id_, data))

    def bring(self, pieces: Sequence[bytes], manifests: Sequence[bytes]) -> None:
        """Store contents that a person brought, and want the chunks of those that are manifests."""
        for data in (*pieces, *manifests):
            if not self._is_erased(id_ := content_id(data)):
                self._store(id_, PutContent(id_, data))
        for data in manifests:
            self.want(self._lacking.chunks(content_id(data)))

    def _store(self, id_: bytes, put: PutContent | PutStaged) -> None:
        self._release(id_)
        self._lacking.came(id_)
        self._context.store.apply([put])
        self.note_come([id_])

    def note_come(self, ids: Iterable[bytes]) -> None:
        """These are in the store now."""
        self.arrived += 1
        if self._come is not None:
            self._come.update(ids)
            if len(self._come) > COME_MAX:
                self._come = None

    def have_come(self, ids: Collection[bytes]) -> set[bytes]:
        """Those of `ids` that have come since this was last asked."""
        come, self._come = self._come, set()
        return set(ids) - set(self._context.store.lacking_content(ids)) if come is None else come & set(ids)

    def missing_of(self, action: Put) -> bytes | None:
        """What of a put's content is not here, or nothing (G6). Raises `NotApplicable` if it is not what the
        put says."""
        store = self._context.store
        if not has_manifest(action.size):
            size = store.content_size(action.content)
            if size is not None and size != action.size:
                raise NotApplicable("content-mismatch", f"its content has {size} bytes, not {action.size}")
            return None if size is not None else action.content
        manifest = store.content(action.content)
        if manifest is None:
            return action.content
        try:
            ids = decode_manifest(manifest, action.size)
        except ArtifactError as error:
            raise NotApplicable("content-mismatch", error.message) from None
        # A large file is looked at each time that a chunk of it comes: go on where the last look ended.
        here = self._checked.pop(action.content, 0)
        while here < len(ids):
            size = store.content_size(ids[here])
            if size is None:
                break
            if size != chunk_bytes(action.size, here):
                raise NotApplicable("content-mismatch", f"chunk {here} has {size} bytes")
            here += 1
        self._checked[action.content] = here
        if len(self._checked) > CHECKED_MAX:
            self._checked.pop(next(iter(self._checked)))
        return ids[here] if here < len(ids) else None

    # --- asking -----------------------------------------------------------------------------------

    @property
    def wake_at_ms(self) -> int | None:
        """When to look for more, or for answers that are overdue."""
        if not self._askable:
            return None
        due = []
        if self._lacking.look_at_ms is not None and not self._queue:
            due.append(self._lacking.look_at_ms)
        if self._asked:
            due.append(next(iter(self._asked.values())).asked_ms + REQUEST_TIMEOUT_MS + 1)
        return min(due, default=None)

    def poll(self) -> None:
        """Ask peers for what is wanted, as far as their windows allow."""
        now = self._context.now.mono
        askable = {
            link
            for link, peer in self._context.peers.items()
            if peer.height >= 0 and self._silent.get(link, now) <= now
        }
        if askable != self._askable:
            for link in sorted(askable - self._askable):
                self._keys[link] = self._context.peers[link].key
                self._lacking.linked(self._context.peers[link])
            self._askable = askable
        if not askable:
            return
        look_at_ms = self._lacking.look_at_ms
        if not self._queue and look_at_ms is not None and now >= look_at_ms:
            for id_, manifest, without in self._lacking.look(self._asked.keys(), askable):
                self._queue[id_] = manifest
                if without:
                    self._without[id_] = without
        if self._queue:
            self._ask(now)

    def _ask(self, now: int) -> None:
        window = self._window()
        windows = {
            link: window - self._asked_of[link]
            for link in self._context.peers
            if link in self._askable and self._asked_of[link] < window
        }
        if not windows:
            return
        asks: dict[int, list[bytes]] = {}
        in_vain: list[bytes] = []
        for id_, manifest in list(self._queue.items()):
            if not windows:
                break
            without = self._without.get(id_, set())
            links = [link for link in windows if link not in without]
            if not links:
                if self._askable <= without:
                    in_vain.append(id_)
                continue
            link = links[self._context.draw(len(links))] if len(links) > 1 else links[0]
            del self._queue[id_]
            asks.setdefault(link, []).append(id_)
            self._asked[id_] = _Asked(link, now, manifest)
            self._asked_of[link] += 1
            windows[link] -= 1
            if not windows[link]:
                del windows[link]
        for link, ids in asks.items():
            self._context.peers[link].expect(len(ids) * UNASKED_MAX)
            self._context.out.effects.append(Await(tuple(ids)))
            self._context.send(link, GetContent(tuple(ids)))
        for id_ in in_vain:
            self._release(id_)
            self._lacking.was_in_vain(id_)

    def _window(self) -> int:
        """How many contents may be under way from one peer: as many as come to the bytes that may be."""
        fitting = int(CONTENT_REQUESTED_BYTES_PER_PEER / self._typical_bytes)
        return min(CONTENT_REQUESTS_PER_PEER_MAX, fitting)

    # --- answers ----------------------------------------------------------------------------------

    def take(self, peer: Peer, contents: Iterable[bytes]) -> int:
        """Keep what is wanted, whoever was asked for it; returns how useless the rest is."""
        useless = 0
        for data in contents:
            id_ = content_id(data)
            manifest = self._manifest_of(id_)
            if manifest is None:
                useless += unasked(data)
                continue
            self._keep_asked(peer.link, len(data), PutContent(id_, data), manifest=manifest)
        return useless

    def take_staged(self, link: int, staged: Iterable[Staged]) -> int:
        """As `take`, for what was taken in beside the store."""
        useless = 0
        for one in staged:
            manifest = self._manifest_of(one.id)
            if manifest is None:
                useless += 1 + one.size // UNASKED_BYTES
                self._context.store.apply([DropStaged(one)])
            else:
                self._keep_asked(link, one.size, PutStaged(one), manifest=manifest)
        return useless

    def _keep_asked(self, link: int, size: int, put: PutContent | PutStaged, *, manifest: bool) -> None:
        id_ = put.id if isinstance(put, PutContent) else put.staged.id
        if link in self._context.peers:
            self._heard_ms[link] = self._context.now.mono
        self._typical_bytes += (max(KIB, size) - self._typical_bytes) * TYPICAL_WEIGHT
        wanted = self._context.store.is_wanted(id_)
        self._store(id_, put)
        if manifest:
            # One that is none is its author's lie, not the relay's. The witness refuses the put.
            chunks = self._lacking.chunks(id_)
            self.want(chunks) if wanted else self._enqueue(self._new_of(chunks))
        self._tell()

    def _tell(self) -> None:
        """That something has come: when all that was asked for has, and now and then before that."""
        now = self._context.now.mono
        if (self._asked or self._queue) and now < self._told_ms + TELL_MS:
            return
        self._told_ms = now
        self._context.publish("contents")

    def _manifest_of(self, id_: bytes) -> bool | None:
        """Whether what is asked for or queued is a manifest; None if it is neither."""
        asked = self._asked.get(id_)
        return asked.manifest if asked is not None else self._queue.get(id_)

    def _release(self, id_: bytes) -> bool:
        """It is asked for no more, and not to be; whether it was a manifest."""
        manifest = self._queue.pop(id_, False)
        self._without.pop(id_, None)
        asked = self._asked.pop(id_, None)
        if asked is not None:
            self._asked_of[asked.link] -= 1
            if not self._asked_of[asked.link]:
                del self._asked_of[asked.link]
        return manifest or (asked is not None and asked.manifest)

    def _ask_another(self, id_: bytes, link: int, *, in_vain: bool) -> None:
        without = self._without.get(id_, set())
        self._queue[id_] = self._release(id_)
        if in_vain:
            without.add(link)
        if without:
            self._without[id_] = without

    def take_none(self, peer: Peer, ids: Iterable[bytes]) -> None:
        """`peer` does not hold these."""
        for id_ in ids:
            asked = self._asked.get(id_)
            if asked is not None and asked.link == peer.link:
                self._ask_another(id_, peer.link, in_vain=True)

    def link_lost(self, link: int) -> None:
        """The link has ended: what was asked of it is asked of others."""
        self._heard_ms.pop(link, None)
        self._silent.pop(link, None)
        key = self._keys.pop(link, None)
        if key is not None and self._asked_of[link]:
            self._lacking.lost(key)
        for id_ in [id_ for id_, asked in self._asked.items() if asked.link == link]:
            self._ask_another(id_, link, in_vain=False)

    def tick(self) -> None:
        """Ask others for what did not come, where nothing at all came in time: a slow link is not a silent
        one."""
        now = self._context.now.mono
        for id_, asked in list(self._asked.items()):
            if asked.asked_ms >= now - REQUEST_TIMEOUT_MS:
                return  # in the order of asking
            heard = self._heard_ms.get(asked.link, asked.asked_ms)
            if heard >= now - REQUEST_TIMEOUT_MS:
                del self._asked[id_]
                self._asked[id_] = _Asked(asked.link, heard, asked.manifest)
            else:
                self._silent[asked.link] = now + SILENT_MS
                self._ask_another(id_, asked.link, in_vain=True)

    # --- serving ----------------------------------------------------------------------------------

    def serve(self, peer: Peer, ids: Sequence[bytes]) -> list[tuple[bytes, int]]:
        """Answer a request: what is here is given as the link takes it, and told is what is not.

        Returns the id and the size of each that is given, and one of size 0 if any is not here."""
        sizes: list[tuple[bytes, int]] = []
        self.served_ms.pop(peer.key, None)
        self.served_ms[peer.key] = self._context.now.mono
        while len(self.served_ms) > PEERS_MAX:
            del self.served_ms[next(iter(self.served_ms))]
        missing = list(ids[CONTENT_REQUESTS_PER_PEER_MAX:])
        for id_ in ids[:CONTENT_REQUESTS_PER_PEER_MAX]:
            size = self._context.store.content_size(id_)
            if size is None:
                missing.append(id_)
            else:
                sizes.append((id_, size))
        if sizes:
            self._context.out.effects.append(Give(peer.link, tuple(sizes)))
        if missing:
            self._context.send(peer.link, NoContent(tuple(missing)))
            sizes.append((missing[0], 0))
        return sizes

    def progress(self) -> Counter[str]:
        """How many pieces are asked for and queued."""
        return Counter(asked=len(self._asked), queued=len(self._queue))
