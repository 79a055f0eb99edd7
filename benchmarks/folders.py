"""`python -m benchmarks.folders`: a tree of many files kept alike in two folders, by aslp2p and by Syncthing.

Both run two nodes on loopback with nothing else to find. A figure is the time from the command until the
other folder holds the same: `asl sync` on both sides here, a scan on both sides there. Then both watch their
folders, with their own defaults, and one file is edited a few times: from the edit until the other folder has
it, the median. The two do different work: aslp2p signs and keeps every version, Syncthing keeps the last.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Protocol

import click

from benchmarks.ours.control import Asking
from benchmarks.ours.homes import found
from benchmarks.ours.nodes import ASL, up_command, wait_for
from benchmarks.processes import Child, free_ports

PATIENCE_S = 3600.0
EDIT = "an edit, watched"
EDITS = 5
_LOOK_S = 0.2
_EDIT_LOOK_S = 0.01
_PAUSE_S = 4.0
_KEY = "benchmark"


class Pair(Protocol):
    """Two folders that one program keeps alike."""

    def sync(self) -> None:
        """Have both looked at, once; what is under way when this returns is waited for by who asked."""

    def follow(self) -> None:
        """Have both watched from now on."""


class Ours:
    """Two homes of one Common with their daemons, and `asl sync`."""

    def __init__(self, place: Path, folders: list[Path]) -> None:
        self._folders = folders
        self._household = found(place, 2)
        ports = free_ports(2)
        self.children = [Child(up_command(self._household, ports, n), place / f"n{n}.log") for n in (0, 1)]
        for node in (0, 1):
            asking = Asking(self._household.homes[node].path)
            wait_for(f"node {node} up", partial(asking, "version"), self.children)
            asking.close()

    def sync(self) -> None:
        for home, folder in zip(self._household.homes, self._folders, strict=True):
            command = [*ASL, "--home", str(home), "sync", str(folder), "--hidden", "--approve"]
            subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)

    def follow(self) -> None:
        for home, folder in zip(self._household.homes, self._folders, strict=True):
            command = [*ASL, "--home", str(home), "folder", "add", str(folder), "--hidden"]
            subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True)


class Syncthing:
    """Two of them, each told of the other, with no discovery, no relay and no watcher."""

    def __init__(self, place: Path, folders: list[Path]) -> None:
        ports = free_ports(4)
        self._gui, listen = ports[:2], ports[2:]
        self.children = []
        for node in (0, 1):
            settings = (f"STGUIADDRESS=127.0.0.1:{self._gui[node]}", f"STGUIAPIKEY={_KEY}")
            home = place / f"s{node}"
            home.mkdir()
            command = ["env", *settings, "STNODEFAULTFOLDER=1", "STNOUPGRADE=1", "syncthing", "serve"]
            command += [f"--home={home}", "--no-browser", "--no-restart"]
            self.children.append(Child(command, place / f"s{node}.log"))
        for node in (0, 1):
            wait_for("Syncthing", partial(self._status, node), self.children)
        ids = [str(self._status(node)["myID"]) for node in (0, 1)]
        for node in (0, 1):
            options = {"listenAddresses": [f"tcp://127.0.0.1:{listen[node]}"], "urAccepted": -1}
            off = ("globalAnnounceEnabled", "localAnnounceEnabled", "natEnabled", "relaysEnabled")
            self._ask(node, "PATCH", "config/options", options | dict.fromkeys(off, False))
            other = {"deviceID": ids[1 - node], "addresses": [f"tcp://127.0.0.1:{listen[1 - node]}"]}
            self._ask(node, "PUT", f"config/devices/{ids[1 - node]}", other)
        for node in (0, 1):
            folder = {"id": "bench", "path": str(folders[node]), "fsWatcherEnabled": False}
            folder |= {"rescanIntervalS": 0, "devices": [{"deviceID": one} for one in ids]}
            self._ask(node, "PUT", "config/folders/bench", folder)

    def sync(self) -> None:
        for node in (0, 1):
            self._ask(node, "POST", "db/scan?folder=bench", None)

    def follow(self) -> None:
        for node in (0, 1):
            self._ask(node, "PATCH", "config/folders/bench", {"fsWatcherEnabled": True})

    def _status(self, node: int) -> Any:
        try:
            return self._ask(node, "GET", "system/status", None)
        except OSError:
            return None

    def _ask(self, node: int, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self._gui[node]}/rest/{path}"
        request = urllib.request.Request(url, data, {"X-API-Key": _KEY}, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else {}


Kind = type[Ours] | type[Syncthing]
_NAMES: dict[Kind, str] = {Ours: "aslp2p", Syncthing: "Syncthing"}


def make_tree(folder: Path, count: int) -> None:
    """`count` files of 100 to 4,000 bytes, 10 to 200 in a folder; the same each time."""
    random = Random(count)
    for number in range(count):
        file = folder / f"{number % 100:02d}" / f"{number // 100 % 10}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(random.randbytes(random.choice((100, 1000, 4000))))


def tree_of(folder: Path) -> dict[str, bytes]:
    """What is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.txt")}


def change_some(folder: Path) -> None:
    """One in a hundred."""
    for file in sorted(folder.rglob("*.txt"))[::100]:
        file.write_bytes(os.urandom(1000))


def rename_one(folder: Path) -> None:
    """A folder with a hundredth of the files."""
    (folder / "00").rename(folder / "renamed")


STEPS: dict[str, Callable[[Path], None]] = {
    "first": lambda _: None,
    "nothing changed": lambda _: None,
    "1 % changed": change_some,
    "folder renamed": rename_one,
}


@contextmanager
def running(kind: Kind, place: Path, folders: list[Path]) -> Iterator[Pair]:
    """A pair, whose processes are ended."""
    pair = kind(place, folders)
    try:
        yield pair
    finally:
        for child in pair.children:
            child.kill()


def edit_s(folders: list[Path], text: str) -> float:
    """Seconds from an edit in the first folder until the second has it."""
    (folders[0] / "edited.txt").write_text(text)
    began = time.perf_counter()
    there = folders[1] / "edited.txt"
    while not (there.exists() and there.read_text() == text):
        if time.perf_counter() - began > PATIENCE_S:
            raise click.ClickException(f"an edit has not come in {PATIENCE_S:g} s")
        time.sleep(_EDIT_LOOK_S)
    return time.perf_counter() - began


def measure(kind: Kind, count: int, *, edits: int = EDITS) -> Iterator[tuple[str, float]]:
    """(step, seconds) as they come."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        folders = [place / "one", place / "two"]
        for folder in folders:
            folder.mkdir()
        make_tree(folders[0], count)
        with running(kind, place, folders) as pair:
            for step, change in STEPS.items():
                change(folders[0])
                wanted = tree_of(folders[0])
                began = time.perf_counter()
                pair.sync()
                while tree_of(folders[1]) != wanted:
                    if time.perf_counter() - began > PATIENCE_S:
                        raise click.ClickException(f"{_NAMES[kind]}: {step}: not alike in {PATIENCE_S:g} s")
                    time.sleep(_LOOK_S)
                    if kind is Ours:
                        pair.sync()
                yield step, time.perf_counter() - began
            pair.follow()
            edit_s(folders, "the first, until all is followed")
            times = []
            for number in range(edits):
                time.sleep(_PAUSE_S)  # the folders come to rest
                times.append(edit_s(folders, f"edit {number}"))
            yield EDIT, statistics.median(times)


@click.command()
@click.option("--files", default=20_000, show_default=True, help="How many files the tree has.")
def main(files: int) -> None:
    """Measure, and print a table in Markdown."""
    kinds: list[Kind] = [Ours]
    if shutil.which("syncthing"):
        kinds.append(Syncthing)
    figures = {_NAMES[kind]: dict(measure(kind, files)) for kind in kinds}
    click.echo(f"| {files:,} files | {' | '.join(f'{name}, s' for name in figures)} |")
    click.echo(f"|---|{'---|' * len(figures)}")
    for step in (*STEPS, EDIT):
        click.echo(f"| {step} | {' | '.join(f'{one[step]:.1f}' for one in figures.values())} |")
    if len(kinds) == 1:
        click.echo("Syncthing is not installed (Debian: apt install syncthing)", err=True)


if __name__ == "__main__":
    main()
