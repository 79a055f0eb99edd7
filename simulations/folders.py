"""Folders on the machines of a world: the whole worktree over real cores, while everything goes wrong.

Each machine has a folder on a simulated disk (`folder_disk`), and syncs it now and then as its daemon does:
the product's `Sync` and `Proposals`, whose questions are answered from the machine's store by the product's
own views, and whose proposals are commands of its core. Meanwhile people save, rename and remove files, also
in the middle of a sync; machines crash between any two calls of one, or lose their power; cables are cut;
the disks of folders and stores are full, or fail. In the calm all that heals, and then

1. the folders are equal, and hold what the head of the history holds;
2. every version that somebody saved, and did not replace or remove with their own hands, is in the history or
   in the folders;
3. nothing is anywhere that nobody saved, and nothing of ours is left lying about.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.envelope import decode_as
from aslp2p.artifacts.types import Named, Policy, Proposal, Put, Remove, Snapshot
from aslp2p.core.inputs import Command, Fetch, Propose
from aslp2p.errors import AslError, UserError
from aslp2p.views.queries import QUERIES, listed
from aslp2p.views.view import View
from aslp2p.worktree.aside import ancestors
from aslp2p.worktree.base import Base
from aslp2p.worktree.common import Proposals
from aslp2p.worktree.report import Ways
from aslp2p.worktree.sync import Sync
from aslp2p.worktree.trees import TreeStep
from simulations.crowd import found
from simulations.dialer import Dialer
from simulations.folder_disk import Killed, MemoryDisk
from simulations.names import name_of
from simulations.network import Weather
from simulations.scenario import HOUR, MINUTE, SECOND
from simulations.world import World

PATHS = ("a", "b.txt", "c/d", "c/e", "a/f", "g", "c/d/h", "i/j/k")
LASTS_MS = 2 * MINUTE
CALM_ROUNDS_MAX = 240
LARGE_BYTES = 20_000
"""More than travels with its proposal: such content is fetched."""


class Broken(AssertionError):
    """One of the rules above does not hold."""


class _Calling:
    """A machine's daemon, as `Proposals` asks it. Whatever is under way ends with the machine."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name

    def ask(self, question: str, **params: Any) -> dict[str, Any]:
        node = self._world.nodes[self._name]
        if not node.on:
            raise Killed
        if question == "put.many":
            return {kind: [self._proposed(one) for one in ones] for kind, ones in params.items()}
        if question == "contents.fetch":
            self._world.command(self._name, Fetch(tuple(listed(params["contents"]))))
            return {"peers": len(self._world.nodes)}
        answer = QUERIES[question](View(node.store, own_key=node.key), **params)
        told: dict[str, Any] = json.loads(json.dumps(answer))
        return told

    def long(self, method: str, /, **params: Any) -> dict[str, Any]:
        raise AssertionError("no file here is so large")

    def write_out(self, content: str, size: int, descriptor: int) -> None:
        raise AssertionError("no file here is so large")

    def _proposed(self, one: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"proposal": self._command(_proposal(one)).hex()}
        except UserError as error:
            return {"error": {"message": error.message}}

    def _command(self, command: Command) -> bytes:
        answer = self._world.command(self._name, command)
        if not isinstance(answer, bytes):  # its power failed meanwhile
            raise Killed
        return answer


def _proposal(one: dict[str, Any]) -> Propose:
    expects = None if one["expects"] is None else bytes.fromhex(one["expects"])
    if "data" not in one:
        return Propose(Remove(one["path"], expects))
    data = base64.b64decode(one["data"])
    id_ = content_id(data)
    about = (one["media_type"], one["executable"], one["modified_ms"])
    return Propose(Put(one["path"], id_, len(data), *about, expects), ((id_, data),))


class _Settling:
    """Nothing waits within one moment of a world: what is not listed yet is looked at by the next sync."""

    def __init__(self, calling: _Calling) -> None:
        self._calling = calling
        self._left: dict[str, str] = {}

    def add(self, proposal: str, _path: str, /) -> None:
        self._left[proposal] = ""

    def finish(self) -> dict[str, str]:
        for state in self._calling.ask("settled", ids=[*self._left])["settled"]:
            if state["state"] == "witnessed":
                del self._left[state["id"]]
            elif state["state"] != "pending":
                self._left[state["id"]] = state.get("text") or state["state"]
        return self._left


@dataclass
class _Place:
    """One machine's folder, with the base in it; the base is on the same disk."""

    disk: MemoryDisk = field(default_factory=MemoryDisk)
    refused: set[TreeStep] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level="IMMEDIATE")
        self.base = Base(self.db)


class Folders:
    """One run of `seed`. `play` it; raises `Broken`, or what a part of the product raises by mistake."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"folders/{seed}")
        busy_ms = self.random.choice(((0, 0), (0, 20)))
        weather = Weather(self.random.choice(((1, 5), (20, 400))))
        self.world = World(seed, weather=weather, busy_ms=busy_ms)
        self.names = [name_of(place) for place in range(self.random.choice((2, 3, 3)))]
        for name in self.names:
            self.world.add_node(name)
        keys = [Named(name, self.world.nodes[name].key) for name in self.names]
        voters, grace_ms = (3, MINUTE // 2) if len(keys) == 3 and self.random.random() < 0.5 else (1, HOUR)
        policy = Policy(
            witnesses=tuple(keys[:voters]),
            threshold=voters // 2 + 1,
            rotation_allowed=True,
            grace_period_ms=grace_ms,
            participants="invited",
            protocol=1,
        )
        found(self.world, self.names, policy)
        Dialer(self.world, all_up_to=64)
        self.places = {name: _Place() for name in self.names}
        self.owed: set[bytes] = set()
        """What somebody saved and nobody replaced or removed by hand."""
        self.saved: set[bytes] = set()
        self.done: dict[str, int] = {}
        """How often what was done, so that a test sees that it was."""
        self._calm = False

    def play(self) -> None:
        """All of it."""
        for name in self.names:
            self.world.start(name)
            self._again(name, self._sync_one, (SECOND, 10 * SECOND))
            self._again(name, self._work, (SECOND, 20 * SECOND))
        kinds = [self._crash, self._cut, self._fill, self._break_store, self._meddle]
        for do in self.random.sample(kinds, self.random.randint(1, len(kinds))):
            self._again("", do, (10 * SECOND, MINUTE))
        self.world.run(LASTS_MS)
        self._come_to_rest()
        self._judge()

    def _again(self, name: str, do: Callable[[str], None], every_ms: tuple[int, int]) -> None:
        def act() -> None:
            if not self._calm:
                self._note(do.__name__.strip("_"))
                do(name or self.random.choice(self.names))
                self._again(name, do, every_ms)

        self.world.plan(self.random.randint(*every_ms), act)

    def _note(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    # --- syncing --------------------------------------------------------------------------------------

    def _sync_one(self, name: str) -> None:
        node, place = self.world.nodes[name], self.places[name]
        core = node.core
        if not node.on or core is None or core.head is None:
            return
        place.disk.calls = 0
        calling = _Calling(self.world, name)
        try:
            remote = Proposals(calling, "", _Settling(calling))
            ways = Ways(approved=True)
            Sync(place.disk, place.base, remote, hidden=True, ways=ways, refused=place.refused).run()
        except Killed:
            self._note("killed")
            self._fall(name)
        except (AslError, OSError):  # its store, or its folder's root, refuses: the next one may do it
            self._note("failed")
            place.db.rollback()

    def _fall(self, name: str) -> None:
        """The daemon is gone, in the middle of whatever it did; one time in two with the machine's power."""
        place = self.places[name]
        place.db.rollback()
        place.disk.kill_at, place.refused = None, set()
        if self.random.random() < 0.5:
            place.disk.power_cut(self.random)
        if self.world.nodes[name].driver is not None:
            self.world.crash(name)
        self.world.plan(self.random.randint(SECOND, MINUTE), self._start, name)

    def _start(self, name: str) -> None:
        if self.world.nodes[name].driver is None:
            self.world.start(name)

    # --- people ---------------------------------------------------------------------------------------

    def _work(self, name: str) -> None:
        """One change, as people make them."""
        disk, random = self.places[name].disk, self.random
        path = random.choice(PATHS)
        chance = random.random()
        files = sorted(one for one in disk.files if ".asl-" not in one)
        if chance < 0.2 and path in disk.files:
            self._drop(disk, path)
        elif chance < 0.35 and files and self._is_free(disk, path):
            disk.move(random.choice(files), path)
        else:
            self._save(disk, path)

    def _is_free(self, disk: MemoryDisk, path: str) -> bool:
        taken = path in disk.files or path in disk.folders
        return not taken and not any(folder in disk.files for folder in ancestors(path))

    def _save(self, disk: MemoryDisk, path: str) -> None:
        """Put a new file there, over what is there; whatever is in its way the same hands remove."""
        for other in sorted(disk.files):
            if other == path or other.startswith(f"{path}/") or path.startswith(f"{other}/"):
                self._drop(disk, other)
        disk.folders = {folder for folder in disk.folders if not f"{folder}/".startswith(f"{path}/")}
        size = self.random.choice((8, 8, LARGE_BYTES))
        data = self.random.randbytes(8) + bytes(size - 8)
        self.owed.add(data)
        self.saved.add(data)
        disk.write(path, data)

    def _drop(self, disk: MemoryDisk, path: str) -> None:
        self.owed.discard(disk.files.pop(path).data)

    def _meddle(self, name: str) -> None:
        """Somebody saves a file in the middle of the next sync."""
        disk, at = self.places[name].disk, self.random.randrange(80)

        def meddle(_: MemoryDisk) -> None:
            if disk.calls >= at:
                disk.meddle = None
                files = sorted(path for path in disk.files if ".asl-" not in path)
                if files:
                    self._save(disk, self.random.choice(files))

        disk.meddle = meddle

    # --- what goes wrong ------------------------------------------------------------------------------

    def _crash(self, name: str) -> None:
        """In the middle of the next sync, or at once."""
        if self.random.random() < 0.8:
            self.places[name].disk.kill_at = self.random.randrange(120)
        else:
            self._fall(name)

    def _cut(self, name: str) -> None:
        self.world.drop = lambda one, other: name in (one, other)
        self.world.plan(self.random.randint(SECOND, MINUTE), self._heal)

    def _heal(self) -> None:
        self.world.drop = None

    def _fill(self, name: str) -> None:
        """The folder's disk is full for a while, or some calls fail."""
        disk = self.places[name].disk
        disk.full = self.random.random() < 0.5
        disk.broken = set() if disk.full else {self.random.randrange(1, 200) for _ in range(5)}
        self.world.plan(self.random.randint(SECOND, MINUTE), _mend, disk)

    def _break_store(self, name: str) -> None:
        store = self.world.nodes[name].store
        if self.random.random() < 0.5:
            store.full = True
        else:
            store.fails_in = self.random.randrange(30)
        self.world.plan(self.random.randint(SECOND, MINUTE), store.repair)

    # --- the calm -------------------------------------------------------------------------------------

    def _come_to_rest(self) -> None:
        self._calm, self.world.drop = True, None
        for name, place in self.places.items():
            self.world.nodes[name].store.repair()
            _mend(place.disk)
            place.disk.kill_at = place.disk.meddle = None
            self._start(name)
        for _ in range(CALM_ROUNDS_MAX):
            self.world.run(5 * SECOND)
            for name in self.names:
                self._sync_one(name)
            if self._differences() == "":
                return
        raise Broken(f"not alike after {CALM_ROUNDS_MAX} rounds: {self._differences()}")

    def _differences(self) -> str:
        """What is not yet as it will be, or nothing."""
        heads = set(self.world.heads().values())
        if len(heads) != 1 or len(self.world.heads()) != len(self.names):
            return f"heads {heads}"
        node = self.world.nodes[self.names[0]]
        listed = {one["path"]: one["content"] for one in _listing(View(node.store, own_key=node.key))}
        for name, place in self.places.items():
            here = {path: sha256(data).hexdigest() for path, data in place.disk.tree().items()}
            if here != listed:
                return f"{name} has {sorted(here.items() ^ listed.items())}"
        return ""

    def _judge(self) -> None:
        node = self.world.nodes[self.names[0]]
        view = View(node.store, own_key=node.key)
        kept = {data for place in self.places.values() for data in place.disk.tree().values()}
        history = _every_content(view)
        if lost := [data for data in self.owed - kept if content_id(data) not in history]:
            raise Broken(f"{len(lost)} versions are lost")
        if strange := kept - self.saved:
            raise Broken(f"nobody saved {[data[:16] for data in strange]}")
        if strange := history - {content_id(data) for data in self.saved}:
            raise Broken(f"nobody saved {len(strange)} of what was put")
        left = [path for place in self.places.values() for path in place.disk.files if ".asl-" in path]
        if left:
            raise Broken(f"left lying about: {left}")


def _mend(disk: MemoryDisk) -> None:
    disk.full, disk.broken = False, set()


def _listing(view: View) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = QUERIES["ls"](view, after=after)
        entries += page["entries"]
        after = page["next"]
    return entries


def _every_content(view: View) -> set[bytes]:
    """Of every put that the head's line lists."""
    contents = set()
    for row in view.reader.snapshots(view.branch, 1, view.height):
        for id_ in decode_as(Snapshot, row.raw).statement.proposals:
            raw = view.reader.artifact(id_)
            if raw is None:
                continue
            with suppress(AslError):
                action = decode_as(Proposal, raw).statement.action
                if isinstance(action, Put):
                    contents.add(action.content)
    return contents
