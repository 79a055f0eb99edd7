"""A folder on a simulated disk: kills between any two calls, a full disk, a person at work."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

import pytest

from aslp2p.worktree.aside import conflict_of
from aslp2p.worktree.plan import plan
from aslp2p.worktree.sync import Sync
from aslp2p.worktree.trees import Found, Identity, Remove, Trees, TreeStep
from simulations.folder_disk import MemoryDisk
from tests.worktree.model import Common
from tests.worktree.simulated import Machine, like

PATHS = ("a", "b.txt", "c/d", "c/e", "a/f", "g")


def two_machines() -> tuple[Machine, Machine]:
    common, contents = Common(), dict[str, bytes]()
    return Machine(common, "ann", contents), Machine(common, "bob", contents)


def settled(*machines: Machine) -> dict[str, bytes]:
    """The tree that all have in the end."""
    for _ in range(2):
        for machine in machines:
            assert machine.sync() is not None
    first = machines[0].disk.tree()
    assert all(machine.disk.tree() == first for machine in machines)
    assert not [path for path in first if ".asl-" in path]
    return first


def test_a_file_goes_from_one_to_the_other_and_its_removal_too() -> None:
    ann, bob = two_machines()
    ann.disk.write("notes/plan.txt", b"1")
    assert settled(ann, bob) == {"notes/plan.txt": b"1"}
    bob.disk.write("notes/plan.txt", b"2")
    assert settled(bob, ann) == {"notes/plan.txt": b"2"}
    del ann.disk.files["notes/plan.txt"]
    ann.disk.write("notes/other", b"3")
    assert settled(ann, bob) == {"notes/other": b"3"} and "notes" in bob.disk.folders


def test_two_edits_leave_one_conflict_file_once() -> None:
    ann, bob = two_machines()
    ann.disk.write("plan.txt", b"1")
    settled(ann, bob)
    ann.disk.write("plan.txt", b"ann's")
    bob.disk.write("plan.txt", b"bob's")
    assert settled(ann, bob) == {"plan.txt": b"ann's", "plan (conflict, bob, @2).txt": b"bob's"}
    assert conflict_of("plan (conflict, bob, @2).txt") == "plan.txt"
    assert len(settled(bob, ann)) == 2


def test_a_folder_becomes_a_file_and_a_file_a_folder() -> None:
    """The removal of what was in the folder is proposed although its path leads through a file now."""
    ann, bob = two_machines()
    ann.disk.write("b/inside", b"1")
    ann.disk.write("c", b"2")
    settled(ann, bob)
    for machine, text in ((ann, b"ann's"), (bob, b"bob's")):
        machine.disk.files.clear()
        machine.disk.folders = {""}
        machine.disk.write("b", text)
        machine.disk.write("c/inside", text)
    tree = settled(ann, bob)
    assert tree["b"] == b"ann's" and tree["c/inside"] == b"ann's"
    assert sorted(tree.values()) == [b"ann's", b"ann's", b"bob's", b"bob's"]


def test_an_edit_beats_a_removal_on_either_side() -> None:
    for remover in (0, 1):
        machines = two_machines()
        machines[0].disk.write("x", b"1")
        settled(*machines)
        del machines[remover].disk.files["x"]
        machines[1 - remover].disk.write("x", b"2")
        assert settled(*machines) == {"x": b"2"}


def test_a_first_sync_is_a_union() -> None:
    ann, bob = two_machines()
    ann.disk.write("same", b"s")
    ann.disk.write("differs", b"1")
    ann.disk.write("ann's", b"a")
    bob.disk.write("same", b"s")
    bob.disk.write("differs", b"2")
    bob.disk.write("bob's", b"b")
    assert settled(ann, bob) == {
        "same": b"s",
        "ann's": b"a",
        "bob's": b"b",
        "differs": b"1",
        "differs (conflict, bob, @3)": b"2",
    }


def test_what_is_ignored_or_kept_out_is_never_removed() -> None:
    """Also when the ignore file changes, and the file goes while it is ignored."""
    ann, bob = two_machines()
    for path in ("x.log", "keep"):
        ann.disk.write(path, path.encode())
    settled(ann, bob)
    bob.disk.write(".aslignore", b"*.log\n")
    bob.sync()
    del bob.disk.files["x.log"]
    bob.sync()
    assert "x.log" in ann.remote.common.tree
    bob.disk.write(".aslignore", b"")
    assert settled(bob, ann)["x.log"] == b"x.log"


REASONS = {"ignored": "x.log", "hidden": ".x", "drops": "x.", "refuses": "x:y", "longest": "x" * 200}
"""Why a folder does not hold a path for a while, and such a path."""


def leave_out(machine: Machine, reason: str, is_out: bool) -> None:
    """A setting of one folder changes, or it is moved to another disk."""
    if reason == "ignored":
        machine.disk.write(".aslignore", b"*.log\n" if is_out else b"")
    elif reason == "hidden":
        machine.hidden = not is_out
    elif reason == "longest":
        machine.disk.longest = 143 if is_out else 255
    else:
        setattr(machine.disk, reason, is_out)


@pytest.mark.parametrize(
    "done", ["nothing", "deleted by bob", "edited by bob", "removed by ann", "edited by ann"]
)
@pytest.mark.parametrize("reason", REASONS)
def test_what_is_out_for_a_while_is_removed_nowhere(reason: str, done: str) -> None:
    """Also when the file, or the history's, goes or changes meanwhile."""
    path, (ann, bob) = REASONS[reason], two_machines()
    ann.disk.write(path, b"1")
    ann.disk.write("other", b"o")
    settled(ann, bob)
    leave_out(bob, reason, True)
    assert bob.sync() is not None
    if done.endswith("by bob"):
        bob.disk.files.pop(path)
    if done == "edited by bob":
        bob.disk.write(path, b"2")
    if done.endswith("by ann"):
        ann.disk.files.pop(path)
    if done == "edited by ann":
        ann.disk.write(path, b"2")
    ann_follows = reason == "ignored"  # the ignore file is everybody's
    for machine in (ann, bob) if not ann_follows else (bob,):
        assert machine.sync() is not None
    leave_out(bob, reason, False)
    bob.sync()
    tree = settled(ann, bob)
    kept = {tree[one] for one in tree if one.startswith(path[:1])} - {b""}
    if ann_follows and done == "removed by ann":
        assert not kept, "she removed it where nothing kept it out: that is a removal"
    else:
        assert kept >= ({b"2"} if "edited" in done else {b"1"})
    assert tree["other"] == b"o"


def test_what_has_not_arrived_is_no_removal_and_moves_nothing() -> None:
    ann, bob = two_machines()
    ann.disk.write("x", b"1")
    settled(ann, bob)
    ann.disk.write("x", b"2")
    ann.disk.write("y", b"3")
    ann.sync()
    bob.remote.missing = {entry.content for entry in ann.remote.common.tree.values()}
    bob.disk.write("x", b"bob's")
    report = bob.sync()
    assert report is not None and set(report.said) == {"x", "y"} and bob.disk.tree() == {"x": b"bob's"}
    bob.remote.missing = set()
    assert settled(bob, ann) == {"x": b"2", "y": b"3", "x (conflict, bob, @3)": b"bob's"}


@pytest.mark.parametrize("bit", [False, True])
def test_where_files_have_no_executable_bit_nobody_is_told_that_it_changed(bit: bool) -> None:
    ann, bob = two_machines()
    bob.disk.bit = bit
    for path in ("program", "text"):
        ann.disk.write(path, path.encode())
    ann.disk.files["program"].executable = True
    settled(ann, bob)
    height = ann.remote.common.height
    assert settled(bob, ann) and ann.remote.common.height == height
    bob.disk.write("program", b"edited")
    bob.disk.write("new", b"new")
    settled(bob, ann)
    assert {path: like.executable for path, like in ann.remote.common.tree.items()} == {
        "program": True,
        "text": False,
        "new": False,
    }
    ann.disk.set_executable("text", True)
    settled(ann, bob)
    assert ann.remote.common.tree["text"].executable
    report = bob.sync()
    assert report is not None and not report.said and not report.again


def test_an_emptied_folder_asks_first() -> None:
    ann, bob = two_machines()
    for number in range(4):
        ann.disk.write(f"{number}", b"%d" % number)
    settled(ann, bob)
    bob.disk.files.clear()
    report = bob.sync(approved=False)
    assert report is not None and report.braked == 4 and len(ann.remote.common.tree) == 4
    assert settled(bob, ann) == {}


def test_a_renamed_folder_does_not_ask() -> None:
    ann, bob = two_machines()
    for number in range(4):
        ann.disk.write(f"old/{number}", b"%d" % number)
    settled(ann, bob)
    for number in range(4):
        ann.disk.files[f"new/{number}"] = ann.disk.files.pop(f"old/{number}")
    ann.disk.folders |= {"new"}
    report = ann.sync(approved=False)
    assert report is not None and not report.braked
    inodes = {file.inode for file in bob.disk.files.values()}
    assert set(settled(bob, ann)) == {f"new/{number}" for number in range(4)}
    assert {file.inode for file in bob.disk.files.values()} == inodes, "renamed, not written again"


def scene(seed: int) -> tuple[Machine, Machine]:
    """Two machines that agreed once and were changed apart since; bob has everything to do."""
    random = Random(seed)
    ann, bob = two_machines()
    for path in random.sample(PATHS, 4):
        change(ann.disk, path, random)
    settled(ann, bob)
    for machine in (ann, bob):
        for path in random.sample(PATHS, 3):
            change(machine.disk, path, random)
    ann.sync()
    return ann, bob


def change(disk: MemoryDisk, path: str, random: Random) -> None:
    if path in disk.files and random.random() < 0.3:
        del disk.files[path]
        return
    for other in [*disk.files]:
        if other.startswith(f"{path}/") or path.startswith(f"{other}/"):
            del disk.files[other]
    disk.folders = {folder for folder in disk.folders if not f"{folder}/".startswith(f"{path}/")}
    disk.write(path, b"%x" % random.randrange(2**32))


@cache
def undisturbed(seed: int) -> dict[str, bytes | None]:
    """What is at the paths in the end where nothing goes wrong."""
    ann, bob = scene(seed)
    tree = settled(bob, ann)
    return {path: tree.get(path) for path in PATHS}


def kept(
    seed: int,
    kill_at: int,
    *,
    full: bool = False,
    broken: Collection[int] = (),
    power: Random | None = None,
) -> bool:
    """Whether the kill came (with `power`, a power cut); nothing is lost in any case, and nothing is there
    that nobody wrote. The disk is `full`, or calls are `broken`."""
    ann, bob = scene(seed)
    bob.disk.full, bob.disk.broken = full, set(broken)
    on_disk = {*ann.disk.tree().values(), *bob.disk.tree().values()}
    known = on_disk | {*ann.remote.contents.values()}
    killed = False
    with suppress(OSError):  # its root could not be read, nor its probe written
        killed = bob.sync(kill_at, power) is None
    in_reach = {*bob.disk.tree().values(), *ann.remote.contents.values()}
    assert on_disk <= in_reach
    with suppress(OSError):
        bob.sync(kill_at // 2, power)  # and once more, on the way back
    bob.disk.full, bob.disk.broken = False, set()
    tree = settled(bob, ann)
    assert on_disk <= {*tree.values(), *ann.remote.contents.values()}
    assert {*tree.values(), *ann.remote.contents.values()} <= known
    assert {path: tree.get(path) for path in PATHS} == undisturbed(seed), "nothing old came back as an edit"
    assert set(tree) == set(ann.remote.common.tree)
    return killed


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_between_any_two_calls_loses_nothing(seed: int) -> None:
    kill_at = 0
    while kept(seed, kill_at):
        kill_at += 1
    assert kill_at > 20


@pytest.mark.parametrize("seed", range(3))
def test_nor_does_a_power_cut(seed: int) -> None:
    """What takes its place was on disk before, and the base knows only what is."""
    kill_at = 0
    while kept(seed, kill_at, power=Random(kill_at)):
        kill_at += 1
    assert kill_at > 20


class Oldest(Random):
    """Of several moments, the first."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


def test_the_base_knows_nothing_that_a_power_cut_takes_back() -> None:
    """Else what was there before would seem an edit, and be put over the newer one."""
    for kill_at in range(60):
        ann, bob = two_machines()
        ann.disk.write("x", b"1")
        settled(ann, bob)
        ann.disk.write("x", b"2")
        ann.sync()
        bob.sync(kill_at, Oldest(kill_at))
        assert settled(bob, ann) == {"x": b"2"}


def test_what_stands_in_the_place_of_a_file_whose_removal_waits_is_not_set_aside() -> None:
    ann, bob = two_machines()
    ann.disk.write("a", b"1")
    settled(ann, bob)
    del bob.disk.files["a"]
    bob.disk.write("a/f", b"2")
    bob.remote.common.open.append(("bob", Remove("a", like(b"1").content)))
    planned = plan(
        Trees(
            base=bob.base.agreed(),
            local={"a/f": Found(like(b"2"), Identity(0, 1, 0))},
            remote=bob.remote.version().entries,
            waiting=bob.remote.version().waiting,
            folders={"a"},
        ),
        name="bob",
        height=1,
    )
    assert planned.steps == () and "waits until" in planned.said["a/f"]
    assert settled(bob, ann) == {"a/f": b"2"}


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_twenty_thousand_kills_on_full_and_broken_disks() -> None:
    for seed in range(20_000):
        unlucky(seed)


def unlucky(seed: int) -> None:
    """A kill or a power cut, and with it (two in three) a full disk or calls that fail."""
    random = Random(seed)
    kind = random.randrange(3)
    broken = {random.randrange(200) for _ in range(random.randrange(1, 6))} if kind == 2 else ()
    power = random if random.random() < 0.5 else None
    kept(seed, random.randrange(160), full=kind == 1, broken=broken, power=power)


def test_whatever_goes_wrong_nothing_is_lost() -> None:
    for seed in range(150):
        unlucky(seed)


def test_what_cannot_be_made_durable_takes_no_place() -> None:
    ann, bob = two_machines()
    ann.disk.write("x", b"1")
    ann.disk.write("y", b"1")
    settled(ann, bob)
    ann.disk.write("x", b"2")
    ann.disk.write("y", b"2")
    ann.sync()
    bob.disk.broken_flush = True
    report = bob.sync()
    assert report is not None and report.said == dict.fromkeys(("x", "y"), "input/output error")
    assert bob.disk.tree() == {"x": b"1", "y": b"1"} and report.again
    bob.disk.broken_flush = False
    assert settled(bob, ann) == {"x": b"2", "y": b"2"}


@pytest.mark.parametrize("seed", range(24))
def test_a_person_at_work_meanwhile_loses_nothing(seed: int) -> None:
    """Somebody saves a file, as editors do, at some call of a sync."""
    ann, bob = scene(seed)
    random = Random(seed + 1000)
    at = random.randrange(60)
    saved = b"saved meanwhile"

    def meddle(disk: MemoryDisk) -> None:
        if disk.calls == at:
            for path in sorted(disk.files):
                if ".asl-" not in path:
                    disk.write(path, saved)
                    return

    on_disk = {*ann.disk.tree().values()}
    bob.disk.meddle = meddle
    bob.sync()
    bob.disk.meddle = None
    done = saved in bob.disk.tree().values() or saved in ann.remote.contents.values() or bob.disk.calls < at
    assert done or not bob.disk.files
    tree = settled(bob, ann)
    assert on_disk <= {*tree.values(), *ann.remote.contents.values()}


@pytest.mark.parametrize("seed", range(40))
def test_who_writes_in_place_loses_nothing_either(seed: int) -> None:
    """Somebody opens a file at some call of a sync, writes at a later one, and closes it at a later still."""
    ann, bob = scene(seed)
    random = Random(seed + 2000)
    opened, written, closed = sorted(random.randrange(90) for _ in range(3))
    held: list[Any] = []

    def meddle(disk: MemoryDisk) -> None:
        paths = sorted(path for path in disk.files if ".asl-" not in path)
        if disk.calls == opened and paths:
            held.append(disk.open_to_write(random.choice(paths)))
        if disk.calls == written and held:
            disk.write_in_place(held[0], b"written in place")
        if disk.calls == closed and held:
            disk.writers.clear()

    bob.disk.meddle = meddle
    bob.sync()
    bob.disk.meddle = None
    is_written = bool(held) and held[0].data == b"written in place"
    bob.disk.writers.clear()
    tree = settled(bob, ann)
    assert not is_written or b"written in place" in {*tree.values(), *ann.remote.contents.values()}


def test_a_file_that_is_being_written_waits_until_it_is_closed() -> None:
    ann, _ = two_machines()
    ann.disk.write("log", b"1")
    ann.disk.write("other", b"1")
    file = ann.disk.open_to_write("log")
    report = ann.sync()
    assert report is not None and report.said == {"log": "is being written"} and report.again
    assert set(ann.remote.common.tree) == {"other"}
    for _ in range(30):
        ann.disk.tick()  # open for long, and not changed for long: as it is
    ann.sync()
    assert set(ann.remote.common.tree) == {"other", "log"}
    ann.disk.write_in_place(file, b"2")
    report = ann.sync()
    assert report is not None and report.said == {"log": "is being written"}, "no removal, no half of it"
    ann.disk.writers.clear()
    assert ann.sync() is not None and ann.remote.common.tree["log"] == like(b"2")


def test_a_full_disk_is_said_and_changes_nothing() -> None:
    ann, bob = two_machines()
    ann.disk.write("x", b"1")
    settled(ann, bob)
    ann.disk.write("x", b"22")
    ann.sync()
    bob.disk.full = True
    report = bob.sync()
    assert report is not None and report.said == {"x": "no space left on device"}
    assert bob.disk.tree() == {"x": b"1"}
    bob.disk.full = False
    assert settled(bob, ann) == {"x": b"22"}


def test_what_is_refused_is_not_proposed_again_as_it_was() -> None:
    """A witness that refuses everything is asked once, not in every round and at every look."""
    ann, _ = two_machines()
    ann.disk.write("x", b"1")
    ann.remote.stubborn = True
    refused: set[TreeStep] = set()
    for _ in range(3):
        report = Sync(ann.disk, ann.base, ann.remote, refused=refused).run()
        assert "x" in report.said
    assert ann.remote.proposed == 1
    ann.disk.write("x", b"2")
    Sync(ann.disk, ann.base, ann.remote, refused=refused).run()
    assert ann.remote.proposed == 2, "it changed, so it is asked again"
