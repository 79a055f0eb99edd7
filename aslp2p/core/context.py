"""What the parts of a node share: the store, the ledger, the peers, the clock of this step and its outbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aslp2p.artifacts.envelope import Signer, Verifier
from aslp2p.core.effects import Close, Publish, Send, Step, Topic
from aslp2p.core.inputs import Now
from aslp2p.errors import AslError, NewerProtocol, PeerFault
from aslp2p.gossip.messages import AnyMessage, Refused, encode_message
from aslp2p.gossip.peer import Peer
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.joining import META_PROTOCOL
from aslp2p.ledger.reader import PutMeta, Store
from aslp2p.ledger.state import is_admitted
from aslp2p.limits import PROTOCOL_VERSION


class Context:
    """Shared by reference; every part reads and writes through it and none keeps a copy."""

    def __init__(
        self,
        store: Store,
        common_id: bytes,
        signer: Signer,
        entropy: Callable[[int], bytes],
        verifier: Verifier,
    ) -> None:
        self.store = store
        self.common_id = common_id
        self.signer = signer
        self.key = signer.key
        self.entropy = entropy
        self.verifier = verifier
        self.peers: dict[int, Peer] = {}
        self.now = Now(0, 0)
        self.learned = 0
        """Artifacts that became known here: what each peer may honestly tell us once more (G5)."""
        self.out = Step()
        self.founded = False
        """Whether genesis is here: a joiner starts without."""
        self.ledger: Ledger
        """Only of a node that is founded."""

    def open_ledger(self) -> None:
        """Read the ledger from a store that holds a genesis."""
        self.ledger = Ledger(self.store, own_key=self.key, verifier=self.verifier)
        self.founded = True

    def all_audited(self) -> bool:
        """Whether every signature on every branch was verified: then what is stored may be trusted (G4)."""
        ledger = self.ledger
        return all(ledger.audited_on(row.branch) >= row.tip_height for row in ledger.branches())

    def proven(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those of `ids` that are stored and whose signatures were verified: a copy of another is welcome."""
        return {id_ for id_, row in self.store.artifact_rows(ids).items() if row.audited}

    def is_member(self, key: bytes) -> bool:
        """Whether `key` is admitted at the head."""
        return self.founded and is_admitted(self.ledger.head.members, key)

    def is_guest(self, key: bytes) -> bool:
        """Whether `key` is no member at our head, and this node is one: it gets nothing, and its word counts
        for nothing."""
        return self.is_member(self.key) and not self.is_member(key)

    def told(self) -> list[Peer]:
        """The peers that are told what is new: no guest is."""
        return [peer for peer in self.peers.values() if not self.is_guest(peer.key)]

    def serves(self, key: bytes) -> bool:
        """Whether `key` may have history, contents and addresses from us: members give them to members."""
        return self.is_member(self.key) and self.is_member(key)

    def name_of(self, key: bytes) -> str:
        member = self.ledger.head.members.get(key) if self.founded else None
        return member.name if member else key.hex()[:8]

    def draw(self, below: int) -> int:
        """A number in 0..below-1 from this node's entropy."""
        return int.from_bytes(self.entropy(8), "big") % below

    # --- outbox -----------------------------------------------------------------------------------

    def send(self, link: int, message: AnyMessage) -> None:
        self.out.effects.append(Send(link, encode_message(message)))

    def close(self, link: int, reason: str, *, blame: bool) -> None:
        """End a link; nothing more goes to it."""
        if self.peers.pop(link, None) is not None:
            self.out.effects.append(Close(link, reason, blame))

    def fault(self, link: int, reason: str, error: AslError) -> None:
        """End the link of a peer whose bytes gave this error: with blame, unless only a later version would
        understand them."""
        newer = isinstance(error, PeerFault) and error.newer
        self.close(link, reason, blame=not newer)
        if newer:
            self.publish("notice", code="update", text=error.message)
        if isinstance(error, NewerProtocol) and error.decided:
            self.must_last()
            self.store.apply([PutMeta(META_PROTOCOL, b"%d" % error.protocol)])

    def outdated(self) -> str | None:
        """Why this version follows the Common no further (A4): its policy speaks a later protocol. A later
        version that does so finds nothing in its way."""
        protocol = int(self.store.meta(META_PROTOCOL) or b"0")
        return NewerProtocol(protocol).reason if protocol > PROTOCOL_VERSION else None

    def refuse(self, link: int, code: str, text: str) -> None:
        """Close without blame, telling the other side's person why."""
        self.send(link, Refused(code, text))
        self.peers.pop(link, None)
        self.out.effects.append(Close(link, text, False))

    def must_last(self) -> None:
        """What this step writes is on disk before anything of it leaves."""
        self.out.durable = True

    def publish(self, topic: Topic, **data: Any) -> None:
        self.out.effects.append(Publish(topic, data))
