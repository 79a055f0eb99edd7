"""Where paper is judged and signed: the running daemon, or the core itself on a stopped home's store.

Both take a bundle, endorse, and answer questions in the same words. The stopped home is held alone meanwhile,
and what its key promises is in its journal before anything is written out (S1).
"""

from __future__ import annotations

import base64
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from aslp2p.cli.progress import Progress
from aslp2p.cli.settings import Settings
from aslp2p.cli.source import home_of
from aslp2p.control.client import Client
from aslp2p.errors import NoDaemon, UserError
from aslp2p.home import Home
from aslp2p.limits import CHUNK_BYTES, NETWORK_SECRET_BYTES
from aslp2p.store.mark import STORE_NAME
from aslp2p.transfer.incoming import Checked, check_bundle
from aslp2p.transfer.offline import Offline

if TYPE_CHECKING:
    from aslp2p.core.inputs import Now


class Desk(Protocol):
    """Takes bundles, judges, signs, answers: for the one Common that a bundle is of."""

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        """The answer to one of `views.queries`."""

    def take(self, file: IO[bytes]) -> dict[str, Any]:
        """Import a bundle; the report of `incoming.taking`. Raises `UserError`; nothing has changed then."""

    def endorse(self, proposal: str) -> None:
        """Endorse the proposal with this id. Raises `UserError`."""

    def settle(self) -> bool:
        """Let everything that is due now be done; whether something to emit was held back (S10)."""


class _DaemonsDesk:
    def __init__(self, client: Client, common_id: bytes) -> None:
        self._client = client
        self._common = common_id.hex()

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.call(question, common=self._common, **params)
        return answer

    def take(self, file: IO[bytes]) -> dict[str, Any]:
        file.seek(0)
        size = os.fstat(file.fileno()).st_size
        number = self._client.call("bundle.begin", common=self._common)["bundle"]
        sent = 0
        with Progress("sending", size, bytes_=True) as progress:
            while data := file.read(CHUNK_BYTES):
                text = base64.b64encode(data).decode("ascii")
                sent = self._client.call("bundle.chunk", bundle=number, offset=sent, data=text)["size"]
                progress.step(len(data))
        report: dict[str, Any] = self._client.call("bundle.import", bundle=number)
        return report

    def endorse(self, proposal: str) -> None:
        self.ask("endorse", id=proposal)

    def settle(self) -> bool:
        """It does that by itself, in its own time."""
        return False


class _StoppedDesk:
    def __init__(self, node: Offline, folder: Path, own_key: bytes, name_chosen: bool) -> None:
        self._node = node
        self._folder = folder
        self._own_key = own_key
        self._chosen = name_chosen

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        from aslp2p.views.queries import QUERIES
        from aslp2p.views.view import View

        return self._node.query(
            lambda reader: QUERIES[question](
                View(reader, own_key=self._own_key, name_chosen=self._chosen), **params
            )
        )

    def take(self, file: IO[bytes]) -> dict[str, Any]:
        return self._node.take(file, self._folder)

    def endorse(self, proposal: str) -> None:
        from aslp2p.core.inputs import Endorse

        self._node.command(Endorse(bytes.fromhex(proposal)))

    def settle(self) -> bool:
        return self._node.settle()


@contextmanager
def kept_here(path: str, folder: Path) -> Iterator[tuple[IO[bytes], Checked]]:
    """A copy of the bundle at `path` that nobody can pull out, in a file without a name, read to its end.

    Raises `UserError` when it cannot be read, is no whole bundle, or there is no room for it.
    """
    with tempfile.TemporaryFile(dir=folder) as copy:
        try:
            with open(path, "rb") as source:
                while data := source.read(CHUNK_BYTES):
                    copy.write(data)
        except OSError as error:
            raise UserError(
                f"cannot read all of {path} ({error.strerror})", remedy="nothing has changed; try again"
            ) from None
        copy.flush()
        yield copy, check_bundle(copy)


@contextmanager
def open_desk(settings: Settings, bundle: Checked, *, follow: bool, emit: bool) -> Iterator[Desk]:
    """The desk for the Common that `bundle` is of; with `follow` it is followed from now on if it was not,
    with `emit` a stopped home emits even if others may know what it does not (S10).

    Raises `UserError` when it is not followed here.
    """
    home = home_of(settings)
    with ExitStack() as stack:
        client = _daemon_or_alone(stack, home)
        known = (home.common_folder(bundle.common_id) / STORE_NAME).exists()
        if not known:
            _follow(home, bundle, client, follow=follow)
        if client is not None:
            yield _DaemonsDesk(client, bundle.common_id)
            return
        from aslp2p.cli.stopped import open_store
        from aslp2p.home.key import load_key
        from aslp2p.home.names import name_is_chosen

        secret = load_key(home)
        folder = home.common_folder(bundle.common_id)
        store = stack.enter_context(closing(open_store(folder, read_only=False)))
        node = Offline(store, secret, entropy=os.urandom, clocks=read_clocks, emit=emit)
        yield _StoppedDesk(node, folder, secret.key, name_is_chosen(home))


def _daemon_or_alone(stack: ExitStack, home: Home) -> Client | None:
    from aslp2p.home.lock import HomeLock

    if not home.exists():
        raise UserError(f"there is no home at {home}", remedy="make one with its key: asl self")
    home.check()
    try:
        return stack.enter_context(Client.of_home(str(home)))
    except NoDaemon:
        stack.enter_context(HomeLock(home, "a command that takes paper in"))
        return None


def _follow(home: Home, bundle: Checked, client: Client | None, *, follow: bool) -> None:
    """Begin to follow the bundle's Common, by bundles alone until an invite is used."""
    from aslp2p.cli.stopped import open_new_store
    from aslp2p.home.key import create_key
    from aslp2p.home.names import name_is_chosen, own_name
    from aslp2p.ledger.joining import on_paper

    short = bundle.common_id.hex()[:12]
    if not follow:
        raise UserError(
            f"this home does not follow {short}, which the bundle is of",
            remedy="if you know that id: asl bundle import --follow; else join it with an invite",
        )
    if not home.key.exists():
        create_key(home)
    secret = os.urandom(NETWORK_SECRET_BYTES)
    called = own_name(home)
    name = short if bundle.genesis is None else bundle.genesis.statement.name
    with closing(open_new_store(home, bundle.common_id)) as store:
        chosen = name_is_chosen(home)
        writes = on_paper(bundle.common_id, secret, name, called, name_chosen=chosen, floor=bundle.floor)
        store.apply(writes)
        store.commit()
    if home.default_common() is None:
        home.set_default_common(bundle.common_id)
    if client is not None:
        client.call("common.open", id=bundle.common_id.hex())


def read_clocks() -> Now:
    from aslp2p.core.inputs import Now

    return Now(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
