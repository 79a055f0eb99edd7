"""A peer that speaks the real protocol over a real socket, and says what it likes.

Blocking, for a thread of its own. It holds a key that was admitted, so it gets past the handshake; what it
sends after that is the attack's business.
"""

from __future__ import annotations

import os
import socket
import time
from types import TracebackType
from typing import Self

from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.types import Action, Proposal, Statement
from aslp2p.errors import LinkError
from aslp2p.gossip.messages import AnyMessage, Heads, Push, encode_message
from aslp2p.home.key import SecretKey
from aslp2p.limits import OPEN_DIGEST_BYTES, PROTOCOL_VERSION
from aslp2p.link.session import Established, MessageReceived, Network, Session

TIMEOUT_S = 30.0


class Intruder:
    """A link to the daemon at `host` and `port`, over a socket made elsewhere if need be; a context manager.

    `token` is what it shows to be let in as a guest. Entering it raises `LinkError` or OSError when it is not
    let in.
    """

    def __init__(
        self,
        port: int,
        invite: Invite,
        key: SecretKey,
        *,
        host: str = "127.0.0.1",
        token: bytes = b"",
        unconnected: socket.socket | None = None,
    ) -> None:
        self.invite = invite
        self.key = key
        self._address = (host, port)
        self._socket = unconnected or socket.socket()
        self._session = Session(
            initiator=True,
            networks=[Network(invite.common_id, invite.network_secret, token=token, name="intruder")],
            identity=key,
            static_private=os.urandom(32),
            ephemeral_private=os.urandom(32),
        )

    def __enter__(self) -> Self:
        self._socket.settimeout(TIMEOUT_S)
        try:
            self._socket.connect(self._address)
            self._flush()
            while not any(isinstance(event, Established) for event in self._receive()):
                self._flush()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def say(self, *messages: AnyMessage) -> None:
        """Raises OSError when the daemon has hung up, TimeoutError when it takes nothing any more."""
        self.say_bytes(*map(encode_message, messages))

    def say_bytes(self, *messages: bytes) -> None:
        """The same for what no encoder would make."""
        for message in messages:
            self._session.send(message)
        self._flush()

    def say_raw(self, data: bytes) -> None:
        """Bytes for the socket as they are, past the session."""
        self._socket.sendall(data)

    def introduce(self, head: bytes, height: int, epoch: int = 0) -> None:
        """Say what every node says first: where it stands."""
        self.say(Heads(PROTOCOL_VERSION, head, height, epoch, 0, bytes(OPEN_DIGEST_BYTES)))

    def sign(self, statement: Statement) -> bytes:
        return sign_statement(statement, self.key).raw

    def propose(self, *actions: Action) -> Push:
        """Proposals of these actions, properly signed."""
        now_ms = int(time.time() * 1000)
        proposals = [Proposal(self.invite.common_id, now_ms, os.urandom(8), action) for action in actions]
        return Push(tuple(map(self.sign, proposals)), ())

    def drain(self) -> list[bytes]:
        """The messages that have come; waits for none."""
        self._socket.settimeout(0)
        try:
            return self.wait()
        except BlockingIOError:
            return []
        finally:
            self._socket.settimeout(TIMEOUT_S)

    def wait(self) -> list[bytes]:
        """The messages that come next. Raises `LinkError` when the daemon hangs up."""
        return [event.data for event in self._receive() if isinstance(event, MessageReceived)]

    def discard(self, wait_s: float = 0.0) -> None:
        """Throw away what comes within so long, unopened: that costs an attacker next to nothing."""
        self._socket.settimeout(wait_s)
        try:
            while self._socket.recv(1 << 20):
                pass
        except (BlockingIOError, TimeoutError):
            return
        finally:
            self._socket.settimeout(TIMEOUT_S)
        raise LinkError("the daemon hung up")

    def _receive(self) -> list[object]:
        data = self._socket.recv(65536)
        if not data:
            raise LinkError("the daemon hung up")
        return list(self._session.receive(data))

    def _flush(self) -> None:
        self._socket.sendall(self._session.take_output())
