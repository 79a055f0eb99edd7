"""Messages about who holds what, good and bad (docs/gossip.md)."""

from __future__ import annotations

from typing import Any

from aslp2p.artifacts.canonical import encode
from aslp2p.gossip.messages import AskHolding, Holding, encode_message
from aslp2p.limits import HOLDING_IDS_MAX, UINT_MAX

FIRST, SECOND = bytes(range(32)), bytes([255] * 32)


def valid() -> dict[str, AskHolding | Holding]:
    """By name."""
    return {
        "one content": AskHolding(0, (FIRST,)),
        "two contents, in any order and the same twice": AskHolding(7, (SECOND, FIRST, SECOND)),
        "as many as there may be": AskHolding(UINT_MAX, (FIRST,) * HOLDING_IDS_MAX),
        "each state": Holding(7, bytes([0, 1, 2, 3, 4])),
        "a state that is read as 0": Holding(7, bytes([255])),
        "no states: of another length than what was asked, so a fault once it is known": Holding(7, b""),
    }


def invalid() -> dict[str, Any]:
    """Arrays that are no such message."""
    return {
        "about nothing": [15, 0, []],
        "more than there may be": [15, 0, [FIRST] * (HOLDING_IDS_MAX + 1)],
        "an id of 31 bytes": [15, 0, [FIRST[:31]]],
        "no request": [15, [FIRST]],
        "a field too many": [15, 0, [FIRST], None],
        "a request below 0": [15, -1, [FIRST]],
        "a request of 2^53": [15, UINT_MAX + 1, [FIRST]],
        "states as an array": [16, 0, [2]],
        "more states than ids may be asked about": [16, 0, bytes(HOLDING_IDS_MAX + 1)],
        "an answer to nothing": [16, b"\2"],
    }


def messages() -> dict[str, Any]:
    """What `messages.json` holds."""
    good = [
        {
            "name": name,
            "message": encode_message(one).hex(),
            "kind": 15 if isinstance(one, AskHolding) else 16,
            "request": one.request,
            **(
                {"ids": [id_.hex() for id_ in one.ids]}
                if isinstance(one, AskHolding)
                else {"states": list(one.states)}
            ),
        }
        for name, one in valid().items()
    ]
    bad = [{"name": name, "message": encode(value).hex()} for name, value in invalid().items()]
    return {"valid": good, "invalid": bad}
