"""The control server: JSON-RPC 2.0 lines on a Unix socket (`docs/control.md`).

This file accepts; `control_connection` serves one client, `control_calls` answers one message,
`control_methods` says what a method is, `control_events` carries events. `CONTROL_CONNECTIONS_MAX` clients
are served at once; further ones wait in the kernel's backlog and are served when one leaves.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

import trio

from aslp2p.daemon.control_connection import Connection
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.control_listener import bind_control
from aslp2p.daemon.control_methods import Method
from aslp2p.errors import UserError
from aslp2p.limits import CONTROL_CONNECTIONS_MAX

logger = logging.getLogger(__name__)

_RETRY_S = 0.5
LOOK_S = 5.0
"""How often it is looked whether the socket is still there: a cleaned `/tmp`, or the end of a login's runtime
folder, takes it away from a daemon that goes on."""


async def serve_control(
    path: str,
    methods: Mapping[str, Method],
    events: EventSource,
    *,
    claim: Callable[[], str] | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves `methods`, and subscriptions to `events`, at `path` until cancelled; then the socket is gone.

    `path` comes from `claim_socket_path`; where the socket vanishes, `claim` says where it is made again (as
    at first, without it). Started when clients can connect. Raises `UserError` when `path` cannot be had at
    first, and `InvariantBroken` (in a group) when a method does.
    """
    listening = bind_control(path)
    slots = trio.Semaphore(CONTROL_CONNECTIONS_MAX)

    async def serve_one(connection: socket.socket) -> None:
        try:
            await Connection(connection, methods, events).serve()
        finally:
            slots.release()

    async with trio.open_nursery() as nursery:
        task_status.started()
        while True:
            inode = _inode(path)
            try:
                with trio.socket.from_stdlib_socket(listening) as listener, trio.CancelScope() as there:
                    nursery.start_soon(_end_when_gone, path, inode, there)
                    while True:
                        await slots.acquire()
                        try:
                            connection = await _accept(listener)
                        except BaseException:
                            slots.release()
                            raise
                        nursery.start_soon(serve_one, connection)
            finally:
                _unlink_own(path, inode)
            logger.warning("the control socket %s is gone; it is made again", path)
            path, listening = await _bound_again(path, claim)


async def _end_when_gone(path: str, inode: int, there: trio.CancelScope) -> None:
    while not there.cancel_called:
        await trio.sleep(LOOK_S)
        if _inode(path) != inode:
            there.cancel()


async def _bound_again(path: str, claim: Callable[[], str] | None) -> tuple[str, socket.socket]:
    while True:
        try:
            path = path if claim is None else claim()
            return path, bind_control(path)
        except UserError:  # its folder may come back
            await trio.sleep(LOOK_S)


async def _accept(listener: trio.socket.SocketType) -> socket.socket:
    while True:
        try:
            connection, _ = await listener.accept()
        except OSError as error:  # out of descriptors, mostly
            logger.warning("cannot take a control connection: %s", error.strerror)
            await trio.sleep(_RETRY_S)
        else:
            return socket.socket(fileno=connection.detach())


def _unlink_own(path: str, inode: int) -> None:
    with suppress(OSError):  # already gone, with its folder perhaps
        if os.stat(path).st_ino == inode:
            os.unlink(path)


def _inode(path: str) -> int:
    """0: nothing is there."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0
