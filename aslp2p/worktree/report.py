"""Which ways a sync goes, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Ways:
    """Which ways changes go, and what is not asked about."""

    receive: bool = True
    send: bool = True
    remove: bool = True
    """Removals go out too."""
    approved: bool = False
    """Any number of removals is meant."""


@dataclass
class Report:
    """What came of a sync."""

    height: int = 0
    written: int = 0
    removed_here: int = 0
    put: int = 0
    removed_there: int = 0
    set_aside: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    """Conflict files whose original is there too, in the folder or the history."""
    unchanged: int = 0
    said: dict[str, str] = field(default_factory=dict)
    """Paths that stay as they are, and why."""
    out: dict[str, str] = field(default_factory=dict)
    """Paths that the folder does not hold, and why; ignored ones are not told."""
    braked: int = 0
    """Removals that want to be approved."""
    unportable: dict[str, str] = field(default_factory=dict)
    """Paths that were put although some systems cannot hold them, and why."""
    held: int = 0
    again: bool = False
    """Something could not be done now, and may be later."""
    lacking: bool = False
    """Bytes of something have not all come to this machine."""
    waits: bool = False
    """Something that was proposed waits for the witness."""
