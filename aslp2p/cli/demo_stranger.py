"""A stranger with a stolen invite, who invents `common@999` and sends it to a daemon over a real link."""

from __future__ import annotations

import os
import socket

from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.types import Snapshot
from aslp2p.gossip.messages import Push, Refused, decode_message, encode_message
from aslp2p.home import Home
from aslp2p.home.key import create_key
from aslp2p.link.session import Established, Network, Session

INVENTED = 999
_TIMEOUT_S = 30.0


def send_invented(
    invite: Invite, home: Home, port: int, *, after: bytes, epoch: int
) -> tuple[str, list[str]]:
    """Link with the daemon at `port` and push an invented snapshot that claims to stand on `after`.

    Returns the snapshot's id and what the daemon gave as its reasons, once it has hung up. Raises `OSError`
    (also when it does not hang up) and `LinkError`.
    """
    home.create()
    secret = create_key(home)
    statement = Snapshot(
        common_id=invite.common_id,
        height=INVENTED,
        previous=after,
        epoch=epoch,
        created_ms=0,
        proposals=(),
        log_size=0,
        log_root=bytes(32),
        certificate=None,
        settlement=None,
    )
    snapshot = sign_statement(statement, secret)
    session = Session(
        initiator=True,
        networks=[Network(invite.common_id, invite.network_secret, invite.shown_by(secret.key), "stranger")],
        identity=secret,
        static_private=os.urandom(32),
        ephemeral_private=os.urandom(32),
    )
    reasons: list[str] = []
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        connection.sendall(session.take_output())
        while data := _received(connection):
            events = session.receive(data)
            for event in events:
                if isinstance(event, Established):
                    session.send(encode_message(Push((snapshot.raw,), ())))
                elif isinstance(message := decode_message(event.data), Refused):
                    reasons.append(message.text)
            if output := session.take_output():
                connection.sendall(output)
    return snapshot.id.hex(), reasons


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""
