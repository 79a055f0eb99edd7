"""The invites that were made here, one list a Common: FOLDER/invites, in JSON, with nothing secret in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from aslp2p.home.files import atomic_write, read_small

INVITES_MAX = 256
"""The newest are kept; one that is not here any more can still be revoked by the invite itself."""
_BYTES_MAX = 256 * 1024


class MadeInvite(Struct, frozen=True):
    """One invite, by its id in hexadecimal digits."""

    id: str
    made_ms: int
    expires_ms: int
    uses: int
    name: str = ""
    """For whom it is, as whoever made it said."""


def load_invites(folder: Path) -> list[MadeInvite]:
    """Those that were made for the Common in `folder`, oldest first; none where the list cannot be read."""
    data = read_small(folder / "invites", _BYTES_MAX)
    try:
        return [] if data is None else msgspec.json.decode(data, type=list[MadeInvite])
    except msgspec.DecodeError:
        return []  # it helps the memory only: what counts is in the history


def keep_invite(folder: Path, made: MadeInvite) -> None:
    """Adds one, durably. Raises as `atomic_write` does."""
    kept = [*load_invites(folder)[1 - INVITES_MAX :], made]
    atomic_write(folder / "invites", msgspec.json.encode(kept) + b"\n")
