"""Names that not every system can hold. A Common is for all of its members: who puts such a name is told, and
a folder whose file system cannot hold one keeps it out, with the reason.

Windows' rules for names, which its file systems and FAT follow on every system: reserved names, also with a
suffix; characters that mean something in a path there; trailing dots and spaces, which are dropped without a
word. And names that differ in nothing but case are one name on most desktops.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from aslp2p.worktree.aside import ancestors

_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])[ ]*(\..*)?", re.IGNORECASE | re.DOTALL)
_CHARACTERS = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_ELSEWHERE = "some systems cannot hold this name"


class Traits(NamedTuple):
    """What a folder's file system does with names."""

    folds: bool = False
    """It takes upper and lower case for one."""
    drops: bool = False
    """It drops dots and spaces at the end of a name."""
    refuses: bool = False
    """It refuses the characters that Windows refuses."""
    name_bytes_max: int = 255
    keeps_bits: bool = True
    """A file's executable bit is what it was set to; on FAT it says nothing."""


def folded(path: str) -> str:
    """What names that differ in case alone have in common."""
    return unicodedata.normalize("NFC", path.casefold())


def unportable(path: str) -> str | None:
    """Why some system cannot hold `path`; None where all can."""
    for name in path.split("/"):
        if (why := _why(name)) is not None:
            return f"{_ELSEWHERE}: {why}"
    return None


def cannot_hold(path: str, traits: Traits) -> str | None:
    """Why a folder with such `traits` cannot hold `path`; None where it can."""
    for name in path.split("/"):
        if traits.drops and name[-1:] in (".", " "):
            return "this file system drops the end of its name"
        if traits.refuses and _CHARACTERS.search(name):
            return "this file system refuses a character in its name"
        if len(name.encode()) > traits.name_bytes_max:
            return f"names have at most {traits.name_bytes_max} bytes on this file system"
    return None


class SameNames:
    """Paths, one by one, and which of them are others but for case."""

    def __init__(self) -> None:
        self._taken: dict[str, str] = {}

    def of(self, path: str) -> str | None:
        """Why `path`, or a folder that it is in, is another's twin (None: it is not); takes note of it."""
        for one in (path, *ancestors(path)):
            first = self._taken.setdefault(folded(one), one)
            if first != one:
                return f"{_ELSEWHERE}: it differs from {first} in nothing but case"
        return None


def _why(name: str) -> str | None:
    if _RESERVED.fullmatch(name):
        return f"{name} is reserved on Windows"
    if _CHARACTERS.search(name):
        return f"a character in {name} is not allowed on Windows"
    if name[-1:] in (".", " "):
        return f"{name!r} ends with a dot or a space"
    return None
