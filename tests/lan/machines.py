"""Machines of a household: a host each, a home each, the real `asl` and the real daemon as processes.

What a person does is typed (`asl`, `up`); what a test looks at it asks of the control socket, which is a file
and so can be reached from every namespace. The daemon's log is kept: whatever it called CRITICAL, or a
traceback in it, fails the test that ends with `require_clean_logs`.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aslp2p.control.client import Client
from aslp2p.limits import MIB
from tests.lan.rig import Host, wait_until

ASL = (sys.executable, "-c", "from aslp2p.cli import main; main()")
REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 120.0
"""For what takes a second on a quiet machine."""


class Machine:
    """A host with a home called `name` in `folder`."""

    def __init__(self, host: Host, folder: Path, name: str) -> None:
        self.host = host
        self.name = name
        self.home = folder / name
        self.out = folder / f"{name}.out"
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[Any] | None = None
        self.program: tuple[str, ...] = ASL

    def __repr__(self) -> str:
        return f"<{self.name} on {self.host!r}>"

    # --- what a person types --------------------------------------------------------------------------

    def type(self, *words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `asl` here, however it ends."""
        return self.host.run(
            *self.program,
            "--home",
            self.home,
            *words,
            timeout_s=PATIENCE_S,
            check=False,
            cwd=REPOSITORY,
            input=stdin,
        )

    def asl(self, *words: str | Path, stdin: str = "") -> str:
        """What `asl` says; AssertionError with what it complained about if it does not end with 0."""
        done = self.type(*words, stdin=stdin)
        assert done.returncode == 0, f"{self!r}: asl {words}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.asl("--json", *words))

    def up(self, *words: str) -> None:
        """Start the daemon, and wait until it says that it is ready."""
        self.start(*words)
        self.wait_ready()

    def start(self, *words: str) -> None:
        """Start the daemon."""
        assert self.process is None
        with self.out.open("w") as out, self.log.open("a") as log:
            self.process = self.host.popen(
                *self.program, "--home", self.home, "up", *words, stdout=out, stderr=log, cwd=REPOSITORY
            )

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            return " on port " in self.out.read_text()

        wait_until(ready, PATIENCE_S, f"{self!r} is ready")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the daemon a signal; returns how it ended."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        self.process = None
        return code

    def kill(self) -> None:
        assert self.stop(signal.SIGKILL) == -signal.SIGKILL

    # --- what a test looks at -------------------------------------------------------------------------

    def call(self, method: str, **params: Any) -> Any:
        with Client.of_home(str(self.home)) as client:
            return client.call(method, **params)

    def head(self, common: str = "") -> tuple[int, str]:
        """(height, snapshot id)"""
        summary = self.call("summary", common=common)
        return summary["height"], summary["head"]

    def links(self, common: str = "") -> set[str]:
        """The keys of those that it is linked with."""
        return {peer["key"] for peer in self.call("peers", common=common)["peers"]}

    @property
    def key(self) -> str:
        return str(self.json("self")["key"])

    @property
    def port(self) -> int:
        return int((self.home / "port").read_text())

    @property
    def address(self) -> str:
        """Where it can be dialled."""
        return f"{self.host.ip}:{self.port}"

    def paths(self, common: str = "") -> set[str]:
        """Every file of the head."""
        return {entry["path"] for entry in self._entries(common)}

    def has_all(self, common: str = "") -> bool:
        """Whether the content of every file of the head is here."""
        return all(
            not self.call("content.missing", common=common, id=entry["content"], size=entry["size"])[
                "missing"
            ]
            for entry in self._entries(common)
        )

    def _entries(self, common: str) -> Iterable[dict[str, Any]]:
        after: str | None = ""
        while after is not None:
            page = self.call("ls", common=common, after=after)
            yield from page["entries"]
            after = page["next"]


def found(first: Machine, *others: Machine, common: str = "home", up: Sequence[str] = ()) -> str:
    """`init` on the first, `join` on the others, daemons on all; returns the invite."""
    first.asl("init", common, "--name", first.name)
    first.up(*up)
    invite = str(first.json("invite", "--uses", str(max(1, len(others))))["invite"])
    for other in others:
        other.asl("join", invite, "--name", other.name)
        other.start(*up)
    for other in others:
        other.wait_ready()
    wait_joined(first, *others)
    return invite


def wait_joined(*machines: Machine, common: str = "") -> None:
    """Until all are members, as all of them know."""
    names = {machine.name for machine in machines}

    def joined() -> bool:
        return all(
            names <= {member["name"] for member in machine.call("members", common=common)["members"]}
            for machine in machines
        )

    wait_until(joined, PATIENCE_S, f"all know {names}")


def wait_equal(machines: Sequence[Machine], common: str = "", timeout_s: float = PATIENCE_S) -> int:
    """Until all show one head, nothing is pending, and every content is everywhere; returns the height."""

    def equal() -> int:
        heads = {machine.head(common) for machine in machines}
        pending = [machine.call("summary", common=common)["pending"] for machine in machines]
        assert len(heads) == 1 and not any(pending), (heads, pending)
        assert all(machine.has_all(common) for machine in machines), "content is missing"
        ((height, _),) = heads
        return height

    return wait_until(equal, timeout_s, f"one head on {machines}", every_s=0.2)


def require_clean_logs(machines: Iterable[Machine]) -> None:
    """No daemon has met a bug of its own."""
    for machine in machines:
        bad = re.findall(r"^.*(?:CRITICAL|Traceback|InvariantBroken).*$", machine.log.read_text(), re.M)
        assert not bad, f"{machine!r}: {bad[:5]}"


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder`, by `sha256sum`, by its path in it."""
    names = sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and ".asl-checkout" not in path.parts
    )
    listed = subprocess.run(
        ["sha256sum", "--zero", *names], cwd=folder, capture_output=True, text=True, check=True
    )
    return {line[66:]: line[:64] for line in listed.stdout.split("\0") if line}


def sum_of(file: Path) -> str:
    """SHA-256 of one file, by `sha256sum`."""
    done = subprocess.run(
        ["sha256sum", file.name], cwd=file.parent, capture_output=True, text=True, check=True
    )
    return done.stdout[:64]


def copy_tracked_files(target: Path) -> int:
    """This repository's own tracked files, below `target`; returns how many."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name and (REPOSITORY / name).is_file()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((REPOSITORY / name).read_bytes())
    return len(names)


def write_large(path: Path, size: int) -> None:
    """A file of `size` bytes, of which no two chunks are equal; the same each time."""
    chance = random.Random(size)
    with path.open("wb") as file:
        for done in range(0, size, MIB):
            file.write(chance.randbytes(min(MIB, size - done)))
