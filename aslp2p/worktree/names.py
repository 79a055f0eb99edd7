"""Which paths of a Common a folder of this machine holds; a history may hold more: paths are others' choice.

Some names are orders to a program that looks at the folder later. Git runs what lies in `.git/hooks`, and
takes for `.git` whatever some file system takes for it; a shell, sshd and desktops read the hidden files and
folders of a home. The first are never written; what is hidden at the top only when somebody asks for it.

Git's own rules (`verify_path` with `core.protectHFS` and `core.protectNTFS`), all of them on every system,
since a folder is copied on: letter case; code points that HFS+ ignores; `git~1`, the short name on FAT and
NTFS; trailing dots and spaces; what follows a colon, a stream of NTFS; a backslash as a slash.
"""

from __future__ import annotations

import re

RECORD = ".asl-checkout"
"""What `asl checkout` keeps in its folder; it is no file of the Common."""
TEMPORARY_PREFIX = ".asl-"

_HFS_IGNORES = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_GIT = re.compile(r"(\.git|git~1)[. ]*(:.*)?", re.IGNORECASE | re.ASCII | re.DOTALL)

GIT = "git takes it for its own folder, and runs what is in it"
HIDDEN = "a hidden folder"
HIDDEN_FILE = "a hidden file"
HARMLESS = frozenset({".aslignore", ".gitignore", ".gitattributes", ".editorconfig", ".mailmap"})
"""Hidden files that order nothing: they are read by whoever asks about this very folder."""
OURS = "aslp2p keeps its own things under such a name"


def is_git_folder(component: str) -> bool:
    """Whether git, on some file system, takes a folder of this name for `.git`."""
    if component.isascii() and "git" not in component.lower():  # as nearly all: nothing in it is ignored
        return False
    seen = _HFS_IGNORES.sub("", component)
    return any(_GIT.fullmatch(part) is not None for part in seen.split("\\"))


def is_ours(component: str) -> bool:
    """Whether a file of this name could be taken for one that aslp2p keeps for itself in a folder."""
    if component.isascii() and component[:1] != ".":
        return False
    return _HFS_IGNORES.sub("", component).lower().startswith(TEMPORARY_PREFIX)


def kept_out(path: str, *, hidden: bool) -> str | None:
    """Why the folder does not hold `path`, in words; None where it does. `hidden`: what begins with a dot
    at the top is asked for.
    """
    components = path.split("/")
    if any(map(is_git_folder, components)):
        return GIT
    if any(map(is_ours, components)):
        return OURS
    if not hidden and is_hidden(components[0]) and path not in HARMLESS:
        return HIDDEN if len(components) > 1 else HIDDEN_FILE
    return None


def is_hidden(component: str) -> bool:
    """Whether a file of this name is hidden, also where leading code points are ignored."""
    return _HFS_IGNORES.sub("", component).startswith(".")
