"""What the machine and the libraries below aslp2p can do at best: the floor under its figures.

Each limit is one function that works for about `seconds` and returns a figure in the limit's unit.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

MESSAGE = bytes(200)
ROUND_TRIP_BYTES = 300
BATCH_ROWS = 250
PAGE = bytes(4096)


@dataclass(frozen=True)
class Limit:
    """One figure of the machine. `measure(seconds, place)` may write below the directory `place`."""

    title: str
    unit: str
    measure: Callable[[float, Path], float]


def rate_per_s(work: Callable[[], object], seconds: float) -> float:
    """How often `work` runs in a second, called one by one for `seconds`."""
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        work()
        count += 1
    return count / took


async def _echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)


async def _round_trip_us(seconds: float) -> float:
    """Client and server are tasks of one loop: what one process spends on both sides together."""
    async with trio.open_nursery() as nursery:
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        nursery.start_soon(trio.serve_listeners, _echo, [listener])
        stream = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        count, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < seconds:
            await stream.send_all(bytes(ROUND_TRIP_BYTES))
            missing = ROUND_TRIP_BYTES
            while missing:
                missing -= len(await stream.receive_some(missing))
            count += 1
        nursery.cancel_scope.cancel()
    return took / count * 1e6


def round_trip_us(seconds: float, place: Path) -> float:
    """A 300 B request and its echo over TCP in trio, in µs."""
    return trio.run(_round_trip_us, seconds)


def _verifier() -> Callable[[], bytes]:
    public, secret = crypto_sign_seed_keypair(bytes(32))
    signed = crypto_sign(MESSAGE, secret)
    return lambda: crypto_sign_open(signed, public)


def verify_per_s(seconds: float, place: Path) -> float:
    """Ed25519 verifications of 200 B messages a second in one thread."""
    return rate_per_s(_verifier(), seconds)


def verify_two_threads_per_s(seconds: float, place: Path) -> float:
    """The same in two threads at once, together: PyNaCl lets go of the interpreter's lock meanwhile."""
    rates: list[float] = []
    threads = [
        threading.Thread(target=lambda: rates.append(rate_per_s(_verifier(), seconds))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)


def _commit_rows_per_s(seconds: float, place: Path, rows: int) -> float:
    with tempfile.TemporaryDirectory(dir=place) as directory:
        connection = sqlite3.connect(Path(directory) / "limit.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, value BLOB)")
        values = [(MESSAGE,)] * rows

        def commit() -> None:
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO entry (value) VALUES (?)", values)
            connection.execute("COMMIT")

        try:
            return rows * rate_per_s(commit, seconds)
        finally:
            connection.close()


def commit_per_s(seconds: float, place: Path) -> float:
    """SQLite commits of one 200 B row a second, write-ahead log, synchronous FULL."""
    return _commit_rows_per_s(seconds, place, 1)


def commit_batched_per_s(seconds: float, place: Path) -> float:
    """Rows a second in commits of 250, otherwise the same."""
    return _commit_rows_per_s(seconds, place, BATCH_ROWS)


def fsync_us(seconds: float, place: Path) -> float:
    """Appending 4 KiB to a file and fsync, in µs."""
    with tempfile.TemporaryFile(dir=place, buffering=0) as file:

        def append() -> None:
            file.write(PAGE)
            os.fsync(file.fileno())

        return 1e6 / rate_per_s(append, seconds)


def sha256_per_s(seconds: float, place: Path) -> float:
    """SHA-256 of 200 B messages a second."""
    return rate_per_s(lambda: hashlib.sha256(MESSAGE).digest(), seconds)


def sha256_mib_per_s(seconds: float, place: Path) -> float:
    """SHA-256 over 1 MiB blocks in MiB a second."""
    block = bytes(1 << 20)
    return rate_per_s(lambda: hashlib.sha256(block).digest(), seconds)


LIMITS = {
    "round-trip": Limit("trio TCP round trip, 300 B, loopback", "µs", round_trip_us),
    "verify": Limit("Ed25519 verifications, one thread", "/s", verify_per_s),
    "verify-2": Limit("Ed25519 verifications, two threads", "/s", verify_two_threads_per_s),
    "commit": Limit("SQLite FULL commits, one row each", "/s", commit_per_s),
    "commit-rows": Limit("SQLite FULL rows, 250 a commit", "/s", commit_batched_per_s),
    "fsync": Limit("append 4 KiB and fsync", "µs", fsync_us),
    "sha256": Limit("SHA-256 of 200 B", "/s", sha256_per_s),
    "sha256-bulk": Limit("SHA-256 of 1 MiB blocks", "MiB/s", sha256_mib_per_s),
}
