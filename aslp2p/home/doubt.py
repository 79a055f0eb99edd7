"""`HOME/restored`: the key came from a backup or from words, so what it signed is not known here (S11).

It is on disk before the key is, and says why; every Common that the home begins to follow is marked with it.
"""

from __future__ import annotations

from aslp2p.home.files import atomic_write, read_small
from aslp2p.home.folder import Home

_BYTES_MAX = 4096
_UNREADABLE = "its key was restored, and the note that says from what is damaged"


def mark_restored(home: Home, reason: str) -> None:
    """Keep `reason`, one line, durably. Raises as `atomic_write`."""
    atomic_write(home.path / "restored", reason.encode() + b"\n")


def restored_from(home: Home) -> str:
    """Why the journal of this home's key is in doubt; empty where it is not. A damaged note counts."""
    data = read_small(home.path / "restored", _BYTES_MAX)
    if data is None:
        return ""
    return data.decode("utf-8", "replace").strip() or _UNREADABLE


def mark_offline(home: Home) -> None:
    """This home's key never goes on a network: no daemon starts in it."""
    atomic_write(home.path / "offline", b"a key for `asl endorse --offline` alone\n")


def is_offline(home: Home) -> bool:
    """Whether it was made so."""
    return (home.path / "offline").exists()
