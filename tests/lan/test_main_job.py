"""The main job, for real: from nothing to a household's files in one signed history on every machine.

Real daemons, each in a network namespace with an address of its own, that know nothing but an invite and find
each other by mDNS. What is put in on one is on the others: witnessed, verified, in order, and equal to the
byte by `sha256sum`; through cut cables, kills, and latecomers.
"""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path

import pytest

from aslp2p.limits import MIB
from tests.lan.conftest import BuildHousehold
from tests.lan.machines import (
    PATIENCE_S,
    Machine,
    copy_tracked_files,
    found,
    sum_of,
    sums,
    wait_equal,
    wait_joined,
    write_large,
)
from tests.lan.rig import wait_until

pytestmark = pytest.mark.lan

LARGE_BYTES = 300_000_000
MIDDLING_BYTES = 24 * MIB
ROUNDS = 2


def check_out_everywhere(machines: list[Machine], folder: Path) -> dict[str, str]:
    """Check the head out on every machine; the sums, which are the same on all."""
    found = []
    for machine in machines:
        target = folder / f"{machine.name}-has"
        machine.asl("checkout", target)
        found.append(sums(target))
    assert all(one == found[0] for one in found)
    return found[0]


def test_a_households_files_are_on_every_machine(build_household: BuildHousehold, tmp_path: Path) -> None:
    _, machines = build_household("anna", "ben", "cleo")
    anna, ben, cleo = machines
    found(anna, ben, cleo)
    source = tmp_path / "source"
    assert copy_tracked_files(source / "project") > 100
    write_large(source / "film", LARGE_BYTES)

    ben.asl("put", "-r", f"{source}/project", "work/")
    cleo.asl("put", source / "film", "films/film")
    height = wait_equal(machines)
    assert height >= 4, "founded, two joined, two puts"

    expected = {f"work/project/{path}": sum_ for path, sum_ in sums(source / "project").items()}
    expected["films/film"] = sum_of(source / "film")
    assert check_out_everywhere(machines, tmp_path) == expected
    ben.asl("get", "films/film", "-o", tmp_path / "got")
    assert sum_of(tmp_path / "got") == expected["films/film"]
    for machine in machines:
        assert machine.json("verify")["failure"] is None
        assert machine.asl("status").startswith(f"Common: home@{height} (witness: anna)\n")
        assert machine.stop() == 0, "SIGTERM ends it cleanly"
        assert machine.asl("ls", "work/project/README.md"), "a stopped home can be read"


def test_a_cut_cable_and_its_healing(build_household: BuildHousehold, tmp_path: Path) -> None:
    lan, machines = build_household("anna", "ben", "cleo")
    anna, ben, cleo = machines
    found(*machines)
    write_large(tmp_path / "film", MIDDLING_BYTES)

    lan.cut(ben.host)
    ben.asl("put", "--no-wait", tmp_path / "film", "from-ben")
    anna.asl("put", "-", "from-anna", stdin="while ben was away\n")
    wait_until(lambda: "from-anna" in cleo.paths(), PATIENCE_S, "the others go on")
    assert "from-anna" not in ben.paths()
    lan.heal(ben.host)
    wait_until(lambda: {"from-anna", "from-ben"} <= cleo.paths(), PATIENCE_S, "the cable is healed")

    writing = threading.Thread(target=lambda: cleo.asl("put", tmp_path / "film", "through-the-cut"))
    writing.start()
    wait_until(lambda: cleo.call("status")["commons"][0]["live"]["links"], PATIENCE_S, "cleo is linked")
    lan.cut(cleo.host)
    anna.asl("put", "-", "meanwhile", stdin="while cleo was away\n")
    lan.heal(cleo.host)
    writing.join(PATIENCE_S)
    wait_equal(machines)
    have = check_out_everywhere(machines, tmp_path)
    assert set(have) == {"from-ben", "from-anna", "through-the-cut", "meanwhile"}
    assert have["from-ben"] == have["through-the-cut"] == sum_of(tmp_path / "film")


def test_a_latecomer_gets_everything(build_household: BuildHousehold, tmp_path: Path) -> None:
    lan, (anna, ben) = build_household("anna", "ben")
    found(anna, ben)
    write_large(tmp_path / "film", MIDDLING_BYTES)
    copy_tracked_files(tmp_path / "project")
    anna.asl("put", "-r", f"{tmp_path}/project/aslp2p", "work/")
    ben.asl("put", tmp_path / "film", "film")

    late = Machine(lan.add_host(), tmp_path, "late")
    late.asl("join", ben.json("invite")["invite"], "--name", late.name)
    late.up()
    wait_joined(anna, ben, late)
    machines = [anna, ben, late]
    wait_equal(machines)
    expected = {f"work/aslp2p/{path}": sum_ for path, sum_ in sums(tmp_path / "project" / "aslp2p").items()}
    assert check_out_everywhere(machines, tmp_path) == {**expected, "film": sum_of(tmp_path / "film")}


class Writer:
    """Somebody who puts three files at a time on one machine, as fast as `asl` lets them.

    `acknowledged` are those of which `asl` said that they are witnessed, or signed and pending.
    """

    def __init__(self, machine: Machine, folder: Path) -> None:
        self.machine = machine
        self.acknowledged: set[str] = set()
        self.stopping = threading.Event()
        self._folder = folder / f"{machine.name}-writes"
        self._thread = threading.Thread(target=self._write)
        self._failed: BaseException | None = None
        self._thread.start()

    def wait_for_more(self) -> None:
        """Until more is acknowledged than now."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before, PATIENCE_S, f"{self.machine!r} writes")

    def stop(self) -> None:
        self.stopping.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def _write(self) -> None:
        try:
            number = 0
            while not self.stopping.is_set():
                number += 1
                self._put(f"{self.machine.name}-{number}")
        except BaseException as error:
            self._failed = error

    def _put(self, name: str) -> None:
        batch = self._folder / name
        batch.mkdir(parents=True)
        for size in (10, 5_000, 50_000):
            (batch / str(size)).write_bytes(f"{name}/{size} ".encode() * (size // 10))
        done = self.machine.type("--json", "put", "-r", batch, "writes/")
        if done.returncode == 3:  # no daemon now
            batch.rename(batch.with_suffix(".refused"))
        elif done.returncode == 0:
            answer = json.loads(done.stdout)
            assert not answer["rejected"] and not answer["problems"]
            self.acknowledged.update(one["what"] for one in answer["witnessed"] + answer["pending"])
        # Whoever is killed meanwhile has promised nothing.
        elif "Traceback" in done.stderr or len(done.stderr.splitlines()) > 5:
            raise AssertionError(done.stderr)


def test_killed_at_any_moment_nothing_acknowledged_is_lost(
    build_household: BuildHousehold, tmp_path: Path
) -> None:
    _, machines = build_household("anna", "ben", "cleo")
    found(*machines)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    writers = [Writer(machine, tmp_path) for machine in machines]
    try:
        for _ in range(ROUNDS):
            for machine, writer in zip(machines, writers, strict=True):
                writer.wait_for_more()
                time.sleep(chance.random())  # not to wait for anything: any moment will do
                machine.kill()
                machine.up()
    finally:
        for writer in writers:
            writer.stop()
    wait_equal(machines)
    acknowledged = set().union(*(writer.acknowledged for writer in writers))
    have = check_out_everywhere(machines, tmp_path)
    assert acknowledged <= set(have)
    for path in acknowledged:
        name, _, size = path.removeprefix("writes/").partition("/")
        source = tmp_path / f"{name.partition('-')[0]}-writes" / name / size
        assert (tmp_path / "anna-has" / path).read_bytes() == source.read_bytes()
    for machine in machines:
        machine.stop()
        machine.asl("fsck")
