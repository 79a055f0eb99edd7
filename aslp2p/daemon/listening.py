"""Sockets that listen: one port on all configured addresses, and an error that says what to type."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from aslp2p.errors import UserError
from aslp2p.limits import KIB

BACKLOG = 128
_TRIES = 16
"""For one free port that is free on every address."""
USER_TIMEOUT_MS = 20_000
"""What was sent and is not acknowledged for so long: the cable is out."""
KEEPALIVE_S = 5
UNSENT_BYTES = 512 * KIB
"""What the system takes ahead of what it can send: what is said next waits for no more than that."""
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT}
_WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104 - these are compared, not bound


class _Taken(Exception):
    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port


def listen(addresses: Sequence[str], port: int, remembered: int | None = None) -> list[socket.socket]:
    """Listening sockets, all on one port, which is `port`; 0: `remembered` if it is free, else any.

    A wildcard of a family that this machine has not is left out, as long as one address remains. Raises
    `UserError` when the port is in use or not allowed, or an address is not this machine's.
    """
    if port:
        try:
            return _bind_all(addresses, port)
        except _Taken as taken:
            raise UserError(
                f"port {taken.port} is in use on {taken.address}",
                remedy=f"stop what uses it (`ss -ltnp 'sport = {taken.port}'` shows it),"
                " or choose another: asl up --port PORT",
            ) from None
    for wanted in ([remembered] if remembered else []) + [0] * _TRIES:
        try:
            return _bind_all(addresses, wanted)
        except _Taken:
            continue
    raise UserError("no port is free on all addresses", remedy="choose one: asl up --port PORT")


def _bind_all(addresses: Sequence[str], port: int) -> list[socket.socket]:
    absent: list[str] = []
    with ExitStack() as undo:
        sockets: list[socket.socket] = []
        for address in addresses:
            try:
                one = undo.enter_context(_bind(address, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise _Taken(address, port) from None
                if error.errno in _ABSENT and address in _WILDCARDS:
                    absent.append(address)
                    continue
                raise _refused(address, port, error) from None
            sockets.append(one)
            port = one.getsockname()[1]
        if not sockets:
            raise UserError(
                f"cannot listen on {', '.join(absent)}", remedy="set listen.addresses in config.toml"
            )
        undo.pop_all()
    return sockets


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(_sockaddr(address, port))
        one.listen(BACKLOG)
    except BaseException:
        one.close()
        raise
    return one


def _sockaddr(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What to bind to; a link-local address is one of the interface that stands behind its `%`."""
    host, _, scope = address.partition("%")
    if not scope:
        return address, port
    return host, port, 0, int(scope) if scope.isdigit() else socket.if_nametoindex(scope)


def _refused(address: str, port: int, error: OSError) -> UserError:
    scope = address.partition("%")[2]
    if error.errno in (errno.ENODEV, errno.ENXIO) or (scope and error.errno is None):
        return UserError(
            f"there is no interface {scope} for {address}", remedy="see what there is: ip -6 address"
        )
    if error.errno == errno.EINVAL and address.lower().startswith("fe80") and not scope:
        return UserError(
            f"{address} is link-local, and of which interface is not said",
            remedy=f"say it behind a percent sign: {address}%eth0",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return UserError(
            f"{address} is no address of this machine",
            remedy="leave --listen away, or set listen.addresses in config.toml",
        )
    if error.errno == errno.EACCES:
        return UserError(
            f"port {port} is not allowed to this user", remedy="choose one above 1023: asl up --port PORT"
        )
    return UserError(
        f"cannot listen on {address} port {port} ({error.strerror})",
        remedy="set listen.addresses in config.toml",
    )


def has_address(connection: socket.socket) -> bool:
    """Whether the address at this end of a connection is still this machine's."""
    host, _, *scope = connection.getsockname()
    with socket.socket(connection.family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0, *scope))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def tune(connection: socket.socket) -> None:
    """Set what every link wants: small messages at once, and to hear soon that the other end is gone."""
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_S),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", USER_TIMEOUT_MS),
        ("TCP_NOTSENT_LOWAT", UNSENT_BYTES),
    ):
        number = getattr(socket, option, None)  # as far as this system has it
        if number is not None:
            connection.setsockopt(socket.IPPROTO_TCP, number, value)
