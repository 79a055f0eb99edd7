"""Decoding is a pure function of the bytes: the nodes of one process share its results.

A machine sends the same bytes to all its peers, and where all is quiet again and again. What comes out is
frozen, so nobody can tell. Long messages are left alone: they hardly ever come twice, and would be kept.
"""

from __future__ import annotations

from functools import lru_cache

from aslp2p.artifacts import envelope
from aslp2p.artifacts.envelope import Signed, decode_artifact
from aslp2p.artifacts.types import Statement
from aslp2p.core import intake, node
from aslp2p.gossip.messages import AnyMessage, decode_message

KEPT_MAX = 16_384
BYTES_MAX = 2_048

_message = lru_cache(KEPT_MAX)(decode_message)
_artifact = lru_cache(KEPT_MAX)(decode_artifact)


def message(data: bytes) -> AnyMessage:
    """As `decode_message`."""
    return _message(data) if len(data) <= BYTES_MAX else decode_message(data)


def artifact(raw: bytes) -> Signed[Statement]:
    """As `decode_artifact`."""
    return _artifact(raw) if len(raw) <= BYTES_MAX else decode_artifact(raw)


def share_decoding() -> None:
    """Let every node of this process decode so from now on."""
    vars(node)["decode_message"] = message
    for module in (envelope, intake):
        vars(module)["decode_artifact"] = artifact
