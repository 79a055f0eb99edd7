"""One link between two nodes, first byte to last (G2): Noise XXpsk0, a proof each way, then messages.

         initiator                                responder
    1.   psk, e              ---- 48 bytes --->   tries the secret of each of its networks
    2.                       <--- 96 bytes ----   e, ee, s, es
    3.   s, se               ---- 64 bytes --->
    4.   proof               ---------------->    verifies it, and only then shows its own key
    5.   verifies it         <----------------    proof
         established                              established

1. A responder none of whose secrets fits answers nothing: the session ends in `LinkError` without a byte to
   send. The first message carries an encrypted empty payload, so only who knows the secret can make one.
2. A recorded first message can be sent again. The answer then is a fresh ephemeral key and bytes encrypted
   under a key that takes the recorded ephemeral's private key *and* the network secret to derive: to the
   replayer they are random, and no third message of its own will verify. It learns that a node of that
   Common is there, as the recording told it already, and it costs us one handshake.
3. The Common's id is in the prologue, so two networks with one secret are still two, and in what the proofs
   sign.
4. Nothing is delivered, and nothing can be sent, before the peer's proof has verified. Whether that key is
   admitted, and whether the token is live, is the caller's to decide on `Established`; messages may follow
   it in the same list. The name is what the peer calls itself (P6), the token what anybody who holds the
   secret may show.
5. A session that raised is dead: what it had to send is dropped, and so are the events of the call that
   raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from nacl.bindings import crypto_scalarmult_base

from aslp2p.artifacts.envelope import Signer
from aslp2p.errors import InvariantBroken, LinkError, SelfLink
from aslp2p.limits import (
    ID_BYTES,
    KEY_BYTES,
    LINK_FRAME_BYTES_MAX,
    LINK_NETWORKS_MAX,
    LINK_PROOF_BYTES_MAX,
    LINK_TAG_BYTES,
    NETWORK_SECRET_BYTES,
)
from aslp2p.link.frames import TALK, FrameCipher, FrameCutter, RecordReader, RecordWriter, frame
from aslp2p.link.key_proof import PROTOCOL, check_claims, make_proof, read_proof
from aslp2p.link.noise import HandshakeState

PATTERN = "XXpsk0"


@dataclass(frozen=True, slots=True)
class Network:
    """A Common that may be spoken about on a link: its id, and the secret that its members share.

    `token` (at most 512 bytes) and `name` (at most 64 in UTF-8) are what we say to whoever knows the secret.
    """

    id: bytes
    psk: bytes
    token: bytes = field(default=b"", compare=False, repr=False)
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Established:
    """The peer knows the network's secret and holds `peer_key`; its token and its name are claims."""

    network: Network
    peer_key: bytes
    peer_token: bytes
    peer_name: str


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """One whole message, as the peer sent it."""

    data: bytes


Event = Established | MessageReceived


class _Phase(Enum):
    FIRST = auto()
    SECOND = auto()
    THIRD = auto()
    PROOF = auto()
    OPEN = auto()
    DEAD = auto()


_FRAME_BYTES = {
    _Phase.FIRST: (48, 48),
    _Phase.SECOND: (96, 96),
    _Phase.THIRD: (64, 64),
    _Phase.PROOF: (1 + LINK_TAG_BYTES, LINK_PROOF_BYTES_MAX + LINK_TAG_BYTES),
    _Phase.OPEN: (1 + LINK_TAG_BYTES, LINK_FRAME_BYTES_MAX),
}
"""The least and the most that the peer's next frame may hold, so an unproven peer makes us keep little."""


class Session:
    """The state machine of one link. Give it what arrives, send what `take_output` returns.

    `static_private` is the X25519 key of this process, `ephemeral_private` one made for this session alone.
    An initiator names the one network it wants, a responder all that it follows (at most
    `LINK_NETWORKS_MAX`). Either end may hold an invite: whoever joins is also dialled, by members who heard
    its announcement. Raises `InvariantBroken` for arguments out of these bounds.
    """

    def __init__(
        self,
        *,
        initiator: bool,
        networks: Sequence[Network],
        identity: Signer,
        static_private: bytes,
        ephemeral_private: bytes,
    ) -> None:
        if not 0 < len(networks) <= (1 if initiator else LINK_NETWORKS_MAX):
            raise InvariantBroken(f"a link over {len(networks)} networks")
        if any((len(one.id), len(one.psk)) != (ID_BYTES, NETWORK_SECRET_BYTES) for one in networks):
            raise InvariantBroken("a network's id and its secret have 32 bytes each")
        if len(static_private) != KEY_BYTES or len(ephemeral_private) != KEY_BYTES:
            raise InvariantBroken("an X25519 private key has 32 bytes")
        for one in networks:
            check_claims(one.token, one.name)
        self._initiator = initiator
        self._networks = tuple(networks)
        self._identity = identity
        self._static = static_private
        self._ephemeral = ephemeral_private
        self._cutter = FrameCutter()
        self._reader = RecordReader()
        self._output: list[bytes] = []
        self._phase = _Phase.FIRST
        if initiator:
            self._network = self._networks[0]
            self._handshake = self._start(self._network)
            self._output.append(frame(self._handshake.write_message()))
            self._phase = _Phase.SECOND

    def receive(self, data: bytes) -> list[Event]:
        """What the peer's next bytes bring, in order; raises `LinkError`, after which the session is dead."""
        if self._phase is _Phase.DEAD:
            raise LinkError("the link has failed before")
        events: list[Event] = []
        phase: _Phase = self._phase
        self._phase = _Phase.DEAD  # whatever raises below leaves it so
        self._cutter.feed(data)
        while (body := self._cutter.next(*_FRAME_BYTES[phase])) is not None:
            if phase is _Phase.OPEN:
                events += map(MessageReceived, self._reader.read(self._incoming.open(body)))
            elif phase is _Phase.PROOF:
                events.append(self._read_proof(body))
                phase = _Phase.OPEN
            else:
                phase = self._read_handshake(phase, body)
        self._phase = phase
        return events

    def send(self, message: bytes | bytearray, lane: int = TALK) -> None:
        """Queues one message of 1 to `MESSAGE_BYTES_MAX` bytes; all talk that `take_output` finds shares
        frames, and goes before bulk.

        Raises `InvariantBroken` before `Established` or out of bounds, `LinkError` when the session is dead.
        """
        if self._phase is _Phase.DEAD:
            raise LinkError("the link has failed before")
        if self._phase is not _Phase.OPEN:
            raise InvariantBroken("a message for a link that is not established")
        self._writer.write(message, lane)

    @property
    def has_bulk(self) -> bool:
        """Whether there is bulk that `take_output` has not given yet."""
        return self._phase is _Phase.OPEN and self._writer.has_bulk

    def take_output(self, bulk_bytes_max: int | None = None) -> bytes:
        """The bytes to put on the wire now (b"" if there are none), of bulk about so many (None: all)."""
        if self._phase is _Phase.DEAD:
            return b""
        if self._phase is _Phase.OPEN:
            self._output.append(self._writer.take(bulk_bytes_max))
        output = b"".join(self._output)
        self._output.clear()
        return output

    def _start(self, network: Network) -> HandshakeState:
        return HandshakeState(
            PATTERN,
            initiator=self._initiator,
            prologue=PROTOCOL.encode() + network.id,
            ephemeral=self._ephemeral,
            static=self._static,
            psks=(network.psk,),
        )

    def _read_handshake(self, phase: _Phase, body: bytes) -> _Phase:
        """Reads handshake message 1, 2 or 3, answers it, and returns the phase that follows."""
        if phase is _Phase.FIRST:
            self._handshake = self._recognize(body)
            self._output.append(frame(self._handshake.write_message()))
            return _Phase.THIRD
        self._handshake.read_message(body)
        if phase is _Phase.SECOND:
            self._output.append(frame(self._handshake.write_message()))
        outgoing, incoming = self._handshake.split()
        self._outgoing, self._incoming = FrameCipher(outgoing), FrameCipher(incoming)
        self._writer = RecordWriter(self._outgoing)
        if self._initiator:
            self._prove()
        return _Phase.PROOF

    def _recognize(self, first: bytes) -> HandshakeState:
        """The handshake in the network whose secret made message 1; raises `LinkError` if none did."""
        for network in self._networks:
            handshake = self._start(network)
            try:
                handshake.read_message(first)
            except LinkError:
                continue
            self._network = network
            return handshake
        raise LinkError("a first message under no secret of ours")

    def _prove(self) -> None:
        proof = make_proof(
            self._identity,
            self._handshake.handshake_hash,
            self._network.id,
            by_initiator=self._initiator,
            token=self._network.token,
            name=self._network.name,
        )
        self._output.append(frame(self._outgoing.seal(proof)))

    @property
    def peer_process(self) -> bytes:
        """The X25519 key of the process at the other end; empty before it is known."""
        return self._handshake.remote_static or b""

    def _read_proof(self, body: bytes) -> Established:
        proof = read_proof(
            self._incoming.open(body),
            self._handshake.handshake_hash,
            self._network.id,
            by_initiator=not self._initiator,
        )
        if not self._initiator:
            self._prove()
        if proof.key == self._identity.key:
            ours = crypto_scalarmult_base(self._static)
            raise SelfLink(same_process=self._handshake.remote_static == ours, answer=b"".join(self._output))
        return Established(self._network, proof.key, proof.token, proof.name)
