"""Child processes that cannot outlive the benchmark, and what /proc says about them (Linux).

Each child leads a process group of its own, is killed by the kernel when this process dies in whatever way
(PR_SET_PDEATHSIG), and its group is killed at exit.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cluster import BenchmarkError

PR_SET_PDEATHSIG = 1
CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Below the range that the kernel hands to outgoing connections (32768 and up): a stopped node must find
# its port free when it comes back.
PORTS = range(20_000, 32_000)

_libc = ctypes.CDLL(None, use_errno=True)
_running: set[Child] = set()


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A running program whose output goes to `log`."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        _running.add(self)

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raises `BenchmarkError` with the last line of its output if it has ended by itself."""
        code = self._process.poll()
        if code is not None:
            lines = self.log.read_text(errors="replace").strip().splitlines()
            raise BenchmarkError(f"a node ended with {code}: {lines[-1] if lines else 'no output'}")

    def terminate(self, patience_s: float = 10.0) -> None:
        """Asks it to end (SIGTERM), then kills its group; returns when it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self.kill()

    def kill(self) -> None:
        """Kills its whole group; returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        _running.discard(self)


@atexit.register
def kill_all() -> None:
    """Kills every child still there."""
    for child in list(_running):
        child.kill()


def free_ports(count: int) -> list[int]:
    """`count` TCP ports, ascending, that nobody listens on now at 127.0.0.1."""
    found: set[int] = set()
    for port in random.sample(PORTS, k=len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.add(port)
        if len(found) == count:
            return sorted(found)
    raise BenchmarkError("no free ports on loopback")


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise BenchmarkError(f"process {pid} has no memory: it has ended")


def cpu_s(pid: int) -> float:
    """Processor time that a process has used so far, user and system, in seconds (10 ms steps)."""
    # The second field, the program's name, may hold spaces: count from its closing bracket.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_PER_S
