"""The three trees that a plan is made from, and the steps that it is made of. Paths are those of the Common
below the folder's own path: `/` between components, NFC, never empty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Like(NamedTuple):
    """What is compared: two files that are alike need no step."""

    content: str
    """The id of its content, in hexadecimal digits."""
    executable: bool


class Identity(NamedTuple):
    """What tells without reading that a file is the one that was read."""

    inode: int
    size: int
    mtime_ns: int


class Found(NamedTuple):
    """A file in the folder, as a scan found it."""

    like: Like
    identity: Identity


class Entry(NamedTuple):
    """A file in the Common, as a version has it."""

    like: Like
    size: int
    modified_ms: int
    """By its author's word; 0: not known."""


class Trees(NamedTuple):
    """All that a plan depends on."""

    base: Mapping[str, Like]
    """What the folder and the history last agreed on."""
    local: Mapping[str, Found]
    """Every file that the folder holds and that is carried."""
    remote: Mapping[str, Entry]
    """Every file of the version that is followed."""
    waiting: Collection[str] = frozenset()
    """Paths about which a proposal of this machine waits for the witness."""
    out: Mapping[str, str] = {}
    """Paths that this folder does not hold, and why: ignored, kept out, a name that it cannot hold."""
    unseen: Mapping[str, str] = {}
    """Paths, and folders with all that is below, of which nothing is known now, and why: unreadable, being
    written, a link or a device in the place of a file."""
    lacking: Collection[str] = frozenset()
    """Paths of `remote` whose bytes have not all come to this machine."""
    folders: Collection[str] = frozenset()
    """Every folder in the folder, carried or not."""


# --- steps: each names what it found, and does nothing where that has changed meanwhile ---------------------


class Adopt(NamedTuple):
    """Folder and history are alike: note it."""

    path: str
    like: Like


class Forget(NamedTuple):
    """Nothing is agreed about this path any more."""

    path: str


class SetAside(NamedTuple):
    """Rename the folder's file, which is nobody else's yet, to a name of its own."""

    path: str
    over: Found
    to: str


class Delete(NamedTuple):
    """Remove the folder's file, which the history has kept."""

    path: str
    over: Found


class Move(NamedTuple):
    """Rename the folder's file as the history has renamed it."""

    path: str
    over: Found
    to: str
    entry: Entry


class Write(NamedTuple):
    """Put the history's file into the folder, in place of `over` or where nothing is."""

    path: str
    entry: Entry
    over: Found | None


class Put(NamedTuple):
    """Propose the folder's file, over the content `expects` (empty: over nothing)."""

    path: str
    found: Found
    expects: str


class Remove(NamedTuple):
    """Propose that the content `expects` is no longer at this path."""

    path: str
    expects: str


TreeStep = Adopt | Forget | SetAside | Delete | Move | Write | Put | Remove


class Plan(NamedTuple):
    """Steps, in the order in which they are done."""

    steps: tuple[TreeStep, ...]
    said: Mapping[str, str]
    """Paths that stay as they are for now, and why."""
    out: Mapping[str, str]
    """Paths that this folder does not hold, and why."""
    removals: int
    """Files that the steps propose to remove and that are put nowhere else."""
    held: int
    """Files that the folder held when it last agreed."""
