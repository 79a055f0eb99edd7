"""`python -m benchmarks.bulk`: large files and many of them, from one machine to another, by aslp2p and by
Syncthing.

Both run two nodes on loopback with nothing else to find (`folders`). A figure is the time from the command
until the other folder holds the same, and what the daemons and commands of both machines took for it:
processor time, the largest resident memory of one process, and bytes written to the disk. The work is not the
same: aslp2p signs, and keeps every version beside the folder on both machines, Syncthing keeps the last.
"""

from __future__ import annotations

import base64
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from filecmp import cmp
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from threading import Thread

import click

from benchmarks.folders import Ours, Syncthing
from benchmarks.ours.control import Asking
from benchmarks.ours.nodes import ASL
from benchmarks.processes import Child, cpu_s

PATIENCE_S = 3600.0
MIB = 1 << 20
_LOOK_S = 0.02
_ASK_S = 0.2
"""Asking takes the daemons' time."""
_PUT_LOOK_S = 0.001
_CALM_PUTS = 50
_SETTLED_S = 3.0
"""Until what was made looks as if it had been there: the time of a file that is just written says little."""
_BLOCK_BYTES = 512
"""What the system counts blocks in."""


@dataclass(frozen=True)
class Cost:
    """What one piece of work took."""

    seconds: float
    processor_s: float
    peak_mib: float
    written_bytes: int


class Sides:
    """Two machines that keep a folder each alike, and their processes."""

    children: list[Child]

    def bring_over(self, is_there: Callable[[], bool]) -> None:
        """Have the first folder's changes brought to the second, until `is_there`."""


class OursByCommand(Ours, Sides):
    """`asl put` on the one side, and `asl checkout` on the other once its daemon has all that the history
    names."""

    def bring_over(self, is_there: Callable[[], bool]) -> None:
        """As `Sides` says."""
        self.run_asl(0, "put", "-r", f"{self._folders[0]}/", "tree/")
        self.wait_for_all()
        self.run_asl(1, "checkout", str(self._folders[1]), "tree")
        while not is_there():
            _wait(self.children)

    def wait_for_all(self) -> None:
        """Until the second daemon shows what the first shows, and has all of it."""
        asked = [Asking(home.path) for home in self._household.homes]
        try:
            while not (_height(asked[1]) == _height(asked[0]) and _has_all(asked[1])):
                _wait(self.children, _ASK_S)
        finally:
            for one in asked:
                one.close()

    def run_asl(self, side: int, *arguments: str) -> None:
        """One command. Raises `click.ClickException` if it fails."""
        command = [*ASL, "--home", str(self._household.homes[side]), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
        if done.returncode:
            raise click.ClickException(f"{arguments}: {done.stderr.decode()}")

    def put_seconds(self, number: int) -> float:
        """One put of 200 B on the second side until the witness, the first, has listed it."""
        asking = Asking(self._household.homes[1].path)
        data = base64.b64encode(os.urandom(200)).decode()
        began = time.perf_counter()
        proposal = asking("put", path=f"small/{number}", data=data)["proposal"]
        while asking("settled", ids=[proposal])["settled"][0]["state"] == "pending":
            time.sleep(_PUT_LOOK_S)
        seconds = time.perf_counter() - began
        asking.close()
        return seconds


class SyncthingByScan(Syncthing, Sides):
    """A scan on the one side; the rest is its own."""

    def bring_over(self, is_there: Callable[[], bool]) -> None:
        """As `Sides` says."""
        self._ask(0, "POST", "db/scan?folder=bench", None)
        while not is_there():
            _wait(self.children)


def _height(asking: Asking) -> int:
    answer = asking("show")
    return -1 if answer is None else int(answer["height"])


def _has_all(asking: Asking) -> bool:
    (common,) = asking("status")["commons"]
    return not sum((common["live"]["fetching"] or {}).values())


def _wait(children: list[Child], seconds: float = _LOOK_S) -> None:
    for child in children:
        child.check()
    time.sleep(seconds)


# --- what it costs --------------------------------------------------------------------------------


def members_of(session: int) -> list[int]:
    """The processes of a session: a child leads one, and a program may make groups in it."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # ended meanwhile
            if int(fields[3]) == session:
                found.append(int(folder.name))
    return found


def _used(children: list[Child]) -> tuple[float, int]:
    """Processor seconds and bytes written so far: of the children, and of commands that have ended."""
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = commands.ru_utime + commands.ru_stime
    written = commands.ru_oublock * _BLOCK_BYTES
    for pid in (pid for child in children for pid in members_of(child.pid)):
        processor += cpu_s(pid)
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
        written += next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))
    return processor, written


def _peak_mib(children: list[Child]) -> float:
    peaks = [0.0]
    for pid in (pid for child in children for pid in members_of(child.pid)):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peaks.append(int(line.split()[1]) / 1024)
    return max(peaks)


@contextmanager
def costing(children: list[Child]) -> Iterator[list[Cost]]:
    """Adds what the block took."""
    costs: list[Cost] = []
    os.sync()  # what came before is not written now
    processor, written = _used(children)
    began = time.perf_counter()
    yield costs
    seconds = time.perf_counter() - began
    processor_after, written_after = _used(children)
    costs.append(Cost(seconds, processor_after - processor, _peak_mib(children), written_after - written))


# --- the work -------------------------------------------------------------------------------------


def make_file(folder: Path, size: int) -> None:
    """One file of random bytes."""
    with (folder / "film.bin").open("wb") as file:
        for at in range(0, size, MIB):
            file.write(os.urandom(min(MIB, size - at)))


def make_mixed(folder: Path, files: int, size: int) -> None:
    """`files` files of a few bytes to many times the mean, about `size` bytes together, 100 in a folder."""
    random = Random(files)
    weights = [random.lognormvariate(0, 2) for _ in range(files)]
    scale = size / sum(weights)
    for number, weight in enumerate(weights):
        file = folder / f"{number // 100:03d}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(max(1, int(weight * scale))))


def _sizes(folder: Path) -> dict[str, int]:
    """Of the files that a person has put there, by their paths."""
    found = {}
    for path in folder.rglob("*.bin"):
        try:
            found[str(path.relative_to(folder))] = path.stat().st_size
        except FileNotFoundError:
            continue  # it took its place just now
    return found


def measure(
    kind: type[OursByCommand] | type[SyncthingByScan], make: Callable[[Path], None]
) -> Iterator[tuple[str, Cost]]:
    """("first" or "again", what it took), as they come; "again" is with nothing changed.

    Raises `click.ClickException` if the folders are not alike afterwards.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folders = [place / "one", place / "two"]
        for folder in folders:
            folder.mkdir()
        sides = kind(place, folders)
        try:
            make(folders[0])
            os.sync()
            time.sleep(_SETTLED_S)
            wanted = _sizes(folders[0])
            for step in ("first", "again"):
                with costing(sides.children) as costs:
                    sides.bring_over(lambda: _sizes(folders[1]) == wanted)
                yield step, costs[0]
            for path in wanted:
                if not cmp(folders[0] / path, folders[1] / path, shallow=False):
                    raise click.ClickException(f"{path} is not the same on both sides")
        finally:
            for child in sides.children:
                child.kill()


def put_delays(mib: int) -> tuple[float, float]:
    """The median of puts while nothing else happens, and while so many MiB go to the machine that puts."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        sides = OursByCommand(place, [place, place])
        try:
            numbers = count()
            calm = [sides.put_seconds(next(numbers)) for _ in range(_CALM_PUTS)]
            make_file(place, mib * MIB)
            busy: list[float] = []

            def bring_over() -> None:
                sides.run_asl(0, "put", str(place / "film.bin"), "film.bin")
                sides.wait_for_all()

            flowing = Thread(target=bring_over)
            flowing.start()
            while flowing.is_alive():
                busy.append(sides.put_seconds(next(numbers)))
            flowing.join()
            return median(calm), median(busy)
        finally:
            for child in sides.children:
                child.kill()


def lines_of(work: str, size: int, ours: Cost, theirs: Cost | None) -> Iterator[str]:
    """Rows of the table, for one piece of work with `size` bytes."""
    figures: list[tuple[str, Callable[[Cost], float], str]] = [
        ("elapsed, s", lambda one: one.seconds, ".1f"),
        ("processor time, s", lambda one: one.processor_s, ".1f"),
        ("peak memory, MiB", lambda one: one.peak_mib, ".0f"),
        ("written for one byte", lambda one: one.written_bytes / size, ".2f"),
    ]
    for title, of, form in figures:
        other = "-" if theirs is None else format(of(theirs), form)
        ratio = "-" if theirs is None or not of(theirs) else f"{of(ours) / of(theirs):.2f}"
        yield f"| {work}: {title} | {of(ours):{form}} | {other} | {ratio} |"


@click.command()
@click.option("--mib", default=1024, show_default=True, help="How large the one file is.")
@click.option("--files", default=20_000, show_default=True, help="How many files the tree has.")
@click.option("--tree-mib", default=2000, show_default=True, help="How large the tree is.")
@click.option("--quick", is_flag=True, help="128 MiB; 2,000 files of 200 MiB.")
def main(mib: int, files: int, tree_mib: int, quick: bool) -> None:
    """Measure, and print a table in Markdown. Zero leaves a piece of work out."""
    if quick:
        mib, files, tree_mib = 128, 2_000, 200
    works: list[tuple[str, int, Callable[[Path], None]]] = []
    if mib:
        works.append((f"one file of {mib:,} MiB", mib * MIB, lambda folder: make_file(folder, mib * MIB)))
    if files and tree_mib:
        title = f"{files:,} files, {tree_mib:,} MiB"
        works.append((title, tree_mib * MIB, lambda folder: make_mixed(folder, files, tree_mib * MIB)))
    click.echo("| work | aslp2p | Syncthing | ratio |\n|---|---|---|---|")
    for work, size, make in works:
        theirs = dict(measure(SyncthingByScan, make)) if shutil.which("syncthing") else {}
        ours = dict(measure(OursByCommand, make))
        for step, cost in ours.items():
            what = work if step == "first" else f"{work}, nothing changed"
            for line in lines_of(what, size, cost, theirs.get(step)):
                click.echo(line)
    if mib:
        calm, busy = put_delays(mib)
        what = "one put of 200 B until it is listed, ms: calm; while the file flows"
        click.echo(f"| {what} | {calm * 1000:.1f}; {busy * 1000:.1f} | - | {busy / calm:.1f} to calm |")
    if not shutil.which("syncthing"):
        click.echo("Syncthing is not installed (Debian: apt install syncthing)", err=True)


if __name__ == "__main__":
    main()
