"""The planner: three trees in, steps out. Pure; `docs/folder.md` has the rules as a table.

base is what folder and history last agreed on, so a change is a difference from it, on either side. For one
path (`_decide`), B, L, R its files in base, folder (local) and history (remote), absent ones included:

    1  L = R                       alike: noted (`Adopt`, `Forget`)
    2  L = B, R ≠ B                the history's change comes into the folder (`Write`, `Delete`)
    3  R = B, L ≠ B                the folder's change goes into the history (`Put`, `Remove`)
    4  L absent, R ≠ B             removed here, edited there: the edit stays (`Write`)
    5  R absent, L ≠ B             edited here, removed there: the edit stays (`Put`)
    6  L ≠ B, R ≠ B, L ≠ R         the history's file keeps the name, the folder's is set aside

The executable bit merges by itself where the contents agree. A path that is out of the folder's view is none
of these: a path that is `out` is forgotten, so that coming back it is new on both sides and nothing is taken
for removed; one that is `unseen`, `waiting` or `lacking` stays as it is until that has ended.

A path cannot be a file and a folder. Where the history's file stands in the way of the folder's, the folder's
is set aside (7); where it is about to be removed, or its removal waits, the put waits for that (8).

Every put and removal says what it expects, from base. So of two folders that race one is refused, plans again
from the new history, and comes by rule 6. One plan need not settle everything: the trees are taken again and
planned again until there is no step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from aslp2p.worktree.aside import Aside, ancestors
from aslp2p.worktree.trees import (
    Adopt,
    Delete,
    Entry,
    Forget,
    Found,
    Like,
    Move,
    Plan,
    Put,
    Remove,
    SetAside,
    Trees,
    TreeStep,
    Write,
)

WAITING = "waits for the witness"
LACKING = "its bytes have not all arrived on this machine yet"
_ORDER = (Adopt, Forget, SetAside, Delete, Move, Write, Put, Remove)
"""A folder's files leave before others come in their place; a put before the removal that it moves from, so
that no version is without the file."""


def caught_up(
    base: Mapping[str, Like],
    offered: Mapping[str, Like | None],
    remote: Mapping[str, Entry],
    waiting: Collection[str],
) -> tuple[dict[str, Like], set[str]]:
    """`base`, where what this folder has proposed (`offered`; None: a removal) is what the history now has,
    and the paths of which no proposal is under way any more.

    A file may have been edited again since: that edit is one of the version that was listed, no conflict. But
    one that was refused is forgotten: where somebody else puts the same there later, it is not this folder's,
    and its absence here no removal.
    """
    agreed = dict(base)
    over: set[str] = set()
    for path, like in offered.items():
        entry = remote.get(path)
        if like == (None if entry is None else entry.like):
            over.add(path)
            if like is None:
                agreed.pop(path, None)
            else:
                agreed[path] = like
        elif path not in waiting:
            over.add(path)
    return agreed, over


def plan(trees: Trees, *, name: str, height: int) -> Plan:
    """What brings the folder and the history together. `name` is what this machine is called, `height` the
    version of `trees.remote`: both go into the names of conflict files.
    """
    said: dict[str, str] = {}
    out: dict[str, str] = {}
    steps: dict[str, TreeStep] = {}
    for path in sorted({*trees.base, *trees.local, *trees.remote}):
        if (why := trees.out.get(path)) is not None:
            if path in trees.remote or path in trees.local:
                out[path] = why
            if path in trees.base:
                steps[path] = Forget(path)
        elif (why := stays(trees, path)) is not None:
            said[path] = why
        elif (
            step := _decide(path, trees.base.get(path), trees.local.get(path), trees.remote.get(path))
        ) is not None:
            steps[path] = step
    planned = list(_without_clashes(trees, steps, said, Aside(trees, name, height)))
    planned = _with_moves(planned)
    planned.sort(key=lambda step: (_ORDER.index(type(step)), step.path))
    return Plan(tuple(planned), said, out, _removals(trees, planned), len(trees.base))


def stays(trees: Trees, path: str) -> str | None:
    """Why nothing is done about `path` now; None where something may be."""
    for place in (path, *ancestors(path)):
        if (why := trees.unseen.get(place)) is not None:
            return why
    if path in trees.waiting:
        return WAITING
    local, remote, base = trees.local.get(path), trees.remote.get(path), trees.base.get(path)
    if path in trees.lacking and remote is not None:
        wanted = local is None or local.like.content != remote.like.content
        if wanted and remote.like != base:
            return LACKING
    return None


def _decide(path: str, base: Like | None, local: Found | None, remote: Entry | None) -> TreeStep | None:
    """The step for one path, by the rules above; `SetAside` without its name."""
    here = None if local is None else local.like
    there = None if remote is None else remote.like
    if here == there:
        if base == here:
            return None
        return Forget(path) if here is None else Adopt(path, here)
    if local is None:
        assert there is not None and remote is not None  # noqa: S101 - else they are alike
        return Remove(path, there.content) if there == base else Write(path, remote, None)
    if remote is None:
        return Delete(path, local) if local.like == base else Put(path, local, "")
    if local.like.content == remote.like.content:
        changed_here = base is not None and local.like.executable != base.executable
        return Put(path, local, remote.like.content) if changed_here else Write(path, remote, local)
    if base is not None and local.like.content == base.content:
        return Write(path, _keeping_bit(base, local, remote), local)
    if base is not None and remote.like.content == base.content:
        return Put(path, local, base.content)
    return SetAside(path, local, "")


def _keeping_bit(base: Like, local: Found, remote: Entry) -> Entry:
    """The history's content with the folder's executable bit, where only the folder has changed that; the
    next plan puts it."""
    if local.like.executable == base.executable:
        return remote
    return remote._replace(like=Like(remote.like.content, local.like.executable))


def _without_clashes(
    trees: Trees, steps: dict[str, TreeStep], said: dict[str, str], aside: Aside
) -> Iterator[TreeStep]:
    """`steps`, with what would make a path a file and a folder set aside (7) or left for later (8)."""
    leaving = {path for path, step in steps.items() if isinstance(step, Remove)}
    leaving |= {path for path in trees.waiting if path not in trees.local}  # its removal is under way
    below: dict[str, set[str]] = defaultdict(set)
    for path in trees.remote:
        for folder in ancestors(path):
            below[folder].add(path)
    for path, step in steps.items():
        if isinstance(step, SetAside):
            yield step._replace(to=aside.name(path))
            remote = trees.remote[path]
            yield Write(path, remote, None)
        elif isinstance(step, Put):
            above = [folder for folder in ancestors(path) if folder in trees.remote]
            inside = below.get(path, set())
            if leaving.issuperset(above) and leaving.issuperset(inside):
                if above or inside:
                    said[path] = "waits until what stands in its way is removed"
                else:
                    yield step
            else:
                blocked = [folder for folder in above if folder not in leaving]
                yield SetAside(path, step.found, aside.name(path, blocked[-1] if blocked else path))
        else:
            yield step


def _with_moves(steps: list[TreeStep]) -> list[TreeStep]:
    """`steps`, with one rename for a file that leaves one path and comes, alike, to another.

    Not where the new path is above or below one that a file leaves: two such renames could wait for each
    other (`a` becomes `b/x`, and `b` becomes `a/x`), while what is deleted makes room for what is written.
    """
    leaving: dict[Like, list[Delete]] = defaultdict(list)
    busy: set[str] = set()
    below: set[str] = set()
    for step in steps:
        if isinstance(step, Delete):
            leaving[step.over.like].append(step)
            below.add(step.path)
            busy.update(ancestors(step.path))
        elif isinstance(step, SetAside):
            busy.add(step.path)
    moves: list[TreeStep] = []
    done: set[TreeStep] = set()
    for step in steps:
        free = isinstance(step, Write) and step.over is None and step.path not in busy
        free = free and below.isdisjoint(ancestors(step.path))
        if isinstance(step, Write) and free and (found := leaving.get(step.entry.like)):
            gone = found.pop()
            moves.append(Move(gone.path, gone.over, step.path, step.entry))
            done |= {gone, step}
    return [step for step in steps if step not in done] + moves


def _removals(trees: Trees, steps: Iterable[TreeStep]) -> int:
    """Removals of what is put nowhere else: a renamed folder removes nothing."""
    kept = {step.found.like.content for step in steps if isinstance(step, Put)}
    kept |= {found.like.content for found in trees.local.values()}
    return sum(isinstance(step, Remove) and step.expects not in kept for step in steps)
