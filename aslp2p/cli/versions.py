"""Versions as people type them: `@42`, `PATH@42`, or `--at 42`.

`PATH@42` means the version, and so a path that itself ends in `@42` is written `./PATH@42` or with `--at`:
after `./` everything is path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from aslp2p.errors import UsageError
from aslp2p.worktree.walking import clean_path

_VERSIONED = re.compile(r"(.*)@([0-9]{1,15})", re.DOTALL)

at_option: Callable[[Any], Any] = click.option(
    "--at", type=click.IntRange(0, 2**53 - 1), metavar="N", help="At version N."
)


def parse_version(text: str) -> int | None:
    """The N of `@N`, or None when `text` is no version."""
    found = _VERSIONED.fullmatch(text)
    return int(found[2]) if found and not found[1] else None


def require_version(text: str) -> int:
    """The N of `@N`. Raises `UsageError` for anything else."""
    version = parse_version(text)
    if version is None:
        raise UsageError(f"{text!r} is no version", remedy="write @ and a number, as in @42")
    return version


def split_version(text: str, at: int | None = None) -> tuple[str, int | None]:
    """The path and the version in `PATH@N`; the path is normalized, empty for `@N` alone.

    Raises `UsageError` when `--at` says another version, or the text is no UTF-8.
    """
    if text.startswith("./") or not (found := _VERSIONED.fullmatch(text)):
        return clean_path(text), at
    version = int(found[2])
    if at is not None and at != version:
        raise UsageError(f"{text} and --at {at} are two versions", remedy="name one of them")
    return clean_path(found[1]), version
