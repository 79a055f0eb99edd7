"""A Common and folders that follow it, as dictionaries: enough to judge the planner."""

from __future__ import annotations

from random import Random

from aslp2p.worktree.aside import ancestors
from aslp2p.worktree.plan import caught_up, plan
from aslp2p.worktree.trees import (
    Adopt,
    Delete,
    Entry,
    Forget,
    Found,
    Identity,
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

Tree = dict[str, Like]
NAMES = ("a", "b", "c.txt")


def found(like: Like) -> Found:
    return Found(like, Identity(0, 0, 0))


class Common:
    """The witness: lists what it is proposed, in any order, and refuses as the specification says."""

    def __init__(self) -> None:
        self.tree: Tree = {}
        self.height = 0
        self.ever: set[str] = set()
        """Every content that the history has held."""
        self.open: list[tuple[str, Put | Remove]] = []
        self.listed: list[dict[str, Like]] = []

    def list_all(self, random: Random) -> None:
        random.shuffle(self.open)
        while self.open:
            self.list_one(self.open.pop()[1])

    def list_one(self, step: Put | Remove) -> bool:
        """Whether it was listed (V7, section 3 of the specification)."""
        there = self.tree.get(step.path)
        if step.expects != ("" if there is None else there.content):
            return False
        if isinstance(step, Remove):
            if there is None:
                return False
            del self.tree[step.path]
        else:
            if there is None and any(
                path.startswith(f"{step.path}/") or step.path.startswith(f"{path}/") for path in self.tree
            ):
                return False
            self.tree[step.path] = step.found.like
            self.ever.add(step.found.like.content)
        self.height += 1
        return True


class Folder:
    """A folder, with what `sync` remembers of it."""

    def __init__(self, name: str, common: Common) -> None:
        self.name = name
        self.common = common
        self.tree: Tree = {}
        self.base: Tree = {}
        self.offered: dict[str, Like | None] = {}
        self.lost: set[str] = set()
        """Contents that were overwritten or deleted here by a step."""

    def plan(self) -> Plan:
        remote = {path: Entry(like, 0, 0) for path, like in self.common.tree.items()}
        folders = {folder for path in self.tree for folder in ancestors(path)}
        local = {path: found(like) for path, like in self.tree.items()}
        waiting = {step.path for who, step in self.common.open if who == self.name}
        self.base, over = caught_up(self.base, self.offered, remote, waiting)
        for path in over:
            del self.offered[path]
        return plan(
            Trees(self.base, local, remote, waiting, folders=folders),
            name=self.name,
            height=self.common.height,
        )

    def step(self, step: TreeStep) -> None:
        """Do one step as the disk would, which refuses what cannot be."""
        match step:
            case Adopt(path, like):
                self.base[path] = like
                self.offered.pop(path, None)
            case Forget(path):
                self.forget(path)
            case SetAside(path, over, to):
                assert self.tree[path] == over.like
                self.forget(path)
                self.place(to, self.tree.pop(path))
            case Delete(path, over):
                assert self.tree[path] == over.like
                self.lose(self.tree.pop(path))
                self.forget(path)
            case Move(path, over, to, entry):
                assert self.tree[path] == over.like == entry.like
                self.place(to, self.tree.pop(path))
                self.forget(path)
                self.base[to] = entry.like
                self.offered.pop(to, None)
            case Write(path, entry, over):
                assert (over is None) == (path not in self.tree)
                if over is not None:
                    assert self.tree[path] == over.like
                    if self.tree[path].content != entry.like.content:
                        self.lose(self.tree[path])
                    del self.tree[path]
                self.place(path, entry.like)
                self.base[path] = self.common.tree[path]
                self.offered.pop(path, None)
            case Put(path, offered, _):
                assert self.tree[path] == offered.like
                self.offered[path] = offered.like
                self.common.open.append((self.name, step))
            case Remove(path, _):
                assert path not in self.tree
                self.offered[path] = None
                self.common.open.append((self.name, step))

    def forget(self, path: str) -> None:
        self.base.pop(path, None)
        self.offered.pop(path, None)

    def place(self, path: str, like: Like) -> None:
        assert path not in self.tree
        for other in self.tree:
            assert not other.startswith(f"{path}/") and not path.startswith(f"{other}/"), (
                f"{path} beside {other}"
            )
        self.tree[path] = like

    def lose(self, like: Like) -> None:
        assert like.content in self.common.ever, f"{like} was lost in {self.name}"

    def change(self, random: Random, fresh: list[int]) -> None:
        """What a person may do."""
        kind = random.randrange(6)
        paths = sorted(self.tree)
        if kind == 0 and paths:
            del self.tree[random.choice(paths)]
        elif kind == 1 and paths:  # an edit
            self.tree[random.choice(paths)] = self.made(random, fresh)
        elif kind == 2 and paths:  # rename
            old, new = random.choice(paths), self.somewhere(random)
            like = self.tree.pop(old)
            self.clear(new)
            self.tree[new] = like
        elif kind == 3 and len(paths) > 1:  # swap
            one, two = random.sample(paths, 2)
            self.tree[one], self.tree[two] = self.tree[two], self.tree[one]
        elif kind == 4 and paths:
            path = random.choice(paths)
            self.tree[path] = Like(self.tree[path].content, not self.tree[path].executable)
        else:
            new = self.somewhere(random)
            self.clear(new)
            self.tree[new] = self.made(random, fresh)

    def made(self, random: Random, fresh: list[int]) -> Like:
        if random.random() < 0.2 and self.common.ever:
            return Like(random.choice(sorted(self.common.ever)), random.random() < 0.2)
        fresh[0] += 1
        return Like(f"{fresh[0]:x}", random.random() < 0.2)

    def somewhere(self, random: Random) -> str:
        return "/".join(random.choice(NAMES) for _ in range(random.choice((1, 1, 2, 2, 3))))

    def clear(self, path: str) -> None:
        """Make room for a file at `path`: a person removes what stands in its way."""
        for other in list(self.tree):
            if other == path or other.startswith(f"{path}/") or path.startswith(f"{other}/"):
                del self.tree[other]
