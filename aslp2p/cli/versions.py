"""Versions as people type them: `@42`, `PATH@42`, or `--at 42`.

`PATH@42` means the version, and so a path that itself ends in `@42` is written `./PATH@42` or with `--at`:
after `./` everything is path.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import click

from aslp2p.errors import UsageError

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


def clean_path(text: str) -> str:
    """A path of the Common as it is written there: NFC, without `./` before it and slashes around it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{text!a} is not UTF-8", remedy="the names in a Common are UTF-8: rename it, or type it so"
        ) from None
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    stripped = unicodedata.normalize("NFC", text).strip("/")
    return "" if stripped == "." else stripped
