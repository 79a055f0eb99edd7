"""An authority's key in the wrong hands, on a LAN: it links with everybody and tells each what it likes.

It speaks the real protocol over real links from the machine whose key it holds, and knows all that it told
or heard: it judges with a ledger of its own, in which all its histories stand side by side. What it cannot do
is sign for others. Nothing of it runs by itself: it hears when `listen` is called.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import Signed, Verified, decode_artifact, sign_statement, verify_signature
from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.types import (
    Beacon,
    Cosignature,
    Endorsement,
    Proposal,
    Put,
    Snapshot,
    Statement,
    Succession,
)
from aslp2p.errors import AslError
from aslp2p.gossip.messages import Content, GetContent, GetRange, Push, Range, decode_message
from aslp2p.home import Home
from aslp2p.home.key import load_key
from aslp2p.ledger.gate import Tip
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.reader import PutContent
from aslp2p.store.sqlite import SqliteStore
from tests.hostile.intruder import Intruder
from tests.lan.machines import Machine
from tests.lan.rig import Host

CLONE_NEWNET = 0x40000000


def socket_on(host: Host) -> socket.socket:
    """A TCP socket that stands on `host`, for this process."""
    made: list[socket.socket] = []

    def make() -> None:  # in a thread of its own, for the namespace is the thread's
        descriptor = os.open(f"/run/netns/{host.netns}", os.O_RDONLY)
        try:
            assert ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) == 0
            made.append(socket.socket())
        finally:
            os.close(descriptor)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


class Liar:
    """`machine`'s key, its daemon stopped, linked with all `others`; a context manager."""

    def __init__(self, machine: Machine, others: Sequence[Machine], invite: str) -> None:
        assert machine.process is None
        home = Home(machine.home)
        self._invite = Invite.parse(invite)
        self._store = SqliteStore(home.common_folder(self._invite.common_id) / "store.db")
        self._links: dict[str, Intruder] = {}
        self._beacons = 0
        self._stack = contextlib.ExitStack()
        self.machine = machine
        self.others = others
        self.key = load_key(home)
        self.ledger = Ledger(self._store)
        self.heard: dict[bytes, Verified[Statement]] = {}

    def __enter__(self) -> Self:
        self._stack.callback(self._store.close)
        try:
            for other in self.others:
                link = Intruder(
                    other.port,
                    self._invite,
                    self.key,
                    host=other.host.ip,
                    unconnected=socket_on(self.machine.host),
                )
                self._links[other.name] = self._stack.enter_context(link)
                head = self.ledger.head
                link.introduce(head.id, head.height, head.standing.epoch)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # --- hearing ----------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take what has come: paper is remembered, contents are kept and handed out."""
        for name, link in list(self._links.items()):
            try:
                for data in link.drain():
                    self._take(link, data)
            except (AslError, OSError):
                del self._links[name]  # it hung up on us

    def _take(self, link: Intruder, data: bytes) -> None:
        message = decode_message(data)
        if isinstance(message, GetContent):
            found = [self._store.content(id_) for id_ in message.ids]
            link.say(Content(tuple(data for data in found if data is not None)))
        if isinstance(message, GetRange):
            link.say(Range(message.request, 0, (), ()))  # it shows nothing of what it claims
        if not isinstance(message, Push):
            return
        self._store.apply([PutContent(content_id(data), data) for data in message.contents])
        for raw in message.artifacts:
            one = verify_signature(decode_artifact(raw))
            self.heard[one.id] = one

    def proposal_of(self, path: str) -> Verified[Proposal] | None:
        """The put of `path` that somebody has proposed, once it was heard."""
        self.listen()
        for one in self.heard.values():
            if isinstance(one.statement, Proposal):
                action = one.statement.action
                if isinstance(action, Put) and action.path == path:
                    return one  # type: ignore[return-value]
        return None

    def proposals(self, kind: type[Succession]) -> list[Verified[Proposal]]:
        """Every proposal of a succession of this kind that was heard, in order."""
        self.listen()
        return [
            one  # type: ignore[misc]
            for one in self.heard.values()
            if isinstance(one.statement, Proposal) and isinstance(one.statement.action, kind)
        ]

    def linked(self) -> set[str]:
        """Who has not hung up on it."""
        self.listen()
        return set(self._links)

    # --- lying ------------------------------------------------------------------------------------

    def tell(self, targets: Iterable[Machine], *signed: Signed[Statement]) -> None:
        """Push these, with the contents that they name, to those of `targets` that have not hung up."""
        contents = []
        for one in signed:
            action = one.statement.action if isinstance(one.statement, Proposal) else None
            if isinstance(action, Put):
                contents.append(self._store.content(action.content) or b"")
        for target in targets:
            if (link := self._links.get(target.name)) is not None:
                with contextlib.suppress(OSError):
                    link.say(Push(tuple(one.raw for one in signed), tuple(contents)))

    def put(self, path: str) -> Verified[Proposal]:
        """A proposal of its own."""
        data = os.urandom(20)
        self._store.apply([PutContent(content_id(data), data)])
        return self.propose(Put(path, content_id(data), len(data), "", False, 0, None))

    def propose(self, action: Put | Succession) -> Verified[Proposal]:
        now_ms = int(time.time() * 1000)
        return sign_statement(Proposal(self._invite.common_id, now_ms, os.urandom(8), action), self.key)

    def emit(
        self,
        parent: Tip,
        *listed: Verified[Proposal],
        epoch: int | None = None,
        certificate: tuple[bytes, ...] | None = None,
        heed: bool = True,
    ) -> Verified[Snapshot]:
        """A snapshot on any parent. It stands in this liar's own ledger then, unless that is not to `heed` it
        because no ledger takes it."""
        frontier, _ = parent.frontier.extend([one.id for one in listed])
        statement = Snapshot(
            common_id=self._invite.common_id,
            height=parent.height + 1,
            previous=parent.id,
            epoch=parent.standing.next_epoch if epoch is None else epoch,
            created_ms=int(time.time() * 1000),
            proposals=tuple(one.id for one in listed),
            log_size=frontier.size,
            log_root=frontier.root(),
            certificate=certificate,
            settlement=None,
        )
        snapshot = sign_statement(statement, self.key)
        if heed:
            self.ledger.accept(snapshot, listed)
        return snapshot

    def invent(self, height: int) -> Verified[Snapshot]:
        """A snapshot on a parent that does not exist."""
        statement = Snapshot(
            common_id=self._invite.common_id,
            height=height,
            previous=os.urandom(32),
            epoch=self.ledger.head.standing.next_epoch,
            created_ms=int(time.time() * 1000),
            proposals=(os.urandom(32),),
            log_size=height,
            log_root=os.urandom(32),
            certificate=None,
            settlement=None,
        )
        return sign_statement(statement, self.key)

    def tip_of(self, snapshot: Verified[Snapshot]) -> Tip:
        """What a snapshot of its own ledger is as a parent."""
        row = self._store.snapshot(snapshot.id)
        assert row is not None
        return self.ledger.tip_at(row.branch, row.height)

    def key_of(self, name: str) -> bytes:
        """The key of a member, by the name that the history has for it."""
        return next(key for key, one in self.ledger.head.members.items() if one.name == name)

    def cosign(self, snapshot: Verified[Snapshot]) -> Verified[Cosignature]:
        at = snapshot.statement
        statement = Cosignature(self._invite.common_id, at.epoch, at.height, snapshot.id, at.created_ms)
        return sign_statement(statement, self.key)

    def endorse(self, proposal: Verified[Proposal]) -> Verified[Endorsement]:
        epoch = getattr(proposal.statement.action, "epoch", 0)
        now_ms = int(time.time() * 1000)
        return sign_statement(Endorsement(self._invite.common_id, proposal.id, epoch, now_ms), self.key)

    def beacon(self, tip: Tip) -> Verified[Beacon]:
        """A sign of life, its counter far above any before."""
        self._beacons += 1
        counter = 10**9 + self._beacons
        statement = Beacon(self._invite.common_id, tip.standing.next_epoch, tip.height, tip.id, counter)
        return sign_statement(statement, self.key)
