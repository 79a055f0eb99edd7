"""Names for files that are set aside: `plan (conflict, alice, @43).txt`, beside `plan.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aslp2p.limits import PATH_BYTES_MAX, PATH_COMPONENT_BYTES_MAX
from aslp2p.worktree.trees import Trees

_CONFLICT = re.compile(r"(?P<stem>.*) \(conflict, [^/]*, @[0-9]+(, [0-9]+)?\)(?P<suffix>(\.[^./ ]+)?)")


def ancestors(path: str) -> Iterator[str]:
    """The folders that `path` is in, the nearest first."""
    while (slash := path.rfind("/")) > 0:
        path = path[:slash]
        yield path


def conflict_of(path: str) -> str | None:
    """The path that the conflict file `path` was set aside from; None when its name is no such name."""
    folder, _, name = path.rpartition("/")
    found = _CONFLICT.fullmatch(name)
    return None if found is None else f"{folder}{'/' * bool(folder)}{found['stem']}{found['suffix']}"


class Aside:
    """Chooses names that neither folder nor history has."""

    def __init__(self, trees: Trees, name: str, height: int) -> None:
        self._words = f"conflict, {name}, @{height}"
        self._trees = trees
        self._given: set[str] = set()

    def name(self, path: str, place: str = "") -> str:
        """Where `path` is set aside to; the component that changes is the last of `place` (`path`, or a
        folder that it is in and that cannot be one)."""
        place = place or path
        rest = path[len(place) :]
        number = 1
        while True:
            words = self._words if number == 1 else f"{self._words}, {number}"
            to = _with(place, f" ({words})", PATH_BYTES_MAX - len(rest.encode())) + rest
            if self._is_free(to, len(place.rpartition("/")[0])):
                self._given.add(to)
                return to
            number += 1

    def _is_free(self, to: str, fixed: int) -> bool:
        """Whether nothing is at `to`, nor a file where it needs a folder; its first `fixed` characters are as
        they were, and no choice of a name changes what is there."""
        trees = self._trees
        here = (trees.local, trees.remote, trees.base, trees.out, trees.unseen, self._given)
        if any(to in tree for tree in here) or to in trees.folders:
            return False
        return not any(folder in tree for folder in ancestors(to) if len(folder) > fixed for tree in here)


def _with(path: str, words: str, bytes_max: int) -> str:
    """`path` with `words` before the suffix of its last component, as long as it may be."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if not stem.strip(".") or " " in suffix or len(suffix.encode()) > 16:
        stem, dot, suffix = name, "", ""
    tail = f"{words}{dot}{suffix}"
    room = min(PATH_COMPONENT_BYTES_MAX, bytes_max - len((folder + slash).encode())) - len(tail.encode())
    return f"{folder}{slash}{stem.encode()[: max(room, 0)].decode(errors='ignore')}{tail}"
