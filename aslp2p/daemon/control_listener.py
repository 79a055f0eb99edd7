"""The control server's end of the file system: which path, a socket that only its owner can use, who
connects.

The path's directory is private (0700), the socket becomes 0600 between `bind` and `listen`, and nobody can
connect before `listen`: there is no moment at which it is open to others. A second check, of the peer's uid
as the kernel reports it, holds even where a file system ignores modes.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import struct
import sys
from pathlib import Path

from aslp2p.control.path import POINTER_NAME, fits, is_private, own_path, short_path
from aslp2p.errors import UserError
from aslp2p.home.files import atomic_write
from aslp2p.limits import CONTROL_BACKLOG


def claim_socket_path(home: str) -> str:
    """The path to bind for the daemon of `home`, where `control.path.socket_path(home)` then leads clients.

    For a home with a long path this makes the private directory and writes the pointer. Raises `UserError`
    when that directory is somebody else's.
    """
    own = own_path(home)
    if fits(own):
        return own
    path = short_path(home)
    directory = os.path.dirname(path)
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise UserError(
            f"cannot make {directory} for the control socket ({error.strerror})",
            remedy="use a home with a shorter path: --home",
        ) from None
    if not is_private(directory, os.geteuid()):
        raise UserError(
            f"{directory} is not a private folder of yours", remedy="use a home with a shorter path: --home"
        )
    atomic_write(Path(home) / POINTER_NAME, os.fsencode(path) + b"\n")
    return path


def bind_control(path: str) -> socket.socket:
    """A listening Unix socket at `path`, mode 0600, in place of a stale one.

    Raises `UserError` when somebody answers there, when `path` is something else, or cannot be bound.
    """
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(CONTROL_BACKLOG)
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {path} ({error.strerror or error})", remedy="use another home: --home"
        ) from None
    return listener


def _clear(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise UserError(f"{path} is there and is no socket", remedy="move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            pass  # nobody listens: left by a daemon that was killed
        except BlockingIOError:
            raise _in_use(path) from None
        else:
            raise _in_use(path)
    os.unlink(path)


def _in_use(path: str) -> UserError:
    return UserError(f"another daemon answers on {path}", remedy="stop it first")


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process that connected, as the kernel noted it then.

    Raises `OSError` where the kernel cannot tell.
    """
    if sys.platform == "linux":
        credentials = struct.Struct("3i")  # struct ucred: pid, uid, gid
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
        return int(credentials.unpack(raw)[1])
    else:
        xucred = struct.Struct("IIh16I")  # macOS and the BSDs: version, uid, number of groups, groups
        raw = connection.getsockopt(0, 1, xucred.size)  # SOL_LOCAL, LOCAL_PEERCRED
        return int(xucred.unpack(raw)[1])


def is_gone(connection: socket.socket) -> bool:
    """Whether the peer has closed both ways, and not merely said that it sends nothing more."""
    poll = select.poll()
    poll.register(connection, 0)  # POLLHUP and POLLERR are always reported
    return bool(poll.poll(0))
