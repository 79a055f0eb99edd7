"""The table: every kind of condition, in the order in which `asl status` shows them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple


class Severity(IntEnum):
    """How bad it is."""

    NOTE = 0
    """Good to know."""
    WARNING = 1
    """A person should look at it."""
    CRITICAL = 2
    """Something does not work: nothing is written, signed or served."""


class Kind(NamedTuple):
    """What all conditions of one code share."""

    severity: Severity
    asks: bool = False
    """Whether a person has to decide something: `asl status` ends with 4."""
    label: str = "Note"
    """How its line in `asl status` begins; one that asks begins with `Attention`."""
    after_s: int = 0
    """How long it has to hold before it is shown."""
    under: tuple[str, ...] = ()
    """The kinds that explain it: while one of them holds, whatever its age, this one is not shown."""
    notice: str = ""
    """As what its person is called, if they are."""
    listed: bool = True
    """Whether `asl status` has a line for it; else only `doctor` and scripts have."""


_NOTE, _WARNING, _CRITICAL = Severity
_ALONE = ("no-network", "nobody-linked")
_OUT = ("no-network", "out", "refused")

KINDS: dict[str, Kind] = {
    # This machine.
    "no-daemon": Kind(_CRITICAL, label="Daemon"),
    "moved-away": Kind(_CRITICAL, label="Retired"),
    "unseen": Kind(_NOTE, label="Notices"),
    "no-network": Kind(_WARNING, label="Network", after_s=10),
    "disk-low": Kind(_WARNING, label="Disk"),
    "clock-off": Kind(_WARNING, label="Clock"),
    # One Common: what does not work.
    "unreadable": Kind(_CRITICAL, asks=True),
    "stopped": Kind(_CRITICAL, asks=True, notice="frozen"),
    "newer": Kind(_WARNING, asks=True),
    "damaged": Kind(_WARNING, asks=True),
    "copied-key": Kind(_WARNING, asks=True),
    "copied-member": Kind(_WARNING, asks=True),
    "two-finals": Kind(_CRITICAL, asks=True, notice="frozen"),
    "refused": Kind(_WARNING, asks=True),
    # What waits for a decision.
    "endorse": Kind(_WARNING, asks=True, notice="endorsement"),
    "key-marked": Kind(_CRITICAL, asks=True, notice="key-marked"),
    "key-idle": Kind(_WARNING, asks=True, notice="key-marked"),
    "two-histories": Kind(_WARNING, asks=True, notice="conflict"),
    "dead-authority": Kind(_WARNING, asks=True),
    "read-only": Kind(_CRITICAL, asks=True),
    "emptied": Kind(_WARNING, asks=True),
    "out": Kind(_CRITICAL, asks=True),
    # Health.
    "too-few-signers": Kind(_CRITICAL, label="Signers"),
    "last-signers": Kind(_WARNING, label="Signers", under=("dead-authority",)),
    "silent": Kind(_WARNING, label="Silence", under=("no-network", "out", "witness-full")),
    "silent-half": Kind(_WARNING, label="Silence", under=("out",), notice="silence-half"),
    "silent-end": Kind(_WARNING, label="Silence", under=("out",), notice="silence-end"),
    "witness-full": Kind(_WARNING, label="Witness", under=_OUT),
    "witness-away": Kind(_WARNING, label="Silence", after_s=60, under=(*_ALONE, *_OUT)),
    "nobody-linked": Kind(_WARNING, label="Alone", after_s=60, under=_OUT),
    "joining": Kind(_WARNING, label="Joining", after_s=60, under=(*_ALONE, *_OUT)),
    "no-quorum": Kind(_NOTE, after_s=60, under=_ALONE),
    "idle": Kind(_NOTE, under=("read-only", "stopped", "key-marked")),
    "held-back": Kind(_NOTE),
    "link-ended": Kind(_NOTE, under=("refused",)),
    "member-away": Kind(_NOTE, after_s=600, under=_ALONE, listed=False),
    "joiner-waits": Kind(_NOTE, notice="joiner", listed=False),
    # Good to know.
    "one-authority": Kind(_NOTE),
    "another-common": Kind(_NOTE),
    "stepped-down": Kind(_NOTE),
    "floor-moved": Kind(_NOTE),
    "retired-keys": Kind(_NOTE),
    "finality": Kind(_NOTE, label="Finality"),
    "few-copies": Kind(_NOTE, label="Copies"),
    "pinned": Kind(_NOTE, label="Pinned"),
    "rejected": Kind(_NOTE, label="Refused"),
    "folder": Kind(_NOTE, label="Folder"),
    "conflict-file": Kind(_NOTE, label="Conflict"),
}


class Condition(NamedTuple):
    """One thing that is not as it should be."""

    code: str
    """Of its kind in `KINDS`."""
    common: str
    """The Common's name; empty where it is about the machine."""
    id: str
    """The Common's id; may be its beginning only, where its store cannot be read."""
    what: str
    """What tells it from others of its kind in the same Common."""
    text: str
    remedy: str
    """What to type or to do, in words; may be empty."""
    commands: tuple[str, ...]
    """What `remedy` says to type on this machine, each as it is typed."""

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]

    @property
    def key(self) -> str:
        """The same as long as it is the same condition."""
        return f"{self.code} {self.id[:16]} {self.what}".strip()

    @property
    def line(self) -> str:
        """Its line in `asl status`."""
        label = f"Attention: {self.common}" if self.kind.asks else self.kind.label
        bare = not self.kind.asks and self.remedy in self.commands
        return f"{label}: {self.text}{self.remedy and (': ' if bare else '; ')}{self.remedy}"


def condition_json(one: Condition, lasted_ms: int) -> dict[str, Any]:
    """For scripts, and for commands that ask a daemon."""
    return {
        "code": one.code,
        "severity": one.kind.severity.name.lower(),
        "asks": one.kind.asks,
        "common": one.common,
        "id": one.id,
        "what": one.what,
        "text": one.text,
        "remedy": one.remedy,
        "commands": list(one.commands),
        "lasted_ms": lasted_ms,
        "line": one.line if one.kind.listed else "",
    }
