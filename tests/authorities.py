"""A Common with several authorities, on real daemons: on loopback, or on hosts of their own.

`Loopback` stands where `tests.lan.rig.Host` does: same commands, no namespace. There is no mDNS on it, so
each machine is told where all others listen.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from tests.lan.machines import PATIENCE_S, Machine, require_clean_logs
from tests.lan.rig import Host, wait_until


class Loopback:
    """This machine, as a host."""

    ip = "127.0.0.1"

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[Any]] = []

    def __repr__(self) -> str:
        return "loopback"

    def run(
        self, *command: str | Path, timeout_s: float, check: bool, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        words = list(map(str, command))
        return subprocess.run(
            words, capture_output=True, text=True, timeout=timeout_s, check=check, **options
        )

    def popen(self, *command: str | Path, **options: Any) -> subprocess.Popen[Any]:
        process = subprocess.Popen(list(map(str, command)), **options)
        self._processes.append(process)
        return process

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@contextlib.contextmanager
def on_loopback(folder: Path, *names: str) -> Iterator[list[Machine]]:
    """Machines called `names`, their homes in `folder`; killed at the end, and their logs looked through."""
    host = Loopback()
    machines = [Machine(cast("Host", host), folder, name) for name in names]
    with contextlib.ExitStack() as taken:
        ports = []
        for _ in machines:  # all at once, so that they differ
            free = taken.enter_context(socket.create_server(("127.0.0.1", 0)))
            ports.append(free.getsockname()[1])
    peers = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    for machine, port in zip(machines, ports, strict=True):
        machine.asl("self", "--name", machine.name)
        configure(machine, f'[listen]\naddresses = ["127.0.0.1"]\nport = {port}', "[mdns]\nenabled = false")
        configure(machine, f"[peers]\nstatic = [{peers}]")
    try:
        yield machines
    finally:
        host.stop()
    require_clean_logs(machines)


def configure(machine: Machine, *sections: str) -> None:
    """Add sections to a machine's `config.toml`."""
    with (machine.home / "config.toml").open("a") as file:
        file.write("\n".join(sections) + "\n")


def policy_text(authorities: Sequence[tuple[str, str]], threshold: int, grace: str) -> str:
    """A policy file for (name, key) pairs."""
    lines = ["common_policy:", "  witnesses:"]
    for name, key in authorities:
        lines += [f"    - domain: {name}", f"      key: {key}"]
    lines += [f"  threshold: {threshold}", "  rotation:", f"    grace_period: {grace}"]
    return "\n".join(lines) + "\n"


def found_together(
    machines: Sequence[Machine],
    *,
    authorities: int | None = None,
    threshold: int = 2,
    grace: str = "30d",
    mode: str = "ask",
) -> str:
    """The first machine founds `home` with the first `authorities` (all) as its authorities, the others join;
    daemons on all, linked with each other. Returns the invite.
    """
    first, *others = machines
    for machine in machines:
        machine.asl("self", "--name", machine.name)
        configure(machine, f'[recovery]\nmode = "{mode}"')
    named = [(machine.name, machine.key) for machine in machines[:authorities]]
    first.asl("init", "home", "--policy", "-", stdin=policy_text(named, threshold, grace))
    first.up()
    invite = str(first.json("invite", "--uses", str(len(machines)))["invite"])
    for other in others:
        other.asl("join", invite)
        other.start()
    for other in others:
        other.wait_ready()
    wait_until(lambda: linked(machines), PATIENCE_S, "all are linked with all")
    return invite


def linked(machines: Sequence[Machine]) -> bool:
    """Whether each is a member that is linked with every other."""
    keys = {machine.call("status")["daemon"]["key"] for machine in machines}
    return all(
        machine.links() >= keys - {machine.call("status")["daemon"]["key"]}
        and machine.call("summary")["standing"] == "admitted"
        for machine in machines
    )


def put(machine: Machine, path: str, text: str = "x", *, wait: bool = True) -> None:
    """A file, put there by its machine's person."""
    machine.asl("put", "-", path, *([] if wait else ["--no-wait"]), stdin=text)


def status(machine: Machine) -> list[str]:
    """The lines of `asl status`, which ends with 0 or 4."""
    done = machine.type("status")
    assert done.returncode in (0, 4), done.stderr
    assert (done.returncode == 4) == any(line.startswith("Attention:") for line in done.stdout.splitlines())
    return done.stdout.splitlines()


def one_head(machines: Sequence[Machine], holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Until all show one head, and `holds` is true of what each says of it; what the first says.

    Of each, because a head says nothing about what else has come: evidence, cosignatures, open papers.
    """

    def equal() -> dict[str, Any]:
        summaries = [machine.call("summary") for machine in machines]
        assert len({one["head"] for one in summaries}) == 1, [
            (one["height"], one["epoch"]) for one in summaries
        ]
        for one in summaries:
            assert holds(one), one
        return cast("dict[str, Any]", summaries[0])

    return wait_until(equal, PATIENCE_S, f"one head on {machines}", every_s=0.1)


def opened(machine: Machine, does: str) -> str:
    """The first digits of the id of the one open paper of kind `does`, once it is here."""

    def there() -> str:
        papers = [one for one in machine.call("summary")["papers"] if one["does"] == does]
        return str(papers[0]["id"])[:8] if papers else ""

    return wait_until(there, PATIENCE_S, f"{does} open at {machine!r}")
