"""A version written into a folder: what came from the history is replaced and removed as the version asks;
anything else (a file of somebody's, or an edited one) is left alone and said, unless it is forced.

It uses the base that `sync` uses. So a checkout that was interrupted goes on, a file that is alike already is
only noted, and a folder that was checked out can be followed. Only paths of the version and of the base are
looked at: the folder may hold whatever else.
"""

from __future__ import annotations

from collections.abc import Callable

from aslp2p.worktree.base import Base
from aslp2p.worktree.disk import Disk
from aslp2p.worktree.plan import stays
from aslp2p.worktree.portable import Traits
from aslp2p.worktree.remote import Remote, Version
from aslp2p.worktree.report import Ways
from aslp2p.worktree.rules import Rules
from aslp2p.worktree.scan import LINKED, SPECIAL, Scan, Scanner
from aslp2p.worktree.sync import Sync
from aslp2p.worktree.trees import Adopt, Delete, Entry, Forget, Found, Like, Plan, Trees, TreeStep, Write
from aslp2p.worktree.writing import Writer

NOT_OURS = "a file that checkout did not write is in its place; --force replaces it"
EDITED = "it is not in this version, and was changed here; --force removes it"


def checkout_plan(trees: Trees, *, force: bool) -> Plan:
    """The steps that make the folder hold `trees.remote`, taking nothing from it. Pure."""
    steps: list[TreeStep] = []
    said: dict[str, str] = {}
    out: dict[str, str] = {}
    for path in sorted({*trees.base, *trees.remote}):
        base, local, remote = trees.base.get(path), trees.local.get(path), trees.remote.get(path)
        if (why := trees.out.get(path)) is not None:
            if remote is not None:
                out[path] = why
            if base is not None:
                steps.append(Forget(path))
        elif not force and (why := stays(trees, path)) is not None:
            said[path] = why
        else:
            step = _decide(path, base, local, remote, force=force)
            if isinstance(step, str):
                said[path] = step
            elif step is not None:
                steps.append(step)
    steps.sort(key=lambda step: (not isinstance(step, Delete), step.path))
    return Plan(tuple(steps), said, out, 0, len(trees.base))


def _decide(
    path: str, base: Like | None, local: Found | None, remote: Entry | None, *, force: bool
) -> TreeStep | str | None:
    here = None if local is None else local.like
    if remote is None:
        if local is None:
            return Forget(path)
        return Delete(path, local) if here == base or force else EDITED
    if here == remote.like:
        return None if base == here else Adopt(path, remote.like)
    if local is None or here == base or local.like.content == remote.like.content or force:
        return Write(path, remote, local)
    return NOT_OURS


class Checkout(Sync):
    """One run, of one version."""

    def __init__(
        self,
        disk: Disk,
        base: Base,
        remote: Remote,
        *,
        hidden: bool = False,
        force: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._force = force
        super().__init__(disk, base, remote, hidden=hidden, ways=Ways(send=False), progress=progress)

    def _writer(self, disk: Disk) -> Writer:
        return Writer(disk, displaces=self._force)

    def _rules(self, traits: Traits) -> Rules:
        return Rules(hidden=self._hidden, traits=traits)

    def _scan(self, scanner: Scanner, paths: set[str]) -> Scan:
        found = scanner.look(paths)
        for path, why in found.unseen.items():
            if why in (LINKED, SPECIAL):
                found.unseen[path] = f"{why} is in its place; --force replaces it"
        return found

    def _plan(self, trees: Trees, version: Version) -> Plan:
        planned = checkout_plan(trees, force=self._force)
        if self._rounds == 1:
            left = {step.path for step in planned.steps if isinstance(step, Write)} | {
                *planned.said,
                *planned.out,
            }
            self.report.unchanged = len(trees.remote.keys() - left)
        return planned

    def _lacking(self, entries: dict[str, Entry]) -> set[str]:
        return set()  # each is said when it is its turn: nothing is moved away for it before
