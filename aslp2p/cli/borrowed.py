"""A daemon for as long as a command needs one, where none runs: `asl join` finds and hears others with it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from aslp2p.control.client import Client
from aslp2p.errors import NoDaemon, UserError
from aslp2p.home import Home

ASL = (sys.executable, "-c", "from aslp2p.cli import main; main()")
_STOP_S = 10.0


@contextmanager
def daemon_of(home: Home, *, timeout_s: float) -> Iterator[tuple[Client, bool]]:
    """The running daemon, or one of our own until the block ends; whether it is ours.

    `timeout_s` is for each question. Raises `UserError` with what the daemon said when it cannot start.
    """
    try:
        client = Client.of_home(str(home), timeout_s=timeout_s)
    except NoDaemon:
        with _borrowed(home), Client.of_home(str(home), timeout_s=timeout_s) as client:
            yield client, True
    else:
        with client:
            yield client, False


@contextmanager
def _borrowed(home: Home) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        command = [*ASL, "--home", str(home), "up", "--to-join"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            if not process.stdout.readline():
                log.seek(0)
                said = log.read().decode("utf-8", "replace").strip().splitlines()
                raise UserError(
                    f"the daemon did not start: {said[-1] if said else 'it said nothing'}",
                    remedy="start it with `asl up`, and type this again",
                )
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
