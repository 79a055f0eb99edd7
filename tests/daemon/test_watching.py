"""Hearing of changes: nothing of a storm is missed, and nothing is heard of a quiet folder."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import trio
import trio.testing

from aslp2p.daemon.watching import Watch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    watch = Watch(str(tmp_path))
    yield watch
    watch.close()


def storm(root: Path, count: int, seed: int) -> set[str]:
    """`count` files, many in folders that were made a moment before, one in another."""
    random, names = Random(seed), set[str]()
    folder = root
    for number in range(count):
        if random.random() < 0.5:
            folder = root / str(number) if random.random() < 0.5 else folder / "d"
            if len(folder.parts) > len(root.parts) + 12:
                folder = root / str(number)
            folder.mkdir(exist_ok=True)
        (folder / f"{number}.txt").write_bytes(b"x")
        names.add(f"{number}.txt")
    return names


def listed(root: Path) -> set[str]:
    return {name for _, _, names in os.walk(root) for name in names}


async def missed(watch: Watch, root: Path, count: int, seed: int) -> set[str]:
    """What was not listed after the last time that something was told; it watches, lists and waits."""
    made: list[set[str]] = []
    thread = threading.Thread(target=lambda: made.append(storm(root, count, seed)))
    watch.cover()
    thread.start()
    seen: set[str] = set()
    while len(seen) < count:
        with trio.move_on_after(60) as waiting:
            await watch.changed()
        if waiting.cancelled_caught:
            break
        await trio.to_thread.run_sync(watch.cover)
        seen = await trio.to_thread.run_sync(listed, root)
    thread.join()
    return made[0] - seen


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_of_a_storm_in_fresh_folders_is_missed(watch: Watch, tmp_path: Path, seed: int) -> None:
    assert await missed(watch, tmp_path, 2000, seed) == set() and not watch.problem


@pytest.mark.long
async def test_nothing_of_sixty_thousand_is_missed(watch: Watch, tmp_path: Path) -> None:
    assert await missed(watch, tmp_path, 60_000, 7) == set() and not watch.problem


class Steps(trio.abc.Instrument):
    """Counts how often tasks of a name run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += self._name in task.name


async def test_a_quiet_folder_costs_no_wake_up(watch: Watch, tmp_path: Path) -> None:
    """A change is told once; after it nothing runs. Our own files under `.asl-` are none."""
    for number in range(200):
        (tmp_path / str(number)).mkdir()
        for name in range(100):
            (tmp_path / str(number) / str(name)).touch()
    watch.cover()
    told = trio.Event()

    async def hear() -> None:
        await watch.changed()
        told.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hear)
        await trio.testing.wait_all_tasks_blocked()
        steps = Steps("hear")
        trio.lowlevel.add_instrument(steps)
        await trio.testing.wait_all_tasks_blocked(cushion=0.5)
        assert steps.count == 0 and not told.is_set()
        (tmp_path / "7" / ".asl-part-1").write_bytes(b"ours")
        await trio.testing.wait_all_tasks_blocked(cushion=0.1)
        assert not told.is_set()
        (tmp_path / "7" / "7").write_bytes(b"theirs")
        await told.wait()
        trio.lowlevel.remove_instrument(steps)
