"""First discovery between two network namespaces, joined by one cable: how long until both know each other.

Each side is a process that runs the daemon's discovery and nothing else (`benchmarks.ours.discovering`); the
first is up, the second starts. Processes of one machine share the monotonic clock.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cluster import BenchmarkError, Unavailable
from benchmarks.processes import Child

FOUND_S_MAX = 30.0
NO_DAD = ("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.dad_transmits=0")


def discovery_s(rounds: int, directory: Path) -> float:
    """Seconds from the start of the second to the later of the two findings, the median of `attempts`.

    Raises `Unavailable` without root or without `ip`.
    """
    if os.geteuid() != 0:
        raise Unavailable("discovery needs root, for network namespaces")
    if shutil.which("ip") is None:
        raise Unavailable("discovery needs `ip` (Debian: apt install iproute2)")
    with _two_namespaces() as names:
        return statistics.median(_once(names, directory / f"round-{number}") for number in range(rounds))


def _once(names: tuple[str, str], directory: Path) -> float:
    directory.mkdir()
    secret = secrets.token_hex(32)
    logs = [directory / "first.log", directory / "second.log"]
    children = []
    try:
        for name, log in zip(names, logs, strict=True):
            command = [sys.executable, "-m", "benchmarks.ours.discovering", secret]
            children.append(Child(["ip", "netns", "exec", name, *command], log))
            _wait_said(children[-1], log, "ready")
        began = _wait_said(children[1], logs[1], "starting")
        return max(_wait_said(child, log, "found") for child, log in zip(children, logs, strict=True)) - began
    finally:
        for child in children:
            child.terminate()


def _wait_said(child: Child, log: Path, event: str) -> float:
    """When a process said that `event` happened."""
    deadline = time.perf_counter() + FOUND_S_MAX
    while True:
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n") and event in (said := json.loads(line)):
                return float(said[event])
        child.check()
        if time.perf_counter() > deadline:
            raise BenchmarkError(f"no {event} in {FOUND_S_MAX:.0f} s")
        time.sleep(0.005)


@contextmanager
def _two_namespaces() -> Iterator[tuple[str, str]]:
    """Two namespaces with a cable between them, removed at the end. Their addresses work at once, without
    duplicate detection, which is the kernel's time and not ours."""
    names = f"aslbench-{os.getpid()}-1", f"aslbench-{os.getpid()}-2"
    made: list[str] = []
    try:
        for name in names:
            _ip("netns", "add", name)
            made.append(name)
            _ip("netns", "exec", name, "sysctl", "-qw", *NO_DAD)
        _ip("-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "eth0", "netns", names[1])
        for number, name in enumerate(names, 1):
            for interface in ("lo", "eth0"):
                _ip("-n", name, "link", "set", interface, "up")
            _ip("-n", name, "addr", "add", f"10.79.0.{number}/24", "dev", "eth0")
            _ip("-n", name, "route", "add", "224.0.0.0/4", "dev", "eth0")
        yield names
    finally:
        for name in made:
            _ip("netns", "del", name)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"discovery needs network namespaces: ip {' '.join(words)}: {done.stderr.strip()}")
