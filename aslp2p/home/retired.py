"""`HOME/retired`: this home's key signs nothing here: it signs elsewhere, or is still to arrive (S11).

    moving     its file is being written; until it is known to be whole, nothing can be said of it
    moved      its file is whole: the key signs wherever that was taken in
    arriving   taken in from a file that is still there; once that is gone, this home is the only one

The file is text, one `word: value` a line. A damaged one counts: what cannot be read must not sign.
"""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from typing import NamedTuple

from aslp2p.errors import NeedsAttention, UserError
from aslp2p.home.files import atomic_write, read_small, sync_folder
from aslp2p.home.folder import Home

MOVING, MOVED, ARRIVING = "moving", "moved", "arriving"
_BYTES_MAX = 16 * 1024
_WORDS = ("state", "id", "at_ms", "file")


class Retired(NamedTuple):
    """Why a home does not sign."""

    state: str
    id: str
    """Of the move, in hexadecimal."""
    at_ms: int
    file: str
    """Where to, or where from: as it was typed, made absolute."""


class HomeRetired(NeedsAttention):
    """This home's key does not sign here; `command` finishes what made it so, where something does."""

    code = "retired"

    def __init__(self, message: str, *, remedy: str, command: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.command = command


def read_retired(home: Home) -> Retired | None:
    """Why the home does not sign, or None. Raises `UserError` when the file is damaged."""
    data = read_small(home.retired, _BYTES_MAX)
    if data is None:
        return None
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    fields = dict(line.partition(": ")[::2] for line in lines[:-1])
    known = fields.get("state") in (MOVING, MOVED, ARRIVING) and fields.get("at_ms", "").isdigit()
    if lines[-1] or tuple(fields) != _WORDS or not known:
        raise UserError(
            f"{home.retired} is damaged, so whether this home was moved away cannot be known",
            remedy="if it never was, remove that file",
        )
    return Retired(fields["state"], fields["id"], int(fields["at_ms"]), fields["file"])


def write_retired(home: Home, retired: Retired) -> None:
    """Retire the home, on disk when this returns. Raises as `atomic_write`."""
    if "\n" in retired.file:
        raise UserError("a path with a line end in it cannot be kept", remedy="name another file")
    lines = (f"{word}: {value}\n" for word, value in zip(_WORDS, retired, strict=True))
    atomic_write(home.retired, "".join(lines).encode("utf-8", "surrogateescape"))


def clear_retired(home: Home) -> None:
    """The home signs from now on. Raises `OSError`."""
    with suppress(FileNotFoundError):
        os.unlink(home.retired)
    sync_folder(home.path)


def require_active(home: Home) -> None:
    """Raises `HomeRetired`, with what to do, when the home's key does not sign here."""
    retired = read_retired(home)
    if retired is None:
        return
    if retired.state == ARRIVING:
        raise _half_way(
            f"this home was taken in from {retired.file}, which may still be there", "in", retired.file
        )
    if retired.state == MOVING:
        raise _half_way(
            f"this home was on its way to {retired.file} when something stopped it, so it signs nothing",
            "out",
            retired.file,
        )
    raise HomeRetired(
        f"this home was moved away to {retired.file}, so its key signs nothing here any more",
        remedy="start the home that took that file in (asl move in), or read here what it had",
    )


def _half_way(message: str, direction: str, file: str) -> HomeRetired:
    command = f"asl move {direction} {shlex.quote(file)}"
    return HomeRetired(message, remedy=f"finish it with: {command}", command=command)
