"""Where the control socket of a home is.

`HOME/control.sock`, unless that is longer than a socket's address may be. Then the daemon takes
`RUNTIME/asl-UID/HASH.sock` (RUNTIME is `XDG_RUNTIME_DIR` or `/tmp`, HASH is of the home's real path) and
writes that path to `HOME/control.path`, where a client finds it whatever its own environment says.
"""

from __future__ import annotations

import os
import stat

from aslp2p.limits import SOCKET_PATH_BYTES_MAX

SOCKET_NAME = "control.sock"
POINTER_NAME = "control.path"
_TMP = "/tmp"  # noqa: S108 - owner and mode of what is below are checked on both ends


def fits(path: str) -> bool:
    """Whether `path` is short enough for a socket's address on every system."""
    return len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX


def is_private(directory: str, uid: int) -> bool:
    """Whether `directory` is a directory (no link) of `uid` that nobody else can enter."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == uid and not status.st_mode & 0o077


def own_path(home: str) -> str:
    """The socket's path inside `home`; it may be too long to bind (`fits`)."""
    return os.path.join(os.path.abspath(home), SOCKET_NAME)


def short_path(home: str) -> str:
    """The path under the runtime directory for a home whose own path is too long.

    Its directory may be missing, and may be somebody else's (`is_private`).
    """
    import hashlib  # only long homes pay for it

    digest = hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:16]
    tail = os.path.join(f"asl-{os.geteuid()}", digest + ".sock")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    path = os.path.join(runtime, tail)
    usable = os.path.isabs(runtime) and os.path.isdir(runtime) and fits(path)
    return path if usable else os.path.join(_TMP, tail)


def socket_path(home: str) -> str:
    """Where a client looks for the daemon of `home`; there may be nothing there.

    A pointer is followed only into a private directory of the home's owner: after a restart of the machine
    anybody may have made the one that it names. Without a usable one the answer is `own_path`, which then
    binds nowhere.
    """
    own = own_path(home)
    if fits(own):
        return own
    try:
        with open(os.path.join(home, POINTER_NAME), encoding="utf-8", errors="surrogateescape") as file:
            pointed = file.read(SOCKET_PATH_BYTES_MAX + 1).rstrip("\n")
        trusted = is_private(os.path.dirname(pointed), os.stat(home).st_uid)
    except (OSError, ValueError):
        return own
    return pointed if trusted and fits(pointed) else own
