"""Whether a Common is announced on this network, before another one is founded by mistake.

The same question as `asl doctor` asks of the group; an answer counts that holds an announcement of ours with
at least one tag. It names nobody: not which Common it is, only where somebody is who could invite.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress

from aslp2p.cli.doctor_network import MDNS_PORT, ask_the_group, interfaces

LISTEN_S = 2.0
ASK_S = 0.7
"""An answer to a question may be held back for half a second, or have been given just before."""
_ANSWER = 0x80
"""The bit of a DNS message that says that it is no question."""
_SERVICE = b"\x07_aslp2p\x04_tcp\x05local"
_TAGS = re.compile(rb"\x03v=1.*?[^0-9a-z]t=[0-9a-f]{16}", re.DOTALL)
"""Of a TXT record (`daemon/announcement.py`): a machine that is only about to join has no tags."""


def announces_a_common(message: bytes) -> bool:
    """Whether a DNS message is an announcement of a machine that follows a Common."""
    is_answer = len(message) > 12 and message[2] & _ANSWER
    return bool(is_answer and _SERVICE in message and _TAGS.search(message))


def common_nearby(
    listen_s: float = LISTEN_S, *, addresses: list[str] | None = None, port: int = MDNS_PORT
) -> str:
    """The address of a machine that announces a Common; empty where none does, or none could be heard."""
    own = [ip for _, ip in interfaces() if ":" not in ip] if addresses is None else addresses
    until = time.monotonic() + listen_s
    while own and (left := until - time.monotonic()) > 0:
        found: list[str] = []

        def heard(message: bytes, source: str) -> bool:
            if source not in own and announces_a_common(message):
                found.append(source)  # noqa: B023 - it is called in this turn only
            return bool(found)  # noqa: B023

        with suppress(OSError):  # no multicast, or another program has the port
            ask_the_group(own, port=port, listen_s=min(left, ASK_S), stop=heard)
            if found:
                return found[0]
            continue
        return ""
    return ""
