"""Methods of the control socket for pairing by a code: the daemon carries messages that it cannot read."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from msgspec import Meta

from aslp2p.daemon.pairing import Pairings
from aslp2p.errors import UsageError
from aslp2p.home.config import KEYS
from aslp2p.limits import PAIRING_NUMBER_MAX

Number = Annotated[int, Meta(ge=1, le=PAIRING_NUMBER_MAX)]


class PairingMethods:
    """Their state is in `pairings`."""

    def __init__(self, pairings: Pairings) -> None:
        self._pairings = pairings

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        return {
            "pairing.offer": self.offer,
            "pairing.call": self.call,
            "pairing.next": self.next,
            "pairing.send": self.send,
            "pairing.close": self.close,
        }

    async def offer(self) -> dict[str, Any]:
        """Open a code; its number. It is over soon after nobody asks for its messages any more."""
        id_ = await self._pairings.offer()
        return {"pairing": id_, "number": self._pairings.get(id_).number}

    async def call(self, number: Number, peer: str = "") -> dict[str, Any]:
        """Connect to the one machine on this network that has this code open, or to `peer` (`host:port`)."""
        return {"pairing": await self._pairings.call(number, _address(peer) if peer else None)}

    async def next(self, pairing: int) -> dict[str, Any]:
        """What came from the other side; null when nothing did for a while. `over`: why nothing more will."""
        found = self._pairings.get(pairing)
        message = await found.next()
        data = None if message is None else base64.b64encode(message).decode("ascii")
        return {"message": data, "connected": found.stream is not None, "over": found.over}

    async def send(self, pairing: int, message: str) -> dict[str, Any]:
        """Carry `message` (base64) to the other side."""
        try:
            data = base64.b64decode(message, validate=True)
        except (binascii.Error, ValueError):
            raise UsageError("message is not base64") from None
        await self._pairings.get(pairing).send(data)
        return {}

    async def close(self, pairing: int) -> dict[str, Any]:
        """End it; its code is good for nothing any more."""
        self._pairings.get(pairing).end("the command was ended")
        return {}


def _address(text: str) -> tuple[str, int]:
    try:
        ((host, port),) = KEYS["peers.static"].read([text])
    except ValueError:
        raise UsageError(f"{text} is no host and port", remedy="write HOST:PORT") from None
    return str(host), int(port)
