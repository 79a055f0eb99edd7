"""The client against what is not a daemon, or a bad one: clear errors, no hanging, no mixing of answers."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client, NoAnswer
from aslp2p.errors import NoDaemon, UserError
from aslp2p.limits import CONTROL_LINE_BYTES_MAX

Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Runs a function as the daemon's end of one connection, and gives the path to connect to."""
    threads: list[threading.Thread] = []
    path = str(tmp_path / "control.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def start(behave: Callable[[socket.socket], None]) -> str:
            def run() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(20)
                    behave(connection)

            threads.append(threading.Thread(target=run, daemon=True))
            threads[-1].start()
            return path

        yield start
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def read_line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and (data := connection.recv(1)):
        line += data
    return line


def test_without_a_socket_it_says_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(NoDaemon) as caught:
        Client.of_home(str(tmp_path))
    assert str(caught.value) == f"no daemon is running for {tmp_path}; start it with `asl up`"
    assert caught.value.exit_code == 3


def test_a_stale_socket_is_no_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(tmp_path / "control.sock"))
    with pytest.raises(NoDaemon, match="no daemon is running"):
        Client.of_home(str(tmp_path))


@pytest.mark.parametrize("what", ["a file", "a folder in the way", "a path too long"])
def test_what_is_no_socket_is_no_daemon(tmp_path: Path, what: str) -> None:
    home = tmp_path / ("h" * 120 if what == "a path too long" else "h")
    if what == "a folder in the way":
        home.write_text("")
    else:
        home.mkdir()
        if what == "a file":
            (home / "control.sock").write_text("")
    with pytest.raises(NoDaemon, match="no daemon"):
        Client.of_home(str(home))


def test_a_daemon_that_says_nothing_is_given_up(serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        while connection.recv(4096):
            pass

    with (
        Client(serve(behave), timeout_s=0.1) as client,
        pytest.raises(NoAnswer, match="did not answer in time"),
    ):
        client.call("status")


def test_an_answer_that_comes_too_late_is_not_taken_for_another(serve: Serve) -> None:
    gave_up = threading.Event()

    def behave(connection: socket.socket) -> None:
        read_line(connection)
        assert gave_up.wait(20)
        read_line(connection)
        connection.sendall(
            b'{"jsonrpc":"2.0","id":1,"result":"late"}\n{"jsonrpc":"2.0","id":2,"result":"right"}\n'
        )

    with Client(serve(behave), timeout_s=0.1) as client:
        with pytest.raises(NoAnswer):
            client.call("first")
        gave_up.set()
        client._timeout_s = 20
        assert client.call("second") == "right"


def test_a_daemon_that_stops_in_the_middle_is_missed(serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        read_line(connection)
        connection.sendall(b'{"jsonrpc":"2.0","id":1,"res')

    with Client(serve(behave)) as client, pytest.raises(NoDaemon, match="closed the connection"):
        client.call("status")


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"[1,2]\n",
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        b"x" * CONTROL_LINE_BYTES_MAX,
    ],
    ids=["http", "array", "not utf-8", "deep", "endless"],
)
def test_what_talks_otherwise_is_no_daemon_of_ours(serve: Serve, line: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        read_line(connection)
        try:
            connection.sendall(line)
            connection.recv(1)
        except OSError:
            pass  # the client hung up on us, which is right

    with Client(serve(behave)) as client, pytest.raises(UserError, match="no aslp2p daemon"):
        client.call("status")


@pytest.mark.parametrize("id_", [b"[]", b"{}", b"true", b'"1"', b"99", b"null", b"1.0"])
def test_answers_to_nobody_are_dropped(serve: Serve, id_: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        read_line(connection)
        connection.sendall(b'{"id":%b,"result":"wrong"}\n{"id":1,"result":"right"}\n' % id_)

    with Client(serve(behave)) as client:
        assert client.call("status") == "right"


def test_an_error_about_the_connection_is_raised_although_the_daemon_hung_up(serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(
            b'{"id":null,"error":{"code":1,"message":"",'
            b'"data":{"message":"not yours","remedy":"go","exit_code":4}}}\n'
        )

    with Client(serve(behave)) as client, pytest.raises(UserError, match="not yours; go") as caught:
        client.call("status")
    assert caught.value.exit_code == 4


def test_a_request_too_long_for_a_line_is_refused_here(serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        assert b'"small"' in read_line(connection)
        connection.sendall(b'{"id":2,"result":null}\n')

    with Client(serve(behave)) as client:
        with pytest.raises(UserError, match="more than a line holds"):
            client.call("put", data="x" * CONTROL_LINE_BYTES_MAX)
        assert client.call("small") is None


def test_many_calls_come_back_in_their_order_within_the_window(serve: Serve) -> None:
    most = 0

    def behave(connection: socket.socket) -> None:
        nonlocal most
        import json

        with connection.makefile("rb") as lines:
            waiting: list[int] = []
            for line in lines:
                waiting.append(json.loads(line)["id"])
                most = max(most, len(waiting))
                if len(waiting) == 8 or waiting[-1] == 30:
                    for id_ in reversed(waiting):  # the last one first
                        result = (
                            {"error": {"code": -32603, "message": "odd"}} if id_ == 13 else {"result": id_}
                        )
                        connection.sendall(json.dumps({"id": id_, **result}).encode() + b"\n")
                    waiting.clear()

    with Client(serve(behave)) as client:
        results = list(client.call_many((("echo", {"n": n}) for n in range(30)), in_flight=8))
    assert [r if isinstance(r, int) else "error" for r in results] == [
        n if n != 13 else "error" for n in range(1, 31)
    ]
    assert isinstance(results[12], UserError)
    assert most == 8


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_another_users_socket_is_named_as_such(tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest"):
            folder.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen()
        pid = os.fork()
        if not pid:
            os.setuid(65534)
            try:
                Client(path, home="HOME")
            except UserError as error:
                os._exit(0 if "runs as another user" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_daemon_too_busy_to_accept_is_given_up_as_busy(tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        try:
            for _ in range(16):  # the backlog and some: whoever comes now is told to try again
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(path)
            with pytest.raises(NoAnswer, match="did not answer in time"):
                Client(path, timeout_s=0.1)
        finally:
            for client in waiting:
                client.close()
