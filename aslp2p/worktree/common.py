"""A Common as a folder follows it: questions to whatever answers them, proposals to the daemon.

Small files come and go many in one line; large ones are handed to the daemon open. What the daemon or the
witness refuses is told (`problems`, `refused`), and no reason to stop.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

from aslp2p.artifacts.content import chunks_of
from aslp2p.control.client import File
from aslp2p.errors import UserError
from aslp2p.limits import CHUNK_BYTES, CONTROL_LINE_BYTES_MAX, KIB, PUTS_AT_ONCE_MAX, VIEW_PAGE_MAX
from aslp2p.worktree.disk import Bytes, Reading
from aslp2p.worktree.doing import require_unchanged
from aslp2p.worktree.remote import Version
from aslp2p.worktree.trees import Entry, Found, Like

SMALL_BYTES = CHUNK_BYTES // 4
"""A larger file is handed to the daemon open."""
_TYPES = mimetypes.MimeTypes(filenames=())
"""The same on every machine."""
BATCH_BYTES_MAX = CONTROL_LINE_BYTES_MAX - 256 * KIB
"""Of one line to the daemon."""


Content: TypeAlias = tuple[str, int]
"""Id and size."""


class Asking(Protocol):
    """Answers the questions of `docs/control.md` about one Common. Raises `UserError`."""

    def ask(self, question: str, **params: Any) -> dict[str, Any]: ...

    def write_out(self, content: str, size: int, descriptor: int) -> None:
        """Write the content of `size` bytes into an open, empty file."""


class Calling(Asking, Protocol):
    """The running daemon."""

    def long(self, method: str, /, **params: Any) -> dict[str, Any]:
        """The answer to a method about the Common that takes as long as it takes."""


def absent_of(source: Asking, contents: Sequence[Content]) -> dict[Content, int]:
    """Those of `contents` that are not all here, and of how many pieces each lacks."""
    absent: dict[Content, int] = {}
    for some in _pages(contents):
        missing = source.ask("contents.missing", contents=[list(one) for one in some])["missing"]
        absent |= {one: count for one, count in zip(some, missing, strict=True) if count}
    return absent


def ask_for(daemon: Asking, contents: Sequence[Content]) -> int:
    """Have the daemon fetch these, whatever this machine keeps; returns how many peers it may ask."""
    peers = 0
    for some in _pages(contents):
        peers = daemon.ask("contents.fetch", contents=[list(one) for one in some])["peers"]
    return peers


def _pages(contents: Sequence[Content]) -> Iterator[Sequence[Content]]:
    return (contents[at : at + VIEW_PAGE_MAX] for at in range(0, len(contents), VIEW_PAGE_MAX))


class _Content(Bytes):
    """What is at a path, asked for when it is needed."""

    def __init__(self, source: Asking, entry: Entry) -> None:
        self._source = source
        self._entry = entry

    def fill(self, descriptor: int) -> bool:
        if self._entry.size <= CHUNK_BYTES:
            return False
        self._source.write_out(self._entry.like.content, self._entry.size, descriptor)
        return True

    def __iter__(self) -> Iterator[bytes]:
        for index in range(chunks_of(self._entry.size)):
            params = {"id": self._entry.like.content, "size": self._entry.size, "index": index}
            yield base64.b64decode(self._source.ask("content.read", **params)["data"])


class History:
    """What is at `path` and below it, at `height` or what is read now. As a `Remote` it takes nothing."""

    def __init__(self, source: Asking, path: str = "", height: int | None = None) -> None:
        self._source = source
        self._prefix = f"{path}/" if path else ""
        self._path = path
        self._height = height
        self.name = next((one["name"] for one in source.ask("members")["members"] if one["self"]), "here")
        self.problems: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self._ahead: dict[str, Entry] = {}
        """What is to be read next, by id; in this order."""
        self._read: dict[str, bytes] = {}
        """What was read last, by id."""

    def version(self) -> Version:
        """Raises `UserError` when the history moves to another branch meanwhile: again, then."""
        waiting = self._waiting()  # first: what is listed meanwhile is both, and rests for a round
        first = page = self._source.ask("ls", prefix=self._path, at=self._height)
        entries: dict[str, Entry] = {}
        while True:
            if page["snapshot"] != first["snapshot"]:
                raise UserError("the history moved to another branch meanwhile", remedy="type it again")
            for one in page["entries"]:
                if one["path"].startswith(self._prefix):  # else `path` itself is a file
                    like = Like(one["content"], one["executable"])
                    entries[one["path"][len(self._prefix) :]] = Entry(like, one["size"], one["modified_ms"])
            if page["next"] is None:
                return Version(first["height"], entries, waiting)
            page = self._source.ask("ls", prefix=self._path, at=first["height"], after=page["next"])

    def _waiting(self) -> set[str]:
        return set()

    def lacking(self, entries: Mapping[str, Entry], /) -> set[str]:
        """Those of `entries` whose bytes have not all come."""
        contents = {path: (entry.like.content, entry.size) for path, entry in entries.items()}
        absent = absent_of(self._source, [*dict.fromkeys(contents.values())])
        return {path for path, one in contents.items() if one in absent}

    def read_ahead(self, entries: Sequence[Entry], /) -> None:
        """Small ones of `entries` come several in one answer."""
        self._ahead = {entry.like.content: entry for entry in entries if entry.size <= CHUNK_BYTES}

    def chunks(self, path: str, entry: Entry, /) -> Iterable[bytes]:
        """The bytes of `entry`."""
        content = entry.like.content
        if content in self._ahead:
            self._read = self._read_some(content)
        if content in self._read:
            return (self._read[content],)
        return _Content(self._source, entry)

    def _read_some(self, first: str) -> dict[str, bytes]:
        """`first` and what is to be read after it, as much as one answer holds and as is here."""
        ids = [*self._ahead]
        some = ids[ids.index(first) :][:VIEW_PAGE_MAX]
        contents = [[id_, self._ahead[id_].size] for id_ in some]
        answer = self._source.ask("contents.read", contents=contents)["contents"]
        for id_ in (*ids[: ids.index(first)], *some[: len(answer)]):
            del self._ahead[id_]
        return {
            id_: base64.b64decode(data) for id_, data in zip(some, answer, strict=False) if data is not None
        }

    def put(
        self,
        path: str,
        found: Found,
        modified_ms: int,
        expects: str,
        opened: Callable[[], AbstractContextManager[Reading]],
        /,
    ) -> None:
        """Never: a folder that only receives proposes nothing."""
        raise UserError("nothing is proposed from here")

    def remove(self, path: str, expects: str, /) -> None:
        """Never."""
        raise UserError("nothing is proposed from here")

    def settle(self) -> bool:
        """Nothing waits."""
        return True


class Settling(Protocol):
    """Waits for the witness."""

    def add(self, proposal: str, path: str, /) -> None:
        """Wait for this one too; where very many are under way, until some of them are settled."""

    def finish(self) -> dict[str, str]:
        """Of those that are not listed, why; empty while they wait, and the witness is not there."""


class Proposals(History):
    """The running daemon as a `Remote`."""

    def __init__(self, daemon: Calling, path: str, settling: Settling) -> None:
        super().__init__(daemon, path)
        self._daemon = daemon
        self._settling = settling
        self._puts: list[tuple[str, dict[str, Any]]] = []
        self._removals: list[tuple[str, dict[str, Any]]] = []
        self._batch_bytes = 0
        self._proposed: dict[str, str] = {}

    def _waiting(self) -> set[str]:
        waiting = set()
        after: str | None = ""
        while after is not None:
            page = self._daemon.ask("waiting", after=after)
            for id_, path in page["waiting"]:
                if path.startswith(self._prefix):
                    waiting.add(path[len(self._prefix) :])
                    self._propose(id_, path[len(self._prefix) :])
            after = page["next"]
        return waiting

    def lacking(self, entries: Mapping[str, Entry], /) -> set[str]:
        """As of any version; a folder that follows asks for them, whatever this machine keeps."""
        lacking = super().lacking(entries)
        ask_for(self._daemon, sorted({(entries[path].like.content, entries[path].size) for path in lacking}))
        return lacking

    def put(
        self,
        path: str,
        found: Found,
        modified_ms: int,
        expects: str,
        opened: Callable[[], AbstractContextManager[Reading]],
        /,
    ) -> None:
        """A small file goes out with the next ones, at the latest when `settle` is called."""
        params: dict[str, Any] = {
            "path": self._prefix + path,
            "executable": found.like.executable,
            "media_type": _TYPES.guess_type(path)[0] or "",
            "modified_ms": modified_ms,
            "expects": expects,
        }
        if found.identity.size > SMALL_BYTES:
            self._flush()
            with opened() as file:
                params |= {"file": File(file.fileno()), "content": found.like.content}
                self._propose(self._daemon.long("put.file", **params)["proposal"], path)
            return
        with opened() as file:
            data = file.read(found.identity.size)
            require_unchanged(file, found)
        params["data"] = base64.b64encode(data).decode("ascii")
        self._make_room(len(params["data"]) + _line_bytes(path))
        self._puts.append((path, params))

    def remove(self, path: str, expects: str, /) -> None:
        """As `put`."""
        self._make_room(_line_bytes(path))
        self._removals.append((path, {"path": self._prefix + path, "expects": expects}))

    def settle(self) -> bool:
        """Wait until all of it is listed or refused, or the witness is not there."""
        self._flush()
        left = self._settling.finish()
        proposed, self._proposed = self._proposed, {}
        self.refused |= {
            proposed[id_]: f"refused: {why}" for id_, why in left.items() if why and id_ in proposed
        }
        return "" not in left.values()

    def _make_room(self, more: int) -> None:
        """For so many bytes in the next line; what was put before goes out when there is none."""
        if (
            len(self._puts) + len(self._removals) >= PUTS_AT_ONCE_MAX
            or self._batch_bytes + more > BATCH_BYTES_MAX
        ):
            self._flush()
        self._batch_bytes += more

    def _flush(self) -> None:
        puts, self._puts = self._puts, []
        removals, self._removals = self._removals, []
        self._batch_bytes = 0
        if not puts and not removals:
            return
        params = {"puts": [one for _, one in puts], "removals": [one for _, one in removals]}
        answer = self._daemon.ask("put.many", **params)
        for (path, _), one in zip((*puts, *removals), (*answer["puts"], *answer["removals"]), strict=True):
            if "error" in one:
                self.problems[path] = one["error"]["message"]
            else:
                self._propose(one["proposal"], path)

    def _propose(self, id_: str, path: str) -> None:
        if id_ not in self._proposed:
            self._proposed[id_] = path
            self._settling.add(id_, path)


def _line_bytes(path: str) -> int:
    """At most how much of a line the rest of a put takes."""
    return 512 + 6 * len(path.encode())
