"""A Common as a folder follows it: questions to whatever answers them, proposals to the daemon.

Small files go out several at once; large ones are handed to the daemon open. What the daemon or the witness
refuses is in `problems`, and no reason to stop.
"""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from aslp2p.artifacts.content import chunks_of
from aslp2p.control.client import File
from aslp2p.control.protocol import RemoteError
from aslp2p.errors import UserError
from aslp2p.limits import CHUNK_BYTES
from aslp2p.worktree.disk import Reading
from aslp2p.worktree.sync import Version, require_unchanged
from aslp2p.worktree.trees import Entry, Found, Like

_BATCH_FILES = 64
_BATCH_BYTES = 8 * CHUNK_BYTES
Call = tuple[str, dict[str, Any]]


class Asking(Protocol):
    """Answers the questions of `docs/control.md` about one Common. Raises `UserError`."""

    def ask(self, question: str, **params: Any) -> dict[str, Any]: ...


class Calling(Asking, Protocol):
    """The running daemon."""

    def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """The answer to a method that names no Common."""

    def long(self, method: str, /, **params: Any) -> dict[str, Any]:
        """The answer to a method about the Common that takes as long as it takes."""

    def many(self, calls: Sequence[Call], /) -> Iterable[Any]:
        """The answers in order; a refusal is one, as a `RemoteError`."""


class History:
    """What is at `path` and below it, at `height` or what is read now. As a `Remote` it takes nothing."""

    def __init__(self, source: Asking, path: str = "", height: int | None = None) -> None:
        self._source = source
        self._prefix = f"{path}/" if path else ""
        self._path = path
        self._height = height
        self.name = next((one["name"] for one in source.ask("members")["members"] if one["self"]), "here")
        self.problems: dict[str, str] = {}

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
        """Asks for each by itself; `Proposals` does it faster."""
        return {
            path
            for path, entry in entries.items()
            if self._source.ask("content.missing", id=entry.like.content, size=entry.size)["missing"]
        }

    def chunks(self, path: str, entry: Entry, /) -> Iterator[bytes]:
        """The bytes of `entry`, a chunk at a time."""
        for index in range(chunks_of(entry.size)):
            params = {"id": entry.like.content, "size": entry.size, "index": index}
            yield base64.b64decode(self._source.ask("content.read", **params)["data"])

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


class Proposals(History):
    """The running daemon as a `Remote`. `settle(proposals)`, ids and what they are about, waits for the
    witness and gives those that are not listed, with why: empty while they wait.
    """

    def __init__(
        self, daemon: Calling, path: str, settle: Callable[[dict[str, str]], dict[str, str]]
    ) -> None:
        super().__init__(daemon, path)
        self._daemon = daemon
        self._settle = settle
        self._types = mimetypes.MimeTypes(filenames=())  # the same on every machine
        self._batch: list[tuple[str, Call]] = []
        self._batch_bytes = 0
        self._proposed: dict[str, str] = {}

    def _waiting(self) -> set[str]:
        waiting = set()
        for one in self._daemon.ask("proposals", state="pending")["proposals"]:
            path = one["action"].get("path", "")
            if one["author"]["self"] and path.startswith(self._prefix):
                waiting.add(path[len(self._prefix) :])
                self._proposed[one["id"]] = path[len(self._prefix) :]
        return waiting

    def lacking(self, entries: Mapping[str, Entry], /) -> set[str]:
        """Those of `entries` whose bytes have not all come."""
        calls: list[Call] = [
            ("content.missing", {"id": entry.like.content, "size": entry.size}) for entry in entries.values()
        ]
        answers = self._daemon.many(calls)
        return {
            path
            for path, answer in zip(entries, answers, strict=True)
            if isinstance(answer, RemoteError) or answer["missing"]
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
        """A small file goes out with the next ones, at the latest when `settle` is called."""
        params = {
            "path": self._prefix + path,
            "executable": found.like.executable,
            "media_type": self._types.guess_type(path)[0] or "",
            "modified_ms": modified_ms,
            "expects": expects,
        }
        if found.identity.size > CHUNK_BYTES:
            self._flush()
            with opened() as file:
                params |= {"file": File(file.fileno()), "content": found.like.content}
                self._answered(path, self._daemon.long("put.file", **params))
            return
        with opened() as file:
            data = file.read(found.identity.size)
            require_unchanged(file, found)
        self._batch.append((path, ("put", {**params, "data": base64.b64encode(data).decode("ascii")})))
        self._batch_bytes += len(data)
        if len(self._batch) >= _BATCH_FILES or self._batch_bytes >= _BATCH_BYTES:
            self._flush()

    def remove(self, path: str, expects: str, /) -> None:
        """As `put`."""
        self._batch.append((path, ("remove", {"path": self._prefix + path, "expects": expects})))
        if len(self._batch) >= _BATCH_FILES:
            self._flush()

    def settle(self) -> bool:
        """Wait until all of it is listed or refused, or the witness is not there."""
        self._flush()
        proposed, self._proposed = self._proposed, {}
        left = self._settle(proposed)
        self.problems |= {proposed[id_]: f"refused: {why}" for id_, why in left.items() if why}
        return "" not in left.values()

    def _flush(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        answers = self._daemon.many([call for _, call in batch])
        for (path, _), answer in zip(batch, answers, strict=True):
            self._answered(path, answer)

    def _answered(self, path: str, answer: Any) -> None:
        if isinstance(answer, RemoteError):
            self.problems[path] = answer.message
        else:
            self._proposed[answer["proposal"]] = path
