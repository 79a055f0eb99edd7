"""What its person is to be told: HOME/notices, a list in JSON that the daemon writes.

Each notice is told once on each way, also across restarts, and stays until a person has seen it.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from aslp2p.errors import UserError
from aslp2p.home.files import atomic_write, read_small
from aslp2p.home.folder import Home
from aslp2p.limits import NOTICES_BYTES_MAX


class Notice(Struct, frozen=True):
    """One thing to tell a person. `key` names the occasion: what has the same key is the same notice."""

    key: str
    kind: str
    common: str
    """The Common's name; empty where it is about the machine."""
    text: str
    remedy: str
    """What to type; may be empty."""
    urgent: bool = False


class KeptNotice(Struct):
    """A notice, since when it is there, and what has become of it."""

    notice: Notice
    at_ms: int
    told: list[str] = []
    """The ways on which it was told."""
    seen: bool = False
    over: bool = False
    """The occasion has passed."""


def load_notices(home: Home) -> list[KeptNotice] | None:
    """All that are kept, oldest first; None where nothing was ever kept.

    Raises `UserError` when the file cannot be read.
    """
    path = home.path / "notices"
    data = read_small(path, NOTICES_BYTES_MAX)
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=list[KeptNotice])
    except msgspec.DecodeError:
        raise UserError(f"{path} is damaged", remedy="remove it: what is still so is told again") from None


def save_notices(home: Home, notices: list[KeptNotice]) -> None:
    """Keeps them, durably. Raises as `atomic_write` does."""
    atomic_write(home.path / "notices", msgspec.json.encode(notices) + b"\n")
