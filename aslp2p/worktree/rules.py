"""Which paths a folder leaves out, and why: names that are orders to others, ignored ones, names that clash.

`.aslignore` at the top of the folder is a file like any other, so whoever follows the folder shares it; its
syntax is gitignore's. Before it stand the files that programs and systems leave about.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from pathspec import GitIgnoreSpec

from aslp2p.worktree.aside import ancestors
from aslp2p.worktree.disk import FILE, Disk
from aslp2p.worktree.names import kept_out
from aslp2p.worktree.portable import Traits, cannot_hold, folded

IGNORE_FILE = ".aslignore"
IGNORE_BYTES_MAX = 256 * 1024
IGNORE_LINES_MAX = 2000
STARS_MAX = 3
"""In one component of a pattern: each more multiplies what it can cost to try a long name."""
JUNK = (
    ".DS_Store",
    "._*",
    ".Spotlight-V100/",
    ".Trashes/",
    ".fseventsd/",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$RECYCLE.BIN/",
    "System Volume Information/",
    ".Trash-*/",
    ".directory",
    ".nfs*",
    ".fuse_hidden*",
    "~$*",
    ".~lock.*#",
    "*.swp",
    "*.swo",
    ".#*",
    "\\#*\\#",
    "4913",
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.download/",
)
_GROUP_NAME = re.compile(r"\(\?P<\w+>")
IGNORED = "ignored"
NOT_COMPOSED = "its name is not in Unicode's form NFC"


class Rules:
    """What one folder leaves out. `ignore` is the ignore file's text (None: nothing is ignored). `hidden`:
    what begins with a dot at the top is carried. `traits`: what the file system does with names.
    """

    def __init__(
        self, ignore: str | None = None, *, hidden: bool = False, traits: Traits | None = None
    ) -> None:
        self._hidden = hidden
        self._traits = traits or Traits()
        self._ignored, self._maybe_ignored = _compiled(ignore)
        self._files: dict[str, str | None] = {}
        """What was said of files: a scan asks of each, and so does `out`."""

    def why_not(self, path: str, *, folder: bool = False) -> str | None:
        """Why the folder does not hold `path`, a file's or (`folder`) a folder's; None where it does."""
        if folder:
            return self._why_not(path, folder=True)
        if path not in self._files:
            self._files[path] = self._why_not(path, folder=False)
        return self._files[path]

    def _why_not(self, path: str, *, folder: bool) -> str | None:
        if (why := kept_out(f"{path}/x" if folder else path, hidden=self._hidden)) is not None:
            return why
        shown = f"{path}/" if folder else path
        if self._maybe_ignored.match(shown) and self._ignored.match_file(shown):
            return IGNORED
        if unicodedata.normalize("NFC", path) != path:
            return NOT_COMPOSED
        return cannot_hold(path, self._traits)

    def out(self, paths: Iterable[str]) -> dict[str, str]:
        """Those of `paths` that the folder leaves out, and why: by their names, or because another has the
        same name on this file system (the first in order stays).
        """
        out: dict[str, str] = {}
        taken: dict[str, str] = {}
        for path in sorted(set(paths)):
            if (why := self.why_not(path)) is not None:
                out[path] = why
            elif self._traits.folds:
                spelt = [path, *ancestors(path)]
                twins = [taken[folded(one)] for one in spelt if taken.get(folded(one), one) != one]
                if twins:
                    out[path] = f"{twins[0]} has the same name on this file system"
                else:
                    taken.update((folded(one), one) for one in spelt)
        return out


def ignore_file(disk: Disk) -> str:
    """The text of the folder's ignore file; empty: there is none, or one that is too long."""
    status = disk.status(IGNORE_FILE)
    if status is None or status.kind != FILE:
        return ""
    with disk.reading(IGNORE_FILE) as file:
        data = file.read(IGNORE_BYTES_MAX + 1)
    return "" if len(data) > IGNORE_BYTES_MAX else data.decode("utf-8", errors="replace")


@lru_cache(maxsize=16)
def _compiled(ignore: str | None) -> tuple[GitIgnoreSpec, re.Pattern[str]]:
    """The patterns, and one that matches whatever any of them does: most names match none, and are many."""
    lines = [] if ignore is None else [*JUNK, *filter(_is_pattern, ignore.splitlines()[:IGNORE_LINES_MAX])]
    spec = GitIgnoreSpec.from_lines(lines)
    taken = [str(one.regex.pattern) for one in spec.patterns if one.include and one.regex is not None]
    nameless = [_GROUP_NAME.sub("(?:", text) for text in taken]
    return spec, re.compile("|".join(f"(?:{text})" for text in nameless) or r"(?!)")


def _is_pattern(line: str) -> bool:
    """Whether a line of the ignore file is one that git would take, and that costs little to try. The file is
    everybody's: a line that somebody got wrong, or made to be slow, stops nobody's folder."""
    if any(component.count("*") > STARS_MAX for component in line.split("/")):
        return False
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
