"""One daemon a home: an advisory lock on `HOME/lock`, which the system drops with the process that holds it.

The file stays (removing it would let two processes lock two files); it says who held the lock last.
"""

from __future__ import annotations

import fcntl
import os
from types import TracebackType
from typing import Self

from aslp2p.errors import UserError
from aslp2p.home.files import read_small
from aslp2p.home.folder import Home

_BYTES_MAX = 256
DAEMON = "asl up"


class HomeLock:
    """Holds the lock of `home` as a context manager, for the command `holder`.

    Entering raises `UserError`, with who holds it, when another process does.
    """

    def __init__(self, home: Home, holder: str = DAEMON) -> None:
        self._home = home
        self._holder = holder
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
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n{self._holder}\n".encode(), 0)
        except BlockingIOError:
            os.close(descriptor)
            raise self._held() from None
        except OSError as error:
            os.close(descriptor)
            raise UserError(
                f"cannot lock {self._home.lock} ({error.strerror})", remedy="keep the home on a local disk"
            ) from None
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def _held(self) -> UserError:
        lines = (read_small(self._home.lock, _BYTES_MAX) or b"").decode("utf-8", "replace").splitlines()
        pid, holder = [*lines, "", ""][:2]
        known = pid.isdigit()
        who = f"{holder or DAEMON} is already running for this home" + (f" (pid {pid})" if known else "")
        return UserError(
            who, remedy=f"use it, or stop it with `kill {pid}`" if known else "use it, or stop it"
        )
