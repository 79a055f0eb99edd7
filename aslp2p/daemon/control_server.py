"""The control server: JSON-RPC 2.0 lines on a Unix socket (`docs/control.md`).

This file accepts; `control_connection` serves one client, `control_calls` answers one message,
`control_methods` says what a method is, `control_events` carries events. `CONTROL_CONNECTIONS_MAX`
clients are served at once; further ones wait in the kernel's backlog and are served when one leaves.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

import trio

from aslp2p.daemon.control_connection import Connection
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.control_listener import bind_control
from aslp2p.daemon.control_methods import Method
from aslp2p.limits import CONTROL_CONNECTIONS_MAX

logger = logging.getLogger(__name__)

_RETRY_S = 0.5


async def serve_control(
    path: str,
    methods: Mapping[str, Method],
    events: EventSource,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves `methods`, and subscriptions to `events`, at `path` until cancelled; then the socket is gone.

    `path` comes from `claim_socket_path`. Started when clients can connect. Raises `UserError` when
    `path` cannot be had, and `InvariantBroken` (in a group) when a method does.
    """
    listening = bind_control(path)
    inode = os.stat(path).st_ino
    slots = trio.Semaphore(CONTROL_CONNECTIONS_MAX)

    async def serve_one(connection: socket.socket) -> None:
        try:
            await Connection(connection, methods, events).serve()
        finally:
            slots.release()

    try:
        with trio.socket.from_stdlib_socket(listening) as listener:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    await slots.acquire()
                    nursery.start_soon(serve_one, await _accept(listener))
    finally:
        _unlink_own(path, inode)


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
    try:
        if os.stat(path).st_ino == inode:
            os.unlink(path)
    except OSError:
        pass  # already gone, with its folder perhaps
