"""One port on all addresses, and errors that say what to type."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import ifaddr
import pytest

from aslp2p.daemon.listening import has_address, listen, tune
from aslp2p.errors import UserError

HAS_IPV6 = socket.has_ipv6


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(stack: ExitStack, *addresses: str, port: int = 0, remembered: int | None = None) -> list[int]:
    sockets = listen(addresses, port, remembered)
    for one in sockets:
        stack.enter_context(one)
    return [one.getsockname()[1] for one in sockets]


def test_a_connection_from_an_address_of_ours_is_one(stack: ExitStack) -> None:
    for host in ("127.0.0.1", "127.0.0.3", *(["::1"] if HAS_IPV6 else [])):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = stack.enter_context(socket.create_server((host, 0), family=family))
        client = stack.enter_context(socket.create_connection(server.getsockname()[:2]))
        assert has_address(client)


def test_every_address_has_the_same_port(stack: ExitStack) -> None:
    ports = opened(stack, "127.0.0.1", "127.0.0.2", *(["::1"] if HAS_IPV6 else []))
    assert len(ports) >= 2
    assert len(set(ports)) == 1 and ports[0] > 0


def test_the_remembered_port_is_taken_again_if_it_is_free(stack: ExitStack) -> None:
    with ExitStack() as first:
        (port,) = opened(first, "127.0.0.1")
    assert opened(stack, "127.0.0.1", remembered=port) == [port]
    (other,) = opened(stack, "127.0.0.1", remembered=port)
    assert other != port


def test_a_port_in_use_says_which_and_what_to_type(stack: ExitStack) -> None:
    (port,) = opened(stack, "127.0.0.1")
    with pytest.raises(UserError, match=f"port {port} is in use on 127.0.0.1; .*asl up --port PORT"):
        opened(stack, "127.0.0.2", "127.0.0.1", port=port)
    assert opened(stack, "127.0.0.2", port=port) == [port], "what was bound before it failed is free again"


def test_an_address_that_is_not_ours_says_where_to_change_it(stack: ExitStack) -> None:
    with pytest.raises(UserError, match=r"192\.0\.2\.7 is no address of this machine; leave --listen away"):
        opened(stack, "192.0.2.7")


def test_both_families_listen_on_one_port_without_taking_it_from_each_other(stack: ExitStack) -> None:
    ports = opened(stack, "0.0.0.0", "::")
    assert len(set(ports)) == 1


def test_a_link_sends_small_messages_at_once_and_notices_a_dead_peer() -> None:
    with socket.socket() as one:
        tune(one)
        assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert one.gettimeout() == 0


def test_a_link_local_address_is_one_of_its_interface() -> None:
    local = [
        (str(adapter.name), ip.ip[0])
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, tuple) and ip.ip[0].startswith("fe80")
    ]
    for name, address in local[:1]:
        (one,) = listen([f"{address}%{name}"], 0)
        with one:
            assert one.getsockname()[3] == socket.if_nametoindex(name)
        with pytest.raises(UserError, match=f"say it behind a percent sign: {address}%"):
            listen([address], 4711)
    with pytest.raises(UserError, match="no address of this machine"):
        listen(["fe80::abcd%lo"], 4711)
    with pytest.raises(UserError, match="there is no interface nosuch0 for fe80::1%nosuch0"):
        listen(["fe80::1%nosuch0"], 4711)
