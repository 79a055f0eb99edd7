"""`asl init` hears whether a Common is announced on the network, and asks before it founds another one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from aslp2p.cli.nearby import announces_a_common, common_nearby
from aslp2p.daemon.announcement import encode_txt
from tests.cli.conftest import Asl
from tests.cli.on_the_group import HERE, THERE, free_port, speaking

SERVICE = b"\x07_aslp2p\x04_tcp\x05local\x00"
NONCE = bytes(range(16))
TAG = bytes(8)


def message(text: bytes, *, flags: int = 0x8400, service: bytes = SERVICE) -> bytes:
    """A DNS message with one TXT record of an instance of our service."""
    name = b"\x10" + NONCE.hex()[:16].encode() + service
    head = struct.pack("!6H", 0, flags, 0, 1, 0, 0)
    return head + name + struct.pack("!2HIH", 16, 0x8001, 4500, len(text)) + text


@pytest.mark.parametrize(
    ("heard", "counts"),
    [
        (message(encode_txt(NONCE, [TAG])), True),
        (message(encode_txt(NONCE, [TAG], [7])), True),
        (message(encode_txt(NONCE, [], [7])), False),
        (message(encode_txt(NONCE, [])), False),
        (message(encode_txt(NONCE, [TAG]), flags=0), False),
        (message(encode_txt(NONCE, [TAG]), service=b"\x04_ipp\x04_tcp\x05local\x00"), False),
        (SERVICE, False),
        (b"", False),
    ],
)
def test_who_announces_a_common(heard: bytes, counts: bool) -> None:
    assert announces_a_common(heard) is counts


def test_another_machine_is_heard_and_an_own_one_is_not() -> None:
    port = free_port()
    with speaking(message(encode_txt(NONCE, [TAG])), port):
        heard = common_nearby(10, addresses=[HERE], port=port)
        own = common_nearby(0.2, addresses=[HERE, THERE], port=port)
    assert (heard, own) == (THERE, "")


def test_without_a_network_nothing_is_waited_for() -> None:
    with patch("aslp2p.cli.nearby.ask_the_group", side_effect=AssertionError("asked")):
        assert common_nearby(60, addresses=[]) == ""


def test_where_the_port_cannot_be_had_nothing_is_heard() -> None:
    with patch("aslp2p.cli.nearby.ask_the_group", side_effect=OSError(98, "in use")):
        assert common_nearby(60, addresses=["127.0.0.1"]) == ""


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network on which a Common is announced."""
    monkeypatch.delenv("ASL_NO_LISTEN")
    with patch("aslp2p.cli.nearby.common_nearby", lambda: "192.0.2.9"):
        yield


@pytest.mark.usefixtures("announced")
def test_without_a_terminal_it_founds_and_says_so(asl: Asl) -> None:
    done = asl("init", "home")
    assert done.exit_code == 0 and done.stdout.startswith("Made the Common home")
    assert "A Common is announced on this network, at 192.0.2.9" in done.stderr
    assert "asl join CODE" in done.stderr
    assert "announced" not in asl("init", "team").stderr, "whoever has one founds the next on purpose"


@pytest.mark.usefixtures("announced")
@pytest.mark.parametrize(("typed", "founded"), [("y\n", False), ("\n", False), ("n\n", True)])
def test_on_a_terminal_it_asks(asl: Asl, tmp_path: Path, typed: str, founded: bool) -> None:
    with patch("aslp2p.cli.begin.somebody_is_here", lambda: True):
        done = asl("init", "home", input=typed)
    assert "A Common is announced at 192.0.2.9. Join that one instead?" in done.stderr
    assert done.exit_code == (0 if founded else 1)
    assert (tmp_path / "home" / "commons").exists() is founded
    if not founded:
        assert "nothing was founded; type there: asl invite, and here: asl join CODE" in done.stderr


@pytest.mark.usefixtures("announced")
def test_nobody_listens_who_says_so_or_has_no_multicast(asl: Asl, tmp_path: Path) -> None:
    assert "announced" not in asl("init", "home", "--no-listen").stderr
    other = tmp_path / "other"
    assert asl("self", "--home", str(other)).exit_code == 0
    (other / "config.toml").write_text("[mdns]\nenabled = false\n")
    assert "announced" not in asl("init", "home", "--home", str(other)).stderr
