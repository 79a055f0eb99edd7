"""The rows `flood-*`: an honest member's put while another member floods, over the same run's calm.

Four daemons in network namespaces on one bridge, policy 2 of 3. The flooder is a member with a namespace of
its own; it floods the witness, which has to list what the honest one puts.
"""

from __future__ import annotations

import base64
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from aslp2p.artifacts.types import Named
from aslp2p.home.key import SecretKey
from benchmarks.cluster import BenchmarkError, Unavailable
from benchmarks.ours.control import Asking, Lines, call_line, connect
from benchmarks.ours.flooder import Flood
from benchmarks.ours.history import extend
from benchmarks.ours.homes import Household, found
from benchmarks.ours.nodes import ASL, wait_for
from benchmarks.processes import Child
from tests.lan.rig import Host, Lan, RigError, missing_tools

NODES, AUTHORITIES, THRESHOLD = 4, 3, 2
WITNESS, HONEST = 0, NODES - 1
FLOODS = {"ranges": 1, "ranges-4": 4, "contents": 1, "proposals": 1, "puts": 1}
"""What is flooded with, and on how many links."""
PORT = 7778
HISTORY = 300
LARGE_BYTES = 4 * 2**20
PUT_S_MAX = 120.0


def flood_ratio(name: str, puts: int, directory: Path) -> float:
    """The median of `puts` in a flood, over the median of as many before it. Raises `Unavailable`."""
    if os.geteuid() != 0:
        raise Unavailable("floods need root, for network namespaces")
    if reason := missing_tools():
        raise Unavailable(f"a flood {reason}")
    seed = os.urandom(32)
    flooder = Named("flooder", SecretKey(seed).key)
    household = found(directory, NODES, authorities=AUTHORITIES, threshold=THRESHOLD, homeless=[flooder])
    paths = [household.store_path(node) for node in range(NODES)]
    extend(paths, household.keys[0], household.keys[1], 1, HISTORY)
    try:
        with Lan(NODES + 1) as lan, _running(household, lan, directory):
            content = _put_large(household, directory)
            with Puts(household.homes[HONEST].path) as honest:
                honest.median_s("warm", puts // 2)
                calm = honest.median_s("calm", puts)
                with _under(_flood(household, lan[1], name, seed, content), lan[NODES + 1]):
                    return honest.median_s("flooded", puts) / calm
    except RigError as error:
        raise Unavailable(f"a flood needs network namespaces: {error}") from None


@contextmanager
def _running(household: Household, lan: Lan, logs: Path) -> Iterator[None]:
    """A daemon for each home on a host of its own, linked with all others."""
    children: list[Child] = []
    with ExitStack() as stack:
        for node, home in enumerate(household.homes):
            command = ["ip", "netns", "exec", lan[node + 1].netns, *ASL, "--home", str(home.path), "up"]
            command += ["--no-mdns", "--port", str(PORT)]
            for other in range(NODES):
                command += ["--peer", f"{lan[other + 1].ip}:{PORT}"] if other != node else []
            children.append(Child(command, logs / f"n{node}.log"))
            stack.callback(children[-1].kill)
        asking = [Asking(home.path) for home in household.homes]

        def linked() -> bool:
            answers = [ask("peers") for ask in asking]
            return all(answer and len(answer["peers"]) >= NODES - 1 for answer in answers)

        wait_for("four nodes linked", linked, children)
        for ask in asking:
            ask.close()
        yield


def _put_large(household: Household, directory: Path) -> bytes:
    """The id of a large content that the witness has."""
    file, home = directory / "large", household.homes[WITNESS].path
    file.write_bytes(os.urandom(LARGE_BYTES))
    subprocess.run([*ASL, "--home", str(home), "put", str(file), "large"], check=True, capture_output=True)
    asking = Asking(home)
    entry = asking("entry", path="large")
    asking.close()
    return bytes.fromhex(entry["content"])


def _flood(household: Household, witness: Host, name: str, seed: bytes, content: bytes) -> Flood:
    asking = Asking(household.homes[WITNESS].path)
    summary = asking("summary")
    asking.close()
    return Flood(
        kind=name.partition("-")[0],
        links=FLOODS[name],
        host=witness.ip,
        port=PORT,
        common_id=household.common_id,
        network_secret=household.network_secret,
        seed=seed,
        head=bytes.fromhex(summary["head"]),
        height=summary["height"],
        content=content,
    )


@contextmanager
def _under(flood: Flood, host: Host) -> Iterator[None]:
    command = sys.executable, "-c", "from benchmarks.ours.flooder import main; main()"
    process = host.popen(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(flood).decode() + "\n")
        process.stdin.flush()
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()


class Puts:
    """An honest member's puts, one after the other, over a connection that tells what became of them."""

    def __init__(self, home: Path) -> None:
        self._connection = connect(home)
        self._connection.settimeout(PUT_S_MAX)
        self._said: list[dict[str, Any]] = []
        self._lines = Lines(self._said.append)
        self._connection.sendall(call_line(0, "subscribe", topics=["proposal"]))
        self._count = 0

    def __enter__(self) -> Puts:
        return self

    def __exit__(self, *of: object) -> None:
        self._connection.close()

    def median_s(self, name: str, count: int) -> float:
        return statistics.median(self._put_s(f"{name}/{number}") for number in range(count))

    def _put_s(self, path: str) -> float:
        """How long it takes until a put is witnessed here."""
        self._count += 1
        data = base64.b64encode(os.urandom(100)).decode()
        began = perf_counter()
        self._connection.sendall(call_line(self._count, "put", path=path, data=data))
        proposal, witnessed = "", set[str]()
        while not proposal or proposal not in witnessed:
            for one in self._heard():
                if one.get("id") == self._count:
                    if "error" in one:
                        raise BenchmarkError(f"a put was refused: {one['error']}")
                    proposal = one["result"]["proposal"]
                params = one.get("params", {})
                if params.get("state") == "witnessed":
                    witnessed.add(params["id"])
        return perf_counter() - began

    def _heard(self) -> list[dict[str, Any]]:
        try:
            data = self._connection.recv(1 << 16)
        except TimeoutError:
            raise BenchmarkError(f"a put was not witnessed in {PUT_S_MAX:.0f} s") from None
        if not data:
            raise BenchmarkError("a node hung up")
        self._said.clear()
        self._lines.feed(data)
        return list(self._said)


def alone(puts: int) -> dict[str, partial[float]]:
    """The rows' keys to how they are measured."""
    return {f"flood-{name}": partial(flood_ratio, name, puts) for name in FLOODS}
