"""Reading a stopped home: its stores, opened read-only while no daemon can start."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aslp2p.errors import AslError
from aslp2p.home import Home
from aslp2p.home.doubt import restored_from
from aslp2p.home.files import is_there
from aslp2p.home.key import load_public_key
from aslp2p.home.names import name_is_chosen
from aslp2p.home.retired import HomeRetired, require_active
from aslp2p.ledger.joining import read_belonging
from aslp2p.ledger.journal import META_STALE
from aslp2p.ledger.reader import PutMeta
from aslp2p.store.mark import STORE_NAME
from aslp2p.store.sqlite import SqliteStore
from aslp2p.views.commons import Followed, choose_common, common_status, unreadable
from aslp2p.views.conditions.find import Lasting
from aslp2p.views.view import View


def open_store(folder: Path, *, read_only: bool = True) -> SqliteStore:
    """The store in a Common's folder."""
    return SqliteStore(folder / STORE_NAME, read_only=read_only)


def open_new_store(home: Home, common_id: bytes) -> SqliteStore:
    """The writable store of a Common that this home begins to follow; made if it is missing.

    Where the home's key was restored, the new store says from the beginning that its journal is in doubt
    (S11). Raises as `SqliteStore` does.
    """
    folder = home.create_common_folder(common_id)
    reason = "" if (folder / STORE_NAME).exists() else restored_from(home)
    store = open_store(folder, read_only=False)
    if reason:
        store.apply([PutMeta(META_STALE, reason.encode())])
        store.commit()
    return store


class Stopped:
    """A stopped home as a `Source`; use as a context manager."""

    live = False

    def __init__(self, home: Home, common: str) -> None:
        self._home = home
        self._wanted = common
        self._own_key = load_public_key(home) if home.key.exists() else None
        self._chosen = name_is_chosen(home)
        self._stores: dict[bytes, SqliteStore] = {}
        self._faults: dict[bytes, AslError] = {}
        """Of stores that cannot be opened: the beginning of the id, which is all that their folders tell."""
        self._followed: list[Followed] = []

    def __enter__(self) -> Self:
        try:
            for folder in self._home.commons():
                self._open(folder)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        from aslp2p.views.queries import QUERIES  # `status` asks none of them, and has to answer at once

        store = self.store()
        return QUERIES[question](View(store, own_key=self._own_key, name_chosen=self._chosen), **params)

    def write_out(
        self, content: str, size: int, descriptor: int, look: Callable[[], object] = lambda: None
    ) -> None:
        from aslp2p.store.stage import Stage
        from aslp2p.views.erased import told_if_erased
        from aslp2p.views.writing_out import write_out

        store = self.store()
        id_ = bytes.fromhex(content)
        view = View(store, own_key=self._own_key, name_chosen=self._chosen)
        told_if_erased(view, id_, lambda: write_out(store, Stage(store.path), id_, size, descriptor))

    def status(self) -> dict[str, Any]:
        default = self._home.default_common()
        commons = [self._status(one, default) for one in self._followed]
        answer = {"daemon": None, "machine": self._machine(), "commons": commons}
        return {**answer, "conditions": Lasting().look(answer, 0)}

    def _machine(self) -> dict[str, Any]:
        """Whether the home signs at all, the room on its disk, and this clock."""
        free = shutil.disk_usage(self._home.path).free
        facts = {"free_bytes": free, "wall_ms": time.time_ns() // 1_000_000}
        try:
            require_active(self._home)
        except HomeRetired as error:
            told = {"message": error.message, "remedy": error.remedy, "command": error.command}
            return {**facts, "retired": told}
        return facts

    def _status(self, one: Followed, default: bytes | None) -> dict[str, Any]:
        try:
            store = self._store_of(one)
            return common_status(store, own_key=self._own_key, name_chosen=self._chosen, default=default)
        except AslError as error:
            return unreadable(one.id.hex(), one.name, error, default=default)

    def chosen(self) -> Followed:
        """The Common that the command means."""
        default = self._home.default_common()
        if default is not None and default[:8] in self._faults:
            default = default[:8]
        return choose_common(self._followed, self._wanted, default)

    def store(self) -> SqliteStore:
        """Its store. Raises what opening it raised."""
        return self._store_of(self.chosen())

    def _store_of(self, one: Followed) -> SqliteStore:
        if one.id in self._faults:
            raise self._faults[one.id]
        return self._stores[one.id]

    def followed(self) -> list[Followed]:
        """All Commons of the home."""
        return list(self._followed)

    def _open(self, folder: Path) -> None:
        try:
            with ExitStack() as stack:
                if not is_there(folder / STORE_NAME):
                    return  # made by an `init` that did not come to its end
                store = stack.enter_context(closing(open_store(folder)))
                belonging = read_belonging(store)
                if belonging is None:
                    return
                stack.pop_all()
        except AslError as error:
            id_ = bytes.fromhex(folder.name)
            self._faults[id_] = error
            self._followed.append(Followed(id_, folder.name))
        else:
            self._stores[belonging.common_id] = store
            self._followed.append(Followed(belonging.common_id, belonging.name))

    def close(self) -> None:
        """Closes the stores; closing twice is fine."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
