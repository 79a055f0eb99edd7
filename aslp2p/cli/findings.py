"""What `asl doctor` finds: one thing each, how it is, and what to type."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Grade(IntEnum):
    """How bad it is."""

    OK = 0
    WARN = 1
    BAD = 2


class Checked(NamedTuple):
    """One thing that was looked at."""

    check: str
    grade: Grade
    text: str
    remedy: str = ""
    """What to type, or to do; empty where all is well."""
