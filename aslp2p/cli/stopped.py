"""Reading a stopped home: its stores, opened read-only while no daemon can start."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aslp2p.home import Home
from aslp2p.home.key import load_public_key
from aslp2p.home.names import name_is_chosen
from aslp2p.ledger.joining import read_belonging
from aslp2p.store.sqlite import SqliteStore
from aslp2p.views.commons import Followed, choose_common, common_status
from aslp2p.views.queries import QUERIES
from aslp2p.views.view import View

STORE_NAME = "store.db"


def open_store(folder: Path, *, read_only: bool = True) -> SqliteStore:
    """The store in a Common's folder."""
    return SqliteStore(folder / STORE_NAME, read_only=read_only)


class Stopped:
    """A stopped home as a `Source`; use as a context manager."""

    live = False

    def __init__(self, home: Home, common: str) -> None:
        self._home = home
        self._wanted = common
        self._own_key = load_public_key(home) if home.key.exists() else None
        self._chosen = name_is_chosen(home)
        self._stores: dict[bytes, SqliteStore] = {}
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
        store = self.store()
        return QUERIES[question](View(store, own_key=self._own_key, name_chosen=self._chosen), **params)

    def status(self) -> dict[str, Any]:
        default = self._home.default_common()
        commons = [
            common_status(store, own_key=self._own_key, name_chosen=self._chosen, default=default)
            for store in self._stores.values()
        ]
        return {"daemon": None, "commons": commons}

    def chosen(self) -> Followed:
        """The Common that the command means."""
        return choose_common(self._followed, self._wanted, self._home.default_common())

    def store(self) -> SqliteStore:
        """Its store."""
        return self._stores[self.chosen().id]

    def followed(self) -> list[Followed]:
        """All Commons of the home."""
        return list(self._followed)

    def _open(self, folder: Path) -> None:
        if not (folder / STORE_NAME).exists():
            return  # made by an `init` that did not come to its end
        store = open_store(folder)
        belonging = read_belonging(store)
        if belonging is None:
            store.close()
            return
        self._stores[belonging.common_id] = store
        self._followed.append(Followed(belonging.common_id, belonging.name))

    def close(self) -> None:
        """Closes the stores; closing twice is fine."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
