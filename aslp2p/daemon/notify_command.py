"""`[notify] command`: a program of the owner's that gets each notice as one line of JSON on its input.

No shell reads the words. The program has `COMMAND_S` and is killed with its children then; it gets no
passphrase, and what it says goes nowhere. When it ends with anything but 0 it is run again later.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

import trio

from aslp2p.daemon.notices import CannotTell, notice_json
from aslp2p.home.key import PASSPHRASE_VARIABLE
from aslp2p.home.notices import KeptNotice

COMMAND_S = 30.0
SCHEMA = 1


class NotifyCommand:
    """The way through a command, `words`: a program and its arguments."""

    name = "command"

    def __init__(self, words: Sequence[str], *, timeout_s: float = COMMAND_S) -> None:
        self._words = list(words)
        self._timeout_s = timeout_s

    async def tell(self, kept: KeptNotice) -> None:
        """Returns when the command has ended with 0. Raises `CannotTell`."""
        line = json.dumps({"schema": SCHEMA, **notice_json(kept)}).encode() + b"\n"
        code: int | None = None
        with trio.move_on_after(self._timeout_s):
            try:
                done = await trio.run_process(
                    self._words,
                    stdin=line,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                    env={name: value for name, value in os.environ.items() if name != PASSPHRASE_VARIABLE},
                    start_new_session=True,
                    deliver_cancel=_end,
                )
            except (OSError, ValueError) as error:  # a word with a NUL in it is a ValueError
                raise CannotTell(f"cannot run {self._words[0]}: {error}") from None
            code = done.returncode
        if code is None:
            raise CannotTell(f"{self._words[0]} did not end within {self._timeout_s:.0f} s")
        if code:
            raise CannotTell(f"{self._words[0]} ended with {code}")


async def _end(process: trio.Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
