"""Which folders of this machine follow a Common: HOME/folders, a list in JSON that the daemon writes."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from aslp2p.errors import UserError
from aslp2p.home.files import atomic_write, read_small
from aslp2p.home.folder import Home

_BYTES_MAX = 1024 * 1024


class FollowedFolder(Struct, frozen=True):
    """One folder, by its absolute path, and what it follows."""

    folder: str
    base: str
    """The id of its base: another folder under this path has another, or none."""
    common: str
    """The Common's id, in hexadecimal digits."""
    path: str = ""
    receive: bool = True
    send: bool = True
    hidden: bool = False
    paused: bool = False


def load_followed(home: Home) -> list[FollowedFolder]:
    """All of them, in the order in which they were added. Raises `UserError` when the list cannot be read."""
    data = read_small(home.path / "folders", _BYTES_MAX)
    if data is None:
        return []
    try:
        return msgspec.json.decode(data, type=list[FollowedFolder])
    except msgspec.DecodeError:
        raise UserError(
            f"{home.path / 'folders'} is damaged", remedy="remove it, and add the folders again"
        ) from None


def save_followed(home: Home, folders: list[FollowedFolder]) -> None:
    """Keeps the list, durably. Raises as `atomic_write` does."""
    atomic_write(home.path / "folders", msgspec.json.format(msgspec.json.encode(folders)) + b"\n")
