"""`asl up` as a process: one for each home, ready and stopping cleanly, nothing lost when it is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aslp2p.control.client import Client

ASL = (sys.executable, "-c", "from aslp2p.cli import main; main()")
PATIENCE_S = 30


class Machine:
    """A home, and the daemon that runs it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[str] | None = None

    def asl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ASL, "--home", str(self.home), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def up(self, *words: str, environment: dict[str, str] | None = None) -> str:
        """Start the daemon; returns the line that says that it is ready."""
        arguments = [*ASL, "--home", str(self.home), "up", "--listen", "127.0.0.1", "--no-mdns", *words]
        with (self.home.parent / f"{self.home.name}.log").open("a") as log:
            self.process = subprocess.Popen(
                arguments,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **(environment or {})},
            )
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def call(self, method: str, **params: Any) -> Any:
        with Client.of_home(str(self.home)) as client:
            return client.call(method, **params)

    @property
    def port(self) -> str:
        return (self.home / "port").read_text().strip()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    made = Machine(tmp_path / "ann"), Machine(tmp_path / "ben")
    yield made
    for machine in made:
        if machine.process is not None:
            machine.stop(signal.SIGKILL)


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(holds: Any) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.02)


def height(machine: Machine) -> Any:
    (common,) = machine.call("status")["commons"]
    return common["height"]


def test_from_nothing_to_a_file_on_another_machine_and_through_a_kill(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    ann, ben = machines
    ok(ann.asl("init", "home"))
    assert ann.up().startswith("asl: home@0 (witness: you) on port ")
    invite = json.loads(ok(ann.asl("--json", "invite")))["invite"]
    ok(ben.asl("join", invite))
    said = ben.up()  # and the invite's address is dialled, which may be done before this is said
    assert said.startswith(("asl: home (joining) on port ", "asl: home@0 ", "asl: home@1 ")), said
    until(lambda: height(ben) == 1)

    (tmp_path / "note").write_bytes(b"good morning\n")
    ok(ben.asl("put", str(tmp_path / "note"), "note"))
    until(lambda: height(ann) == 2)
    port = ann.port
    assert ann.stop(signal.SIGKILL) == -signal.SIGKILL
    assert ann.up().startswith(f"asl: home@2 (witness: you) on port {port};"), "the same port again"
    assert (ann.home / "control.sock").exists()
    ok(ann.asl("put", str(tmp_path / "note"), "again"))
    until(lambda: height(ben) == 3)  # linked again, by who remembers the other


def test_stopping_is_clean(machines: tuple[Machine, Machine]) -> None:
    ann, _ = machines
    ok(ann.asl("init", "home"))
    for number in (signal.SIGTERM, signal.SIGINT):
        ann.up()
        assert ann.stop(number) == 0
        assert not (ann.home / "control.sock").exists()
        assert not list(ann.home.glob("commons/*/store.db-wal")), "the store was closed"
    assert "Traceback" not in (ann.home.parent / "ann.log").read_text()


def test_the_control_socket_can_stop_it(machines: tuple[Machine, Machine]) -> None:
    ann, _ = machines
    ok(ann.asl("init", "home"))
    ann.up()
    ann.call("stop")
    assert ann.process is not None
    assert ann.process.wait(PATIENCE_S) == 0


def test_one_daemon_a_home(machines: tuple[Machine, Machine]) -> None:
    ann, _ = machines
    ok(ann.asl("init", "home"))
    ann.up()
    assert ann.process is not None
    second = ann.asl("up", "--no-mdns")
    assert second.returncode == 1
    assert f"already running for this home (pid {ann.process.pid})" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert ann.call("version")


def test_a_port_in_use_is_one_line_that_says_what_to_type(machines: tuple[Machine, Machine]) -> None:
    ann, _ = machines
    ok(ann.asl("init", "home"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = ann.asl("up", "--listen", "127.0.0.1", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use on 127.0.0.1" in done.stderr
    assert "asl up --port PORT" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_home_without_a_common_says_how_to_get_one(machines: tuple[Machine, Machine]) -> None:
    ann, _ = machines
    ok(ann.asl("self"))
    done = ann.asl("up")
    assert done.returncode == 1
    assert "asl init" in done.stderr and "asl join" in done.stderr


def test_commons_come_and_go_while_it_runs(machines: tuple[Machine, Machine]) -> None:
    ann, _ = machines
    ok(ann.asl("init", "home"))
    ann.up()
    ok(ann.asl("init", "team"))
    assert {one["name"] for one in ann.call("commons")["commons"]} == {"home", "team"}
    ok(ann.asl("common", "forget", "--yes", "home"))
    assert [one["name"] for one in ann.call("commons")["commons"]] == ["team"]
    assert len(list((ann.home / "commons").iterdir())) == 1
    assert ann.stop() == 0


def test_systemd_hears_when_it_is_ready_and_when_it_stops(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    ann, _ = machines
    ok(ann.asl("init", "home"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        ann.up(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert listener.recv(100) == b"READY=1"
        assert ann.call("version"), "ready means that commands are answered"
        ann.stop()
        assert listener.recv(100) == b"STOPPING=1"


def test_a_damaged_store_keeps_one_common_back_and_not_the_others(
    machines: tuple[Machine, Machine],
) -> None:
    ann, _ = machines
    ok(ann.asl("init", "home"))
    ok(ann.asl("init", "team"))
    broken, _ = sorted((ann.home / "commons").iterdir())
    (broken / "store.db").write_bytes(b"this is no database" * 1000)
    ann.up()
    assert len(ann.call("commons")["commons"]) == 1
    assert broken.name in (ann.home.parent / "ann.log").read_text()
