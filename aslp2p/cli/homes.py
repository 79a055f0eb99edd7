"""What the commands share that make a home or bring a Common into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from aslp2p.control.client import Client
from aslp2p.errors import NoDaemon, UsageError, UserError
from aslp2p.home import Home

if TYPE_CHECKING:
    from aslp2p.store.sqlite import SqliteStore
    from aslp2p.views.commons import Followed


def require_own_name(name: str | None) -> None:
    """Raises `UsageError` where a person's name for this machine is none."""
    from aslp2p.artifacts.text import WORDS_OF_OURS, name_problem

    if name is not None and name.lower() in WORDS_OF_OURS:
        raise UsageError(
            f"asl itself says {name!r} in the place of a name",
            remedy=f"choose another, such as --name {_other()}",
        )
    if name is not None and (problem := name_problem(name)):
        raise UsageError(
            f"this machine cannot be called that: it is {problem}", remedy="choose another --name"
        )


def _other() -> str:
    """A name that would do: the host's."""
    from socket import gethostname

    from aslp2p.home.names import name_from_host

    return name_from_host(gethostname())


def prepared(stack: ExitStack, home: Home, holder: str) -> Client | None:
    """The home made, with a key; the running daemon, or without one the home to ourselves meanwhile."""
    from aslp2p.home.key import create_key
    from aslp2p.home.lock import HomeLock

    home.create()
    daemon: Client | None = None
    try:
        daemon = stack.enter_context(Client.of_home(str(home)))
    except NoDaemon:
        stack.enter_context(HomeLock(home, holder))
    if not home.key.exists():
        require_new(home)
        create_key(home)
    return daemon


def require_new(home: Home) -> None:
    """A home that follows Commons had a key, as which they know it; another one would not be let in."""
    if home.commons():
        raise UserError(
            f"the key of this home, {home.key}, is lost",
            remedy="put it back from a backup, or begin anew with another --home",
        )


def followed_here(home: Home, daemon: Client | None) -> list[Followed]:
    from aslp2p.cli.stopped import Stopped
    from aslp2p.views.commons import Followed

    if daemon is not None:
        return [Followed(bytes.fromhex(one["id"]), one["name"]) for one in daemon.call("commons")["commons"]]
    with Stopped(home, "") as stopped:
        return stopped.followed()


@contextmanager
def common_store(home: Home, common_id: bytes) -> Iterator[SqliteStore]:
    """The writable store in a Common's folder; both are made if they are missing."""
    from aslp2p.cli.stopped import open_new_store

    with closing(open_new_store(home, common_id)) as store:
        yield store


def require_outside(store: SqliteStore, key: bytes, name: str) -> None:
    """Raises `UserError` if `key` is a member already as far as is known here."""
    from aslp2p.ledger.history import META_HEAD
    from aslp2p.ledger.state import ADMITTED
    from aslp2p.views.view import View

    if store.meta(META_HEAD) is None:
        return
    member = View(store).member(key)
    if member is not None and member.status == ADMITTED:
        raise UserError(f"this machine is in {name} already", remedy="start it with `asl up`")
