"""Decoding is a pure function of the bytes: the nodes of one process share its results.

A machine sends the same bytes to all its peers, and where all is quiet again and again. What comes out is
frozen, so nobody can tell. Long messages are left alone: they hardly ever come twice, and would be kept.
"""

from __future__ import annotations

from functools import lru_cache

from aslp2p.core import node
from aslp2p.gossip.messages import AnyMessage, decode_message

KEPT_MAX = 16_384
BYTES_MAX = 2_048

_remembered = lru_cache(KEPT_MAX)(decode_message)


def decode(data: bytes) -> AnyMessage:
    """As `decode_message`."""
    return _remembered(data) if len(data) <= BYTES_MAX else decode_message(data)


def share_decoding() -> None:
    """Let every node of this process decode so from now on."""
    vars(node)["decode_message"] = decode
