"""Who has no invite gets nothing: other Commons on the same machines, and other machines on the same wire."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aslp2p.artifacts.invite import Invite
from aslp2p.control.protocol import RemoteError
from tests.lan.conftest import BuildHousehold, BuildLan
from tests.lan.machines import PATIENCE_S, Machine, found, wait_equal, wait_joined
from tests.lan.rig import wait_until
from tests.lan.wire import findings, packets, tcp_streams

pytestmark = pytest.mark.lan

DIARY = b"dear diary, the sourdough starter is called Humphrey and nobody may know. "


def holds(machine: Machine, needle: bytes) -> list[Path]:
    """The files of the machine's home in which the bytes stand."""
    return [
        path
        for path in machine.home.rglob("*")
        if path.is_file() and needle.lower() in path.read_bytes().lower()
    ]


def test_two_commons_on_the_same_machines_share_nothing(build_household: BuildHousehold) -> None:
    _, (anna, ben, cleo) = build_household("anna", "ben", "cleo")
    first = Invite.parse(found(anna, ben, common="household"))
    ben.asl("init", "bandroom")
    second_text = ben.json("--common", "bandroom", "invite")["invite"]
    second = Invite.parse(second_text)
    cleo.asl("join", second_text, "--name", "cleo")
    cleo.up()
    wait_joined(ben, cleo, common="bandroom")

    ben.asl("put", "--common", "household", "-", "groceries", stdin="flour\n")
    ben.asl("put", "--common", "bandroom", "-", "setlist", stdin="humphrey's blues\n")
    wait_equal([anna, ben], common="household")
    wait_equal([ben, cleo], common="bandroom")

    assert anna.paths() == ben.paths("household") == {"groceries"}
    assert cleo.paths() == ben.paths("bandroom") == {"setlist"}
    assert [one["name"] for one in ben.call("commons")["commons"]] == ["household", "bandroom"]
    assert anna.links() == {ben.key} == cleo.links()
    for machine in (anna, ben, cleo):
        machine.stop()
    for stranger, common, words in ((anna, second, b"setlist"), (cleo, first, b"groceries")):
        for secret in (common.common_id, common.network_secret, common.name.encode(), words):
            assert not holds(stranger, secret)
        assert holds(ben, common.network_secret), "what is not there can be found where it is"


def test_a_machine_without_the_invite_gets_nothing(build_household: BuildHousehold, tmp_path: Path) -> None:
    lan, (anna, ben, mallory) = build_household("annas-laptop", "bens-attic-box", "mallory")
    mallory.asl("init", "elsewhere")
    mallory.up()
    with (
        lan.capture(ben.host, tmp_path / "member.pcap") as on_the_wire,
        lan.capture(mallory.host, tmp_path / "stranger.pcap") as at_the_stranger,
    ):
        invite = Invite.parse(found(anna, ben, common="familyalbum"))
        diary = tmp_path / "diary"
        diary.write_bytes(DIARY * 2000)
        ben.asl("put", diary, "private/diary-of-ben.txt")
        wait_equal([anna, ben])
        ben.asl("rm", "private/diary-of-ben.txt")
        height = wait_equal([anna, ben])
        foreign = f"{mallory.address}  foreign: 1 Common announced there, not followed"
        for machine in (anna, ben):
            wait_until(lambda: foreign in machine.asl("common", "list"), PATIENCE_S, "she is foreign")  # noqa: B023

        # She knows where they listen, and even the Common's id and a token; not the secret.
        forged = replace(invite, network_secret=os.urandom(32)).encode()
        mallory.asl("join", forged)
        mallory.stop()
        before = anna.log.read_text().count("no link from")
        mallory.up("--peer", anna.address, "--peer", ben.address)
        wait_until(
            lambda: anna.log.read_text().count("no link from") > before, PATIENCE_S, "she tried, in vain"
        )
    assert mallory.links("familyalbum") == mallory.links("elsewhere") == set()
    with pytest.raises(RemoteError, match="nothing of this Common has arrived"):
        mallory.call("summary", common="familyalbum")
    assert anna.links() == {ben.key} and ben.links() == {anna.key}
    assert not holds(mallory, DIARY[:30]) and not holds(mallory, b"diary-of-ben")

    snapshot = bytes.fromhex(anna.head()[1])
    shown = anna.call("show", at=height - 1)
    secrets = {
        "the Common's id": invite.common_id,
        "the Common's name": invite.name.encode(),
        "the network secret": invite.network_secret,
        "the token": invite.token[8:72],
        "a key": bytes.fromhex(anna.key[-64:]),
        "another key": bytes.fromhex(ben.key[-64:]),
        "a name": anna.name.encode(),
        "another name": ben.name.encode(),
        "a path": b"private/diary-of-ben.txt",
        "a file's name": b"diary-of-ben",
        "content": DIARY,
        "the head's id": snapshot,
        "a proposal's id": bytes.fromhex(shown["proposals"][0]["id"]),
    }
    assert findings(on_the_wire, secrets) == []
    assert findings(at_the_stranger, secrets) == []

    carried = b"".join(tcp_streams(on_the_wire))
    assert len(carried) > len(DIARY) * 2000, "what they exchanged is in the recording"
    assert any(b"_aslp2p" in packet for packet in packets(at_the_stranger)), "she heard announcements"


LISTEN = """
import socket
server = socket.create_server(("0.0.0.0", 7000))
print(flush=True)
connection, _ = server.accept()
while connection.recv(99):
    pass
"""
SEND = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 7000))
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
data = bytes.fromhex(sys.argv[2])
for at in range(0, len(data), 20):  # no packet holds all of it
    connection.send(data[at : at + 20])
connection.shutdown(socket.SHUT_WR)
connection.recv(1)
"""


def test_what_is_on_the_wire_is_found(build_lan: BuildLan, tmp_path: Path) -> None:
    """The measure of the test above: a secret sent in clear, in any form and in pieces, is seen."""
    lan = build_lan(2)
    secret = os.urandom(32)
    parts = [secret, secret.hex().upper().encode()]
    parts += [base64.b64encode(bytes(shift) + secret + b"yz") for shift in range(3)]
    parts += [base64.urlsafe_b64encode(bytes(shift) + secret + b"yz") for shift in range(3)]
    parts += [base64.b32encode(bytes(shift) + secret + b"yz") for shift in range(5)]
    for number, part in enumerate(parts):
        with lan.capture(lan[1], tmp_path / f"{number}.pcap") as recording:
            server = lan[2].popen(sys.executable, "-c", LISTEN, stdout=subprocess.PIPE)
            assert server.stdout is not None
            server.stdout.readline()
            lan[1].run(sys.executable, "-c", SEND, lan[2].ip, part.hex())
            server.wait(PATIENCE_S)
        assert findings(recording, {"the secret": secret}), number
        assert findings(recording, {"another": os.urandom(32)}) == []
