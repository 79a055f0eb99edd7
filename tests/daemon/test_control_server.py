"""The control server on a real socket: JSON-RPC to the letter, hostile clients, many clients, every error."""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import trio

from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from aslp2p.daemon import control_server
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.control_listener import bind_control
from aslp2p.daemon.control_methods import Method, typed
from aslp2p.daemon.control_server import serve_control
from aslp2p.errors import InvariantBroken, NeedsAttention, NoDaemon, UsageError, UserError
from aslp2p.limits import (
    CONTROL_BATCH_MAX,
    CONTROL_CALLS_MAX,
    CONTROL_CONNECTIONS_MAX,
    CONTROL_LINE_BYTES_MAX,
)


class Daemon:
    """A control server with methods to test it by, at `path`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.events = EventSource(("head", "peer"))
        self.gate = trio.Event()
        self.waiting = 0
        self.most_waiting = 0
        self.cancelled = trio.Event()
        self.scope = trio.CancelScope()
        self.methods: dict[str, Method] = {
            "echo": self.echo,
            "put": typed(self.put),
            "wait": typed(self.wait),
            "fail": typed(self.fail),
            "stop": typed(self.stop),
            "big": typed(self.big),
        }

    async def echo(self, params: dict[str, Any]) -> Any:
        return params

    async def put(
        self, path: str, size: Annotated[int, msgspec.Meta(ge=0)] = 0, tags: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        return {"path": path, "size": size, "tags": tags}

    async def wait(self) -> str:
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            await self.gate.wait()
        except trio.Cancelled:
            self.cancelled.set()
            raise
        finally:
            self.waiting -= 1
        return "done"

    async def fail(self, how: str) -> Any:
        match how:
            case "user":
                raise NeedsAttention("somebody has to decide", remedy="asl endorse")
            case "group":
                raise ExceptionGroup("nursery", [ExceptionGroup("nursery", [UsageError("wrong")])])
            case "bug":
                raise KeyError("secret detail")
            case "broken":
                raise InvariantBroken("two finals")
            case "set":
                return {1, 2}
            case "nan":
                return float("nan")
            case "surrogate":
                return "\udce9".encode()
        return None

    async def big(self, size: int) -> str:
        return "x" * size

    async def stop(self) -> str:
        self.scope.cancel()
        return "stopping"


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(str(tmp_path / "control.sock"))

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        with daemon.scope:
            await serve_control(daemon.path, daemon.methods, daemon.events, task_status=task_status)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield daemon
            daemon.scope.cancel()


class Raw:
    """A client that sends any bytes and reads lines."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def line(self) -> Any:
        """The next line's value; None at the end."""
        while b"\n" not in self.buffer:
            data = await self.stream.receive_some()
            if not data:
                assert not self.buffer
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    async def ask(self, line: bytes) -> Any:
        await self.stream.send_all(line + b"\n")
        return await self.line()


@asynccontextmanager
async def raw(daemon: Daemon) -> AsyncIterator[Raw]:
    async with await trio.open_unix_socket(daemon.path) as stream:
        yield Raw(stream)


async def blocking(function: Callable[[Client], Any], daemon: Daemon) -> Any:
    def run() -> Any:
        with Client(daemon.path) as client:
            return function(client)

    return await trio.to_thread.run_sync(run)


def code(answer: Any) -> int | None:
    return answer["error"]["code"] if "error" in answer else None


# --- the protocol ---------------------------------------------------------------------------------


async def test_a_call_and_its_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        answer = await client.ask(
            '{"jsonrpc":"2.0","id":"ä","method":"echo","params":{"ü":[1,null]}}'.encode()
        )
        assert answer == {"jsonrpc": "2.0", "id": "ä", "result": {"ü": [1, None]}}
        assert await client.ask(b'{"jsonrpc":"2.0","id":null,"method":"echo"}\r') == {
            "jsonrpc": "2.0",
            "id": None,
            "result": {},
        }


@pytest.mark.parametrize(
    ("line", "expected", "id_"),
    [
        (b"hello", -32700, None),
        (b"{", -32700, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"e\x00cho"}', -32700, None),
        (b"\x00\x00\x00", -32700, None),
        (b"\xff\xfe{}", -32700, None),
        (b"[" * 500_000, -32700, None),
        (b'{"jsonrpc":"2.0","id":1e999,"method":"echo"}', -32700, None),
        (b"1", -32600, None),
        (b'"echo"', -32600, None),
        (b"null", -32600, None),
        (b"{}", -32600, None),
        (b"[]", -32600, None),
        (b'{"id":7,"method":"echo"}', -32600, 7),
        (b'{"jsonrpc":"1.0","id":7,"method":"echo"}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":7,"method":1}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":7}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"echo","params":1}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"echo","params":null}', -32600, 7),
        (b'{"jsonrpc":"2.0","id":true,"method":"echo"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"echo"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":{},"method":"echo"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":"' + b"x" * 200 + b'","method":"echo"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":7,"method":"fly"}', -32601, 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"' + b"x" * 10_000 + b'"}', -32601, 7),
        (b'{"jsonrpc":"2.0","id":7,"method":"echo","params":[1]}', -32602, 7),
    ],
)
async def test_what_is_no_call_gets_its_code_and_the_connection_lives(
    tmp_path: Path, line: bytes, expected: int, id_: object
) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        answer = await client.ask(line)
        assert (code(answer), answer["id"], answer["jsonrpc"]) == (expected, id_, "2.0")
        assert len(json.dumps(answer)) < 400
        assert (await client.ask(b'{"jsonrpc":"2.0","id":8,"method":"echo"}'))["result"] == {}


async def test_a_value_too_deep_to_answer_is_an_error_of_that_call(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        for depth in range(100, 1000, 50):  # somewhere in here reading works and writing does not
            nested = b"[" * depth + b"]" * depth
            answer = await client.ask(b'{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":%b}}' % nested)
            assert code(answer) in (None, -32603, -32700)
        assert (await client.ask(b'{"jsonrpc":"2.0","id":8,"method":"echo"}'))["result"] == {}


async def test_notifications_are_not_answered_even_when_they_fail(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        for line in (
            b'{"jsonrpc":"2.0","method":"echo"}',
            b'{"jsonrpc":"2.0","method":"fly"}',
            b'{"jsonrpc":"2.0","method":"put","params":{"path":1}}',
            b'{"jsonrpc":"2.0","method":"fail","params":{"how":"user"}}',
            b'[{"jsonrpc":"2.0","method":"echo"},{"jsonrpc":"2.0","method":"echo"}]',
            b"  \t",
            b"",
        ):
            await client.stream.send_all(line + b"\n")
        assert (await client.ask(b'{"jsonrpc":"2.0","id":8,"method":"echo"}'))["id"] == 8


async def test_a_batch_as_in_the_specification(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        answers = await client.ask(
            b'[{"jsonrpc":"2.0","method":"echo","params":{"a":1},"id":"1"},{"jsonrpc":"2.0","method":"echo"},'
            b'{"foo":"boo"},1,[],{"jsonrpc":"2.0","method":"foo.get","id":"5"}]'
        )
        assert [(answer["id"], code(answer)) for answer in answers] == [
            ("1", None),
            (None, -32600),
            (None, -32600),
            (None, -32600),
            ("5", -32601),
        ]


async def test_a_batch_is_bounded_in_length_and_in_what_it_answers(tmp_path: Path) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "big", "params": {"size": CONTROL_LINE_BYTES_MAX // 3}}
    small = {"jsonrpc": "2.0", "id": "é" * 20, "method": "fly"}
    async with running(tmp_path) as daemon, raw(daemon) as client:
        assert code(await client.ask(json.dumps([small] * (CONTROL_BATCH_MAX + 1)).encode())) == -32600
        answers = await client.ask(json.dumps([call] * 4 + [small] * (CONTROL_BATCH_MAX - 4)).encode())
        assert [code(answer) for answer in answers[:4]] == [None, None, -32603, -32603]
        assert {code(answer) for answer in answers[4:]} == {-32601}
        assert len(json.dumps(answers)) < CONTROL_LINE_BYTES_MAX


# --- lines ----------------------------------------------------------------------------------------


async def test_any_split_of_the_stream_gives_the_same_answers(tmp_path: Path) -> None:
    lines = b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"echo"}\n\n' % n for n in range(20))
    async with running(tmp_path) as daemon:
        for size in (1, 7, 64, len(lines)):
            async with raw(daemon) as client:
                for start in range(0, len(lines), size):
                    await client.stream.send_all(lines[start : start + size])
                assert {(await client.line())["id"] for _ in range(20)} == set(range(20))


async def test_the_longest_line_is_read_and_a_longer_one_ends_the_connection(tmp_path: Path) -> None:
    head, tail = b'{"jsonrpc":"2.0","id":1,"method":"big","params":{"size":1},"x":"', b'"}'
    fits = head + b"x" * (CONTROL_LINE_BYTES_MAX - 1 - len(head) - len(tail)) + tail
    async with running(tmp_path) as daemon:
        async with raw(daemon) as client:
            assert (await client.ask(fits))["result"] == "x"
        async with raw(daemon) as client:
            with suppress(trio.BrokenResourceError):
                await client.stream.send_all(b"x" * (2 * CONTROL_LINE_BYTES_MAX))
            answer = await client.line()
            assert code(answer) == -32700 and str(CONTROL_LINE_BYTES_MAX) in answer["error"]["message"]
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                assert await client.line() is not None
        async with raw(daemon) as client:
            assert (await client.ask(fits))["result"] == "x"


async def test_half_a_line_is_never_run(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        await client.stream.send_all(
            b'{"jsonrpc":"2.0","id":1,"method":"echo"}\n{"jsonrpc":"2.0","id":2,"method":"stop"}'
        )
        await client.stream.send_eof()
        assert {code(await client.line()) for _ in range(2)} == {None, -32700}
        assert await client.line() is None
        assert not daemon.scope.cancel_called


async def test_who_says_that_nothing_follows_still_gets_the_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        await client.stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"wait"}\n')
        await client.stream.send_eof()
        async with raw(daemon) as other:
            assert (await other.ask(b'{"jsonrpc":"2.0","id":1,"method":"echo"}'))["result"] == {}
        daemon.gate.set()
        assert (await client.line())["result"] == "done"
        assert await client.line() is None


async def test_calls_of_a_client_that_is_gone_are_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aslp2p.daemon.control_connection._WATCH_S", 0.01)
    monkeypatch.setattr("aslp2p.daemon.control_connection._GRACE_S", 0.01)
    async with running(tmp_path) as daemon:
        async with raw(daemon) as client:
            await client.stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"wait"}\n' * 200)
        await daemon.cancelled.wait()


async def test_calls_in_flight_are_bounded_and_all_answered(tmp_path: Path) -> None:
    count = 3 * CONTROL_CALLS_MAX
    async with running(tmp_path) as daemon, raw(daemon) as client:
        for id_ in range(count):
            await client.stream.send_all(b'{"jsonrpc":"2.0","id":%d,"method":"wait"}\n' % id_)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert daemon.waiting == CONTROL_CALLS_MAX
        daemon.gate.set()
        assert {(await client.line())["id"] for _ in range(count)} == set(range(count))
        assert daemon.most_waiting == CONTROL_CALLS_MAX


async def test_a_slow_call_holds_up_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        await client.stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"wait"}\n')
        assert (await client.ask(b'{"jsonrpc":"2.0","id":2,"method":"echo"}'))["id"] == 2
        daemon.gate.set()
        assert (await client.line())["id"] == 1


# --- parameters and errors ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "field", "says"),
    [
        ({}, "path", "path is missing"),
        ({"path": 1}, "path", "path: expected str, got int"),
        ({"path": "a", "size": "1"}, "size", "size: expected int, got str"),
        ({"path": "a", "size": True}, "size", "size: expected int, got bool"),
        ({"path": "a", "size": 1.5}, "size", "size: expected int, got float"),
        ({"path": "a", "size": -1}, "size", "size: expected int >= 0"),
        ({"path": "a", "tags": ["x", 1]}, "tags[1]", "tags[1]: expected str, got int"),
        ({"path": "a", "sise": 1}, "sise", "'sise' is no parameter; there is path, size, tags"),
        ({"path": None}, "path", "path: expected str, got null"),
    ],
)
async def test_wrong_parameters_are_named(
    tmp_path: Path, params: dict[str, Any], field: str, says: str
) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        call = {"jsonrpc": "2.0", "id": 1, "method": "put", "params": params}
        error = (await client.ask(json.dumps(call).encode()))["error"]
        assert error == {"code": -32602, "message": says, "data": {"field": field}}


def test_a_method_that_cannot_be_called_by_name_is_refused_at_once() -> None:
    async def positional(a: int, /) -> None: ...
    async def untyped(a) -> None: ...  # type: ignore[no-untyped-def]
    async def star(*a: int) -> None: ...

    for function in (positional, untyped, star):
        with pytest.raises(TypeError):
            typed(function)


async def test_errors_reach_the_client_by_whose_fault_they_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def use(client: Client) -> None:
        with pytest.raises(UserError, match="somebody has to decide; asl endorse") as caught:
            client.call("fail", how="user")
        assert (caught.value.code, caught.value.exit_code) == ("attention", 4)
        with pytest.raises(RemoteError, match="wrong") as caught:
            client.call("fail", how="group")
        assert (caught.value.code, caught.value.exit_code) == ("usage", 2)
        for how in ("bug", "set", "nan", "surrogate"):
            with pytest.raises(RemoteError, match="the daemon failed at fail") as caught:
                client.call("fail", how=how)
            assert "secret detail" not in str(caught.value)
        with pytest.raises(RemoteError, match="more than a line holds"):
            client.call("big", size=CONTROL_LINE_BYTES_MAX)
        with pytest.raises(RemoteError, match="does not know fly"):
            client.call("fly")
        assert client.call("put", path="still here") == {"path": "still here", "size": 0, "tags": []}

    with caplog.at_level(logging.ERROR):
        async with running(tmp_path) as daemon:
            await blocking(use, daemon)
    assert any(record.exc_info and "secret detail" in str(record.exc_info[1]) for record in caplog.records)


async def test_a_broken_invariant_reaches_the_client_and_stops_the_daemon(tmp_path: Path) -> None:
    said: list[str] = []

    def use(client: Client) -> None:
        with pytest.raises(RemoteError) as caught:
            client.call("fail", how="broken")
        said.append(caught.value.code)

    with pytest.RaisesGroup(InvariantBroken, flatten_subgroups=True):
        async with running(tmp_path) as daemon:
            with trio.CancelScope(shield=True):
                await blocking(use, daemon)
    assert said == ["invariant"]


async def test_the_answer_to_the_call_that_stops_the_daemon_still_arrives(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon:
        assert await blocking(lambda client: client.call("stop"), daemon) == "stopping"
    assert os.listdir(tmp_path) == []
    with pytest.raises(NoDaemon):
        Client(daemon.path)


# --- many clients, other users, the file ----------------------------------------------------------


async def test_a_hundred_clients_at_once_are_all_served(tmp_path: Path) -> None:
    answered = 0

    async def one(daemon: Daemon, number: int) -> None:
        nonlocal answered

        def use(client: Client) -> list[Any]:
            calls: Iterable[tuple[str, dict[str, Any]]] = (("echo", {"c": number, "n": n}) for n in range(20))
            return list(client.call_many(calls, in_flight=5))

        def run() -> list[Any]:
            with Client(daemon.path) as client:
                return use(client)

        results = await trio.to_thread.run_sync(run, limiter=limiter)
        assert results == [{"c": number, "n": n} for n in range(20)]
        answered += 1

    limiter = trio.CapacityLimiter(100)
    async with running(tmp_path) as daemon, trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(one, daemon, number)
    assert answered == 100


async def test_connections_are_bounded_and_the_next_is_served_when_one_leaves(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon:
        idle = [await trio.open_unix_socket(daemon.path) for _ in range(CONTROL_CONNECTIONS_MAX)]
        async with raw(daemon) as client:
            await client.stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"echo"}\n')
            await trio.testing.wait_all_tasks_blocked(0.05)
            with trio.move_on_after(0.05) as unanswered:
                await client.line()
            assert unanswered.cancelled_caught
            await idle.pop().aclose()
            assert (await client.line())["id"] == 1
        for stream in idle:
            await stream.aclose()


async def test_clients_that_come_and_go_leave_no_descriptor(tmp_path: Path) -> None:
    async with running(tmp_path) as daemon, raw(daemon) as client:
        await client.ask(b'{"jsonrpc":"2.0","id":1,"method":"echo"}')
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(200):
            async with raw(daemon) as other:
                await other.stream.send_all(b'{"half')
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(os.listdir("/proc/self/fd")) <= before + 2


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
async def test_another_uid_is_refused_even_where_modes_let_it_in(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest"):
            folder.chmod(0o755)
    async with running(tmp_path) as daemon:
        os.chmod(daemon.path, 0o666)

        def as_nobody() -> int:
            pid = os.fork()
            if not pid:
                os.setuid(65534)
                try:
                    Client(daemon.path).call("echo")
                except UserError as error:
                    os._exit(0 if "runs as another user" in str(error) else 1)
                finally:
                    os._exit(2)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        assert await trio.to_thread.run_sync(as_nobody) == 0
        assert await blocking(lambda client: client.call("echo", a=1), daemon) == {"a": 1}


async def test_the_socket_is_ours_alone_and_gone_afterwards(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with running(tmp_path) as daemon:
            status = os.stat(daemon.path)
            assert stat.S_ISSOCK(status.st_mode) and status.st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == []


async def serve_nothing(path: Path) -> None:
    await serve_control(str(path), {}, EventSource(()))


async def test_a_socket_that_vanished_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder was cleaned, or went with the end of a login; who is connected stays so."""
    tried, outcome = trio.open_memory_channel[bool](100)
    bind = bind_control

    def bind_and_tell(path: str) -> socket.socket:
        try:
            bound = bind(path)
        except UserError:
            tried.send_nowait(False)
            raise
        tried.send_nowait(True)
        return bound

    monkeypatch.setattr(control_server, "LOOK_S", 0.01)
    monkeypatch.setattr(control_server, "bind_control", bind_and_tell)
    folder = tmp_path / "runtime"
    folder.mkdir()
    async with running(folder) as daemon:
        assert await outcome.receive()
        os.unlink(daemon.path)
        folder.rmdir()
        while await outcome.receive():
            pass  # bound between the two
        folder.mkdir()
        while not await outcome.receive():
            pass
        assert await blocking(lambda client: client.call("echo"), daemon) == {}
    assert os.listdir(folder) == []


async def test_a_stale_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "control.sock"))
    async with running(tmp_path) as daemon:
        with pytest.raises(UserError, match="another daemon answers"):
            await serve_nothing(Path(daemon.path))
        assert await blocking(lambda client: client.call("echo"), daemon) == {}


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("mine")
    with pytest.raises(UserError, match="is no socket"):
        await serve_nothing(path)
    assert path.read_text() == "mine"
    for impossible in (tmp_path / "no" / "control.sock", tmp_path / ("x" * 200)):
        with pytest.raises(UserError, match="cannot listen"):
            await serve_nothing(impossible)


async def test_a_socket_that_somebody_put_there_since_is_not_removed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        async with running(tmp_path) as daemon:
            os.rename(daemon.path, tmp_path / "ours")  # kept, so that its inode is not given out again
            other.bind(daemon.path)
        assert sorted(os.listdir(tmp_path)) == ["control.sock", "ours"]


async def test_running_out_of_descriptors_delays_a_client_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("aslp2p.daemon.control_server._RETRY_S", 0.01)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with running(tmp_path) as daemon, raw(daemon) as client:
        assert (await client.ask(b'{"jsonrpc":"2.0","id":1,"method":"echo"}'))["id"] == 1
        with trio.socket.socket(socket.AF_UNIX) as late:
            resource.setrlimit(resource.RLIMIT_NOFILE, (late.fileno() + 1, before[1]))
            try:
                await late.connect(daemon.path)
                await late.send(b'{"jsonrpc":"2.0","id":2,"method":"echo"}\n')
                while "cannot take a control connection" not in caplog.text:
                    await trio.lowlevel.checkpoint()
                assert (await client.ask(b'{"jsonrpc":"2.0","id":3,"method":"echo"}'))["id"] == 3
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            assert b'"id":2' in await late.recv(1000)
