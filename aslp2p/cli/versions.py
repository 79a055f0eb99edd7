"""Versions as people type them: `@42`, `PATH@42`, or `--at 42`.

`PATH@42` means the version, and so a path that itself ends in `@42` is written `./PATH@42` or with `--at`:
after `./` everything is path. Where one file is meant (`file_meant`), what `asl ls` prints can be typed as it
is, unless it could be both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from aslp2p.errors import UsageError, UserError
from aslp2p.worktree.walking import clean_path

if TYPE_CHECKING:
    from aslp2p.cli.source import Source

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


def file_meant(source: Source, text: str, at: int | None = None) -> tuple[str, int | None]:
    """As `split_version`, where one file is meant: `odd/file@3` also names the file that `asl ls` prints so.

    Raises `UsageError` when there is such a file, and a version @3 of another.
    """
    path, version = split_version(text, at)
    whole = clean_path(text)
    if version is None or not path or whole == path or not _is_file(source, whole, None):
        return path, version
    if _is_file(source, path, version):
        raise UsageError(
            f"{text} is a file, and a version of {path}", remedy=f"write ./{text}, or {path} --at {version}"
        )
    return whole, at


def _is_file(source: Source, path: str, at: int | None) -> bool:
    try:
        source.ask("entry", path=path, at=at)
    except UserError:
        return False
    return True


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
