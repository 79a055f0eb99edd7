"""The rig does what it says: a cut cuts, one way is one way, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lan.rig import Host, Lan, RigError, remove_stale, wait_until

pytestmark = pytest.mark.lan

BuildLan = Callable[[int], Lan]
GROUP = "239.1.2.3"
MDNS_GROUP = "224.0.0.251"
PORT = 5353

RECEIVE = f"""
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {PORT}))
for group in ("{GROUP}", "{MDNS_GROUP}"):
    member = socket.inet_aton(group) + socket.inet_aton(sys.argv[1])
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
out = open(sys.argv[2], "wb", buffering=0)
out.write(b"ready\\n")
while True:
    out.write(s.recv(2048) + b"\\n")
"""
SEND = f"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[3])):
    try:
        s.sendto(sys.argv[2].encode(), (sys.argv[1], {PORT}))
    except PermissionError:
        pass  # what a firewall on the sending host says
"""


class Ear:
    """What a host hears on a UDP port."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.file = directory / f"heard-{host.index}"
        host.popen(sys.executable, "-S", "-c", RECEIVE, host.ip, self.file)
        wait_until(lambda: "ready" in self.heard(), 20, f"{host} listens")

    def heard(self) -> list[str]:
        return self.file.read_text().splitlines()


def send(host: Host, to: str, text: str, count: int = 1) -> None:
    host.run(sys.executable, "-S", "-c", SEND, to, text, str(count))


def reaches(source: Host, address: str) -> bool:
    return source.run("ping", "-c1", "-W1", address, check=False).returncode == 0


def test_hosts_reach_each_other_by_ipv4_ipv6_and_link_local(build_lan: BuildLan) -> None:
    one, two = build_lan(2)
    assert reaches(one, two.ip)
    assert reaches(one, two.ip6)
    assert reaches(one, f"{two.link_local}%eth0")
    assert reaches(one, "127.0.0.1")


def test_a_host_sees_only_its_own_lan(build_lan: BuildLan) -> None:
    (one,) = build_lan(1)
    links = one.run("ip", "-o", "link").stdout.splitlines()
    assert [line.split()[1].split("@")[0].strip(":") for line in links] == ["lo", "eth0"]
    assert not one.run("ip", "route", "show", "default").stdout


def test_multicast_passes_the_bridge(build_lan: BuildLan, tmp_path: Path) -> None:
    one, two, three = build_lan(3)
    ears = Ear(two, tmp_path), Ear(three, tmp_path)
    send(one, GROUP, "to all")
    for ear in ears:
        wait_until(lambda ear=ear: "to all" in ear.heard(), 10, "multicast heard")  # type: ignore[misc]


def test_a_cut_host_is_cut_and_a_healed_one_is_back(build_lan: BuildLan) -> None:
    lan = build_lan(3)
    one, two, three = lan
    lan.cut(two)
    wait_until(lambda: "NO-CARRIER" in two.run("ip", "link", "show", "eth0").stdout, 10, "carrier lost")
    assert not reaches(one, two.ip)
    assert reaches(one, three.ip)
    lan.heal(two)
    wait_until(lambda: reaches(one, two.ip), 10, "healed")


def test_one_way_is_one_way(build_lan: BuildLan, tmp_path: Path) -> None:
    lan = build_lan(2)
    one, two = lan
    ear_one, ear_two = Ear(one, tmp_path), Ear(two, tmp_path)
    # Neighbours know each other first: address resolution itself needs both directions.
    assert reaches(one, two.ip)
    lan.cut_one_way(one, two)
    send(one, two.ip, "lost")
    send(two, one.ip, "arrives")
    wait_until(lambda: "arrives" in ear_one.heard(), 10, "the open direction")
    lan.heal_all()
    send(one, two.ip, "healed")
    wait_until(lambda: "healed" in ear_two.heard(), 10, "the healed direction")
    assert "lost" not in ear_two.heard()


def test_partition_separates_groups_only(build_lan: BuildLan) -> None:
    lan = build_lan(4)
    one, two, three, four = lan
    lan.partition([one, two], [three])
    assert reaches(one, two.ip)
    assert reaches(one, four.ip)
    assert reaches(three, four.ip)
    assert not reaches(one, three.ip)
    assert not reaches(three, two.ip)
    lan.heal_all()
    assert reaches(one, three.ip)


def test_loss_loses_about_its_share(build_lan: BuildLan, tmp_path: Path) -> None:
    lan = build_lan(2)
    one, two = lan
    ear = Ear(two, tmp_path)
    send(one, two.ip, "before", 200)
    wait_until(lambda: ear.heard().count("before") == 200, 10, "everything without loss")
    lan.loss(50)
    # By multicast: with unicast the address resolution could be what is lost.
    send(one, GROUP, "half", 200)
    lan.loss(0)
    send(one, two.ip, "end")
    wait_until(lambda: "end" in ear.heard(), 10, "the end")
    # 200 coins: outside 50 to 150 less than once in 10**11 runs.
    assert 50 < ear.heard().count("half") < 150


def test_addresses_come_and_change(build_lan: BuildLan) -> None:
    one, two = build_lan(2)
    two.add_address("10.77.0.98/24")
    assert reaches(one, "10.77.0.98")
    two.remove_address("10.77.0.98/24")
    old = two.ip
    two.change_address(99)
    assert two.ip == "10.77.0.99"
    assert reaches(one, two.ip)
    assert reaches(one, two.ip6)
    assert not reaches(one, old)
    assert "224.0.0.0/4" in two.run("ip", "route").stdout


@pytest.mark.parametrize("where", ["on the bridge", "on the host"])
def test_blocked_mdns_blocks_mdns_only(build_lan: BuildLan, tmp_path: Path, where: str) -> None:
    lan = build_lan(2)
    one, two = lan
    ear = Ear(two, tmp_path)
    block = lan.block_mdns if where == "on the bridge" else one.firewall_mdns
    block(True)
    send(one, MDNS_GROUP, "blocked")
    send(one, GROUP, "another group")
    wait_until(lambda: "another group" in ear.heard(), 10, "other multicast")
    block(False)
    send(one, MDNS_GROUP, "open again")
    wait_until(lambda: "open again" in ear.heard(), 10, "mDNS after the block")
    assert "blocked" not in ear.heard()


def test_a_capture_holds_what_passed(build_lan: BuildLan, tmp_path: Path) -> None:
    lan = build_lan(2)
    one, two = lan
    ear = Ear(two, tmp_path)
    with lan.capture(two, tmp_path / "wire.pcap") as wire:
        send(one, two.ip, "a needle in the wire")
        wait_until(lambda: "a needle in the wire" in ear.heard(), 10, "the packet arrived")
    assert b"a needle in the wire" in wire.read_bytes()


def test_everything_goes_with_the_lan_even_after_a_failure(lan_usable: None) -> None:
    lan = Lan(2)
    processes = []

    def fail() -> None:
        with lan:
            processes.append(lan[1].popen("sleep", "1000"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert processes[0].poll() is not None
    assert lan.name not in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout


def test_what_a_killed_run_left_is_cleared_and_what_lives_is_kept(lan_usable: None) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.lan.rig import Lan\n"
        "lan = Lan(1).__enter__(); lan[1].popen('sleep', '1000')\n"
        "print(lan.name, flush=True); sys.stdin.read()"
    )
    builder = subprocess.Popen(
        [sys.executable, "-c", code, Path(__file__).parents[2]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with builder:
        assert builder.stdout is not None
        name = builder.stdout.readline().strip()

        def left() -> bool:
            return name in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout

        remove_stale()
        assert name and left(), "a living process keeps its LAN"
        os.kill(builder.pid, signal.SIGKILL)
        builder.wait()
        assert left()
        remove_stale()
        assert not left()


def test_a_failing_command_says_what_it_printed(build_lan: BuildLan) -> None:
    (one,) = build_lan(1)
    with pytest.raises(RigError, match="No such file"):
        one.run("ls", "/nowhere/at/all")
    assert one.run("false", check=False).returncode == 1


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match=r"not within 0 s: the moon \(last: \[\]\)"):
        wait_until(list, 0, "the moon")
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        wait_until(lambda: 1 // 0, 0, "the moon")
    assert wait_until(lambda: "value", 0, "anything") == "value"
