"""etcd: five members with a static cluster on loopback, through the JSON gateway of its own HTTP port.

Its defaults stand: every member fsyncs its log before it votes for an entry. Puts go to a follower as `POST
/v3/kv/put` on up to `IN_FLIGHT` kept-open connections (the server answers one request a connection at a
time); visible is an event of `POST /v3/watch` at each member, which that member sends from its own applied
state; a returning member is asked with a serializable range, which it answers alone. The gateway turns JSON
into gRPC inside the member, which a native client would not need.
"""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.cluster import IN_FLIGHT, NODES, BenchmarkError, Cluster, System, key_of, value_of
from benchmarks.processes import Child, free_ports
from benchmarks.streams import Streams

START_S_MAX = 30.0
REQUEST_S_MAX = 30.0


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _request(path: str, body: Mapping[str, Any]) -> bytes:
    payload = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


class _Watch:
    """Reads the chunked stream of one member's watch: a JSON object a line, events within."""

    def __init__(self, seen: Callable[[int], None]) -> None:
        self._seen = seen
        self._bytes = bytearray()
        self._text = bytearray()
        self._in_body = False
        self.created = False

    def feed(self, data: bytes) -> None:
        self._bytes += data
        if not self._in_body:
            end = self._bytes.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 200 " not in self._bytes[:end]:
                raise BenchmarkError(f"etcd refused a watch: {bytes(self._bytes[:80])!r}")
            del self._bytes[: end + 4]
            self._in_body = True
        while (end := self._bytes.find(b"\r\n")) >= 0:
            size = int(self._bytes[:end], 16)
            if len(self._bytes) < end + 2 + size + 2:
                break
            self._text += self._bytes[end + 2 : end + 2 + size]
            del self._bytes[: end + 2 + size + 2]
        *lines, rest = self._text.split(b"\n")
        self._text = rest
        for line in lines:
            self._take(bytes(line))

    def _take(self, line: bytes) -> None:
        result = json.loads(line)["result"]
        self.created = self.created or bool(result.get("created"))
        for event in result.get("events", ()):
            self._seen(int(base64.b64decode(event["kv"]["key"])[2:]))


class _Puts:
    """Kept-open connections to one member; each carries one put at a time."""

    def __init__(self, streams: Streams, port: int, *, is_forgiving: bool = False) -> None:
        self._streams = streams
        self._port = port
        self._is_forgiving = is_forgiving
        self._all: list[socket.socket] = []
        self._free: list[socket.socket] = []
        self._waiting: list[bytes] = []
        self._count = 0

    def put(self, request: bytes) -> None:
        if not self._free and self._count < IN_FLIGHT:
            self._open()
        if self._free:
            self._free.pop().sendall(request)
        else:
            self._waiting.append(request)

    def _open(self) -> None:
        connection = _connect(self._port)
        buffer = bytearray()

        def answered(data: bytes) -> None:
            buffer.extend(data)
            head, gap, body = buffer.partition(b"\r\n\r\n")
            if not gap:
                return
            if not head.startswith(b"HTTP/1.1 200 ") and not self._is_forgiving:
                raise BenchmarkError(f"etcd refused a put: {bytes(buffer[:200])!r}")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if len(body) < int(length):
                return
            buffer.clear()
            if self._waiting:
                connection.sendall(self._waiting.pop(0))
            else:
                self._free.append(connection)

        self._streams.add(connection, answered)
        self._all.append(connection)
        self._count += 1
        self._free.append(connection)

    def close(self) -> None:
        for connection in self._all:
            self._streams.remove(connection)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=REQUEST_S_MAX)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class EtcdCluster:
    """`Cluster` for etcd; see the module's docstring."""

    fill_window = IN_FLIGHT

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ports = free_ports(2 * NODES)
        self._client_ports, self._peer_ports = ports[:NODES], ports[NODES:]
        self._members: dict[int, Child] = {}
        self._streams = Streams()
        self._watches: dict[int, socket.socket] = {}
        self._asking: dict[int, http.client.HTTPConnection] = {}
        self._news: list[tuple[int, int]] = []
        self.participant = 0
        self.returning = NODES - 1

    def start(self) -> None:
        for node in range(NODES):
            self.spawn_node(node)
        leader = self.orderer()
        followers = [node for node in range(NODES) if node != leader]
        self.participant, self.returning = followers[0], followers[-1]
        for node in range(NODES):
            self.listen_node(node)
        self._puts = _Puts(self._streams, self._client_ports[self.participant])

    def _ask(self, node: int, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The member's answer, or None when it does not listen or gives up."""
        connection = self._asking.get(node)
        if connection is None:
            port = self._client_ports[node]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_S_MAX)
        try:
            connection.request("POST", path, json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            self._asking.pop(node, None)
            return None
        self._asking[node] = connection
        if answer.status != 200:
            return None
        result: dict[str, Any] = json.loads(text)
        return result

    def _leader(self) -> int | None:
        """The member that leads, once all members answer and agree on it."""
        answers = [self._ask(node, "/v3/maintenance/status", {}) for node in range(NODES)]
        ids = [answer["header"]["member_id"] for answer in answers if answer]
        leaders = {answer.get("leader") for answer in answers if answer}
        if len(ids) < NODES or len(leaders) != 1 or (leader := leaders.pop()) not in ids:
            return None
        return ids.index(leader)

    def orderer(self) -> int:
        deadline = time.perf_counter() + START_S_MAX
        while (leader := self._leader()) is None:
            for member in self._members.values():
                member.check()
            if time.perf_counter() > deadline:
                raise BenchmarkError("etcd elected no leader")
            time.sleep(0.05)
        return leader

    def aim(self, node: int) -> None:
        self._puts.close()
        self._puts = _Puts(self._streams, self._client_ports[node], is_forgiving=True)
        self.participant = node

    def submit(self, sequence: int) -> None:
        body = {"key": _b64(key_of(sequence)), "value": _b64(value_of(sequence))}
        self._puts.put(_request("/v3/kv/put", body))

    def poll(self, timeout_s: float) -> Iterable[tuple[int, int]]:
        self._streams.run(timeout_s)
        news, self._news = self._news, []
        return news

    def shows(self, node: int, sequence: int) -> bool:
        self._members[node].check()
        body = {"key": _b64(key_of(sequence)), "serializable": True, "keys_only": True}
        answer = self._ask(node, "/v3/kv/range", body)
        return answer is not None and "kvs" in answer

    def stop_node(self, node: int) -> None:
        self._forget(node).terminate()

    def kill_node(self, node: int) -> None:
        self._forget(node).kill()

    def _forget(self, node: int) -> Child:
        self._streams.remove(self._watches.pop(node))
        if asking := self._asking.pop(node, None):
            asking.close()
        return self._members.pop(node)

    def backfill(self, first: int, count: int) -> bool:
        return False

    def spawn_node(self, node: int) -> None:
        peers = ",".join(f"n{i}=http://127.0.0.1:{port}" for i, port in enumerate(self._peer_ports))
        client = f"http://127.0.0.1:{self._client_ports[node]}"
        peer = f"http://127.0.0.1:{self._peer_ports[node]}"
        command = ["etcd", "--name", f"n{node}", "--data-dir", str(self._directory / f"n{node}")]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", peers, "--initial-cluster-state", "new"]
        command += ["--logger", "zap", "--log-level", "error"]
        self._members[node] = Child(command, self._directory / f"n{node}.log")

    def listen_node(self, node: int) -> None:
        watch = _Watch(lambda sequence: self._news.append((node, sequence)))
        connection = _connect(self._client_ports[node])
        create = {"create_request": {"key": _b64("b/"), "range_end": _b64("b0")}}
        connection.sendall(_request("/v3/watch", create))
        self._streams.add(connection, watch.feed)
        self._watches[node] = connection
        deadline = time.perf_counter() + REQUEST_S_MAX
        while not watch.created:
            self._streams.run(0.1)
            if time.perf_counter() > deadline:
                raise BenchmarkError("etcd opened no watch")

    def pids(self) -> list[int]:
        return [self._members[node].pid for node in sorted(self._members)]

    def stop(self) -> None:
        for asking in self._asking.values():
            asking.close()
        self._asking.clear()
        self._streams.close()
        for member in self._members.values():
            member.kill()
        self._members.clear()


def _version() -> str:
    printed = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True).stdout
    return printed.splitlines()[0].removeprefix("etcd Version:").strip()


def _missing() -> str | None:
    return None if shutil.which("etcd") else "etcd is not installed (Debian: apt install etcd-server)"


def _cluster(directory: Path) -> Cluster:
    return EtcdCluster(directory)


SYSTEMS = [System("etcd", _version, _missing, _cluster)]
