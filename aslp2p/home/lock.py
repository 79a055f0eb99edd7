"""One daemon a home: an advisory lock on `HOME/lock`, which the system drops with the process that holds it.

Who writes holds it alone; commands that read a stopped home share it, so several of them may and no daemon
starts meanwhile. Reading takes a moment, so whoever is kept out by a reader tries again for `WAIT_S` before
it says so. The file stays (removing it would let two processes lock two files); it says who held the lock
last, of several readers the last one.
"""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import Self

from aslp2p.errors import UserError
from aslp2p.home.files import read_small
from aslp2p.home.folder import Home

_BYTES_MAX = 256
DAEMON = "asl up"
READER = "a command that reads it"
WAIT_S = 2.0
_WRITING_S = 0.2
_PAUSE_S = 0.05


class HomeHeld(UserError):
    """Another process has the home's lock."""


class HomeLock:
    """Holds the lock of `home` as a context manager, for the command `holder`; `shared` to read only.

    Entering raises `HomeHeld`, with who holds it, when another process does; other `UserError`s when the
    file cannot be used.
    """

    def __init__(self, home: Home, holder: str = DAEMON, *, shared: bool = False) -> None:
        self._home = home
        self._holder = holder
        self._mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self._home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UserError(
                f"cannot open {self._home.lock} ({error.strerror})",
                remedy="see that the home is there and is yours",
            ) from None
        try:
            self._take(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n{self._holder}\n".encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise UserError(
                f"cannot lock {self._home.lock} ({error.strerror})",
                remedy="make room, and keep the home on a local disk",
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def _take(self, descriptor: int) -> None:
        began = time.monotonic()
        while True:
            try:
                return fcntl.flock(descriptor, self._mode | fcntl.LOCK_NB)
            except BlockingIOError:
                pid, holder = self._last_holder()
                # Between taking the lock and writing, its file is empty or tells of the holder before.
                patience = WAIT_S if holder in ("", READER) else _WRITING_S
                if time.monotonic() - began > patience:
                    raise _held(pid, holder) from None
            time.sleep(_PAUSE_S)

    def _last_holder(self) -> tuple[str, str]:
        lines = (read_small(self._home.lock, _BYTES_MAX) or b"").decode("utf-8", "replace").splitlines()
        pid, holder = [*lines, "", ""][:2]
        return pid if pid.isdigit() else "", holder


def _held(pid: str, holder: str) -> HomeHeld:
    who = f"{holder or 'another command'} is already running for this home"
    then = "use it" if holder == DAEMON else "wait for it"
    if not pid:
        return HomeHeld(who, remedy=f"{then}, or stop it")
    return HomeHeld(f"{who} (pid {pid})", remedy=f"{then}, or stop it with `kill {pid}`")
