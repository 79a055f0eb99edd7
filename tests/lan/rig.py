"""A LAN of network namespaces, as a cable drawer for tests.

How it works. Every host is a network namespace whose `eth0` is one end of a veth pair; the other end, `p1`,
`p2`, …, is a port of `br0` in a namespace of the bridge's own. Pairs are created inside those namespaces, so
the machine's own interfaces, routes and firewall are never touched and nothing can leave. Names carry the pid
and the start time of the process that made them: whatever finds a name whose process is gone (a killed run)
clears it away first.

A cut cable is the bridge port going down: the host sees its carrier go, as with a real cable. Everything
finer (one direction only, pairs, loss, multicast) is one nftables table on the bridge, rendered whole from
the state kept here and replaced atomically, so that no order of calls leaves a rule behind.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

PREFIX = "asllan"
IPV4_NET = "10.77.0"
IPV6_NET = "fd77"
HOSTS_MAX = 200
COMMAND_TIMEOUT_S = 30.0
MDNS_GROUPS = "ip daddr 224.0.0.251 udp dport 5353", "ip6 daddr ff02::fb udp dport 5353"

T = TypeVar("T")
_serials = itertools.count(1)


class RigError(Exception):
    """The rig itself could not do what was asked; the text holds the command and what it printed."""


def missing_tools() -> str:
    """The tools that the rig needs and that are not installed, in words, or "" if all are."""
    missing = [tool for tool in ("ip", "nft", "tcpdump", "ping", "sysctl") if shutil.which(tool) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def wait_until(predicate: Callable[[], T], timeout_s: float, what: str, *, every_s: float = 0.02) -> T:
    """Poll `predicate` until it returns something true, and return that.

    Raises AssertionError naming `what`, with the last value or exception, after `timeout_s`. A predicate that
    raises counts as not yet true.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            value = predicate()
            last = repr(value)
        except Exception as error:
            value = None
            last = f"{type(error).__name__}: {error}"
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what} (last: {last})")
        time.sleep(every_s)


class Host:
    """One machine. `ip`, `ip6` and `link_local` are its addresses; `index` counts from 1."""

    def __init__(self, lan: Lan, index: int) -> None:
        self.lan = lan
        self.index = index
        self.netns = f"{lan.name}-{index}"
        self.port = f"p{index}"
        self.ip = f"{IPV4_NET}.{index}"
        self.ip6 = f"{IPV6_NET}::{index:x}"
        self._processes: list[subprocess.Popen[Any]] = []

    def __repr__(self) -> str:
        return f"<Host {self.index} {self.ip}>"

    @property
    def link_local(self) -> str:
        """The fe80:: address of `eth0`, without its scope."""
        for line in _sh(
            "ip", "-n", self.netns, "-6", "-o", "addr", "show", "eth0", "scope", "link"
        ).splitlines():
            return line.split()[3].partition("/")[0]
        raise RigError(f"{self!r} has no link-local address")

    def run(
        self, *command: str | Path, timeout_s: float = COMMAND_TIMEOUT_S, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host and return it with its output as text.

        Raises RigError with what it printed if it fails and `check`; subprocess.TimeoutExpired if it is late.
        """
        done = subprocess.run(
            self._inside(command), capture_output=True, text=True, timeout=timeout_s, **options
        )
        if check and done.returncode:
            raise RigError(f"{self!r}: {command} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def popen(self, *command: str | Path, **options: Any) -> subprocess.Popen[Any]:
        """Start a command on this host. Its pid is the command's own; it is killed when the LAN goes."""
        process = subprocess.Popen(self._inside(command), **options)
        self._processes.append(process)
        return process

    def add_address(self, cidr: str) -> None:
        """Give `eth0` another address, such as `10.77.0.99/24`; usable at once (no duplicate detection)."""
        nodad = ("nodad",) if ":" in cidr else ()
        _sh("ip", "-n", self.netns, "addr", "add", cidr, "dev", "eth0", *nodad)
        self._route_multicast()

    def remove_address(self, cidr: str) -> None:
        """Take an address away; connections that use it stall, as they do on a real machine."""
        _sh("ip", "-n", self.netns, "addr", "del", cidr, "dev", "eth0")
        self._route_multicast()

    def change_address(self, last: int) -> None:
        """Replace the IPv4 and the IPv6 address, not the link-local one, by others that end in `last`."""
        new_ip, new_ip6 = f"{IPV4_NET}.{last}", f"{IPV6_NET}::{last:x}"
        self.remove_address(f"{self.ip}/24")
        self.remove_address(f"{self.ip6}/64")
        self.add_address(f"{new_ip}/24")
        self.add_address(f"{new_ip6}/64")
        self.ip, self.ip6 = new_ip, new_ip6

    def firewall_mdns(self, blocked: bool = True) -> None:
        """Make this host's own firewall drop mDNS in both directions, or stop doing so."""
        rules = "".join(
            f"add rule inet asl {way} {group} drop\n" for way in ("i", "o") for group in MDNS_GROUPS
        )
        _nft(
            self.netns,
            "add table inet asl\n"
            "add chain inet asl i { type filter hook input priority 0; }\n"
            "add chain inet asl o { type filter hook output priority 0; }\n"
            "flush table inet asl\n" + (rules if blocked else ""),
        )

    def start(self) -> None:
        """Create the namespace, its cable and its addresses."""
        _sh("ip", "netns", "add", self.netns)
        # Without duplicate address detection addresses work at once instead of after two seconds.
        settings = "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.dad_transmits=0"
        _sh("ip", "netns", "exec", self.netns, "sysctl", "-qw", *settings)
        bridge = self.lan.bridge
        _sh("ip", "-n", bridge, "link", "add", self.port, "type", "veth", "peer", "eth0", "netns", self.netns)
        _sh("ip", "-n", bridge, "link", "set", self.port, "master", "br0", "up")
        _sh("ip", "-n", self.netns, "link", "set", "lo", "up")
        _sh("ip", "-n", self.netns, "link", "set", "eth0", "up")
        self.add_address(f"{self.ip}/24")
        self.add_address(f"{self.ip6}/64")

    def stop(self) -> None:
        """Kill what runs here and remove the namespace; does nothing twice."""
        self.kill_all()
        _remove_netns(self.netns)

    def kill_all(self) -> None:
        """Kill what `popen` started here."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        for process in self._processes:
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        self._processes.clear()

    def _inside(self, command: Iterable[str | Path]) -> list[str]:
        return ["ip", "netns", "exec", self.netns, *map(str, command)]

    def _route_multicast(self) -> None:
        # The kernel drops the interface's IPv4 routes with its last IPv4 address; ff00::/8 it makes itself.
        _sh("ip", "-n", self.netns, "route", "replace", "224.0.0.0/4", "dev", "eth0")


class Loopback(Host):
    """This machine itself as a host, for daemons that need nothing but 127.0.0.1, and no root."""

    def __init__(self) -> None:
        self.ip = "127.0.0.1"
        self._processes = []

    def __repr__(self) -> str:
        return "<Loopback>"

    def stop(self) -> None:
        self.kill_all()

    def _inside(self, command: Iterable[str | Path]) -> list[str]:
        return [str(word) for word in command]


class Lan:
    """`with Lan(3) as lan:` builds three hosts, `lan[1]` to `lan[3]`, on one bridge; they go with the block.

    `hosts` is at most 200. Raises RigError if a step fails, with everything made so far removed.
    """

    def __init__(self, hosts: int) -> None:
        if not 1 <= hosts <= HOSTS_MAX:
            raise ValueError(f"1 to {HOSTS_MAX} hosts, not {hosts}")
        self.name = f"{PREFIX}-{_owner()}-{next(_serials)}"
        self.bridge = f"{self.name}-br"
        self.hosts: list[Host] = []
        self._planned = hosts
        self._blocked: set[tuple[str, str]] = set()
        self._mdns_blocked = False
        self._loss_permille = 0

    def __enter__(self) -> Lan:
        remove_stale()
        try:
            _sh("ip", "netns", "add", self.bridge)
            _sh("ip", "-n", self.bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            _sh("ip", "-n", self.bridge, "link", "set", "br0", "up")
            for _ in range(self._planned):
                self.add_host()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getitem__(self, index: int) -> Host:
        """The host with this number, from 1."""
        if not 1 <= index <= len(self.hosts):
            raise IndexError(f"hosts are 1 to {len(self.hosts)}, not {index}")
        return self.hosts[index - 1]

    def __iter__(self) -> Iterator[Host]:
        return iter(self.hosts)

    def close(self) -> None:
        """Kill every process on every host and remove all namespaces; does nothing twice."""
        for host in self.hosts:
            host.stop()
        self.hosts.clear()
        _remove_netns(self.bridge)

    def add_host(self) -> Host:
        """Plug one more machine in."""
        host = Host(self, len(self.hosts) + 1)
        self.hosts.append(host)
        host.start()
        return host

    def cut(self, host: Host) -> None:
        """Pull the host's cable: its carrier goes, nothing passes in either direction."""
        _sh("ip", "-n", self.bridge, "link", "set", host.port, "down")

    def heal(self, host: Host) -> None:
        """Plug the cable in again."""
        _sh("ip", "-n", self.bridge, "link", "set", host.port, "up")

    def cut_one_way(self, source: Host, target: Host) -> None:
        """Drop what `source` sends to `target`; the other direction still works, and carriers stay."""
        self._blocked.add((source.port, target.port))
        self._apply()

    def partition(self, *groups: Iterable[Host]) -> None:
        """Let hosts of different groups exchange nothing. A host in no group keeps talking to all."""
        for ours, theirs in itertools.permutations([list(group) for group in groups], 2):
            self._blocked.update((a.port, b.port) for a in ours for b in theirs if a is not b)
        self._apply()

    def loss(self, percent: float) -> None:
        """Lose this share of all packets on the bridge, at random, 0 to 100 in steps of 0.1."""
        if not 0 <= percent <= 100:
            raise ValueError(f"0 to 100 percent, not {percent}")
        self._loss_permille = round(percent * 10)
        self._apply()

    def block_mdns(self, blocked: bool = True) -> None:
        """Make the bridge drop mDNS, as an access point that isolates its clients does, or stop doing so."""
        self._mdns_blocked = blocked
        self._apply()

    def heal_all(self) -> None:
        """Plug every cable in and forget cuts, partitions, loss and blocked multicast."""
        self._blocked.clear()
        self._mdns_blocked = False
        self._loss_permille = 0
        self._apply()
        for host in self.hosts:
            self.heal(host)

    @contextlib.contextmanager
    def capture(self, host: Host, path: Path) -> Iterator[Path]:
        """Record what passes `host`'s cable into the pcap file `path`, complete when the block ends."""
        arguments = "-i", "eth0", "--immediate-mode", "-U", "-s", "0", "-Z", "root", "-w", str(path)
        tcpdump = host.popen("tcpdump", *arguments, stderr=subprocess.PIPE)
        assert tcpdump.stderr is not None
        _await_line(tcpdump, tcpdump.stderr, b"listening on")
        # tcpdump says more only when it ends; the pipe must not fill up meanwhile.
        drain = threading.Thread(target=tcpdump.stderr.read, daemon=True)
        drain.start()
        try:
            yield path
        finally:
            tcpdump.send_signal(signal.SIGINT)
            tcpdump.wait(COMMAND_TIMEOUT_S)
            drain.join(COMMAND_TIMEOUT_S)

    def _apply(self) -> None:
        rules = [f'iifname "{a}" oifname "{b}" drop' for a, b in sorted(self._blocked)]
        if self._mdns_blocked:
            rules += [f"{group} drop" for group in MDNS_GROUPS]
        if self._loss_permille:
            rules.append(f"numgen random mod 1000 < {self._loss_permille} drop")
        _nft(
            self.bridge,
            "add table bridge asl\n"
            "add chain bridge asl f { type filter hook forward priority 0; }\n"
            "flush table bridge asl\n" + "".join(f"add rule bridge asl f {rule}\n" for rule in rules),
        )


def remove_stale() -> None:
    """Remove what killed runs left: namespaces of ours whose process is gone."""
    for line in _sh("ip", "netns", "list").splitlines():
        name = line.split()[0]
        parts = name.split("-")
        if parts[0] == PREFIX and len(parts) >= 4 and not _alive(parts[1], parts[2]):
            _remove_netns(name)


def _owner() -> str:
    return f"{os.getpid()}-{_start_time(os.getpid())}"


def _alive(pid: str, start_time: str) -> bool:
    try:
        return _start_time(int(pid)) == start_time
    except (OSError, ValueError):
        return False


def _start_time(pid: int) -> str:
    # Field 22 of /proc/pid/stat, in ticks since boot: tells a process from a later one with the same pid.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _remove_netns(name: str) -> None:
    pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout.split()
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)


def _await_line(process: subprocess.Popen[Any], stream: IO[bytes], mark: bytes) -> None:
    seen = b""
    while line := stream.readline():
        seen += line
        if mark in line:
            return
    raise RigError(f"{process.args!r} ended with {process.wait()}: {seen.decode(errors='replace')}")


def _nft(netns: str, script: str) -> None:
    _sh("ip", "netns", "exec", netns, "nft", "-f", "-", stdin=script)


def _sh(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
    if done.returncode:
        raise RigError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
