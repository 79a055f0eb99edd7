"""Every method of a real daemon is given every kind of wrong parameter: whoever asks is told what is wrong
with which (-32602, or an error for people), and nothing of it reaches the log as a failure of ours.
"""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aslp2p.control import protocol
from aslp2p.daemon.methods import control_methods
from aslp2p.limits import UINT_MAX
from tests.daemon.test_up import Machine, ok

WRONG: tuple[Any, ...] = (
    *("\ud800", "a\udfff", "", "\0", "f", "ff" * 32, "x" * 100_000),
    *(-1, 0, 5, 1.5, True, UINT_MAX, UINT_MAX + 1, 2**63, 2**64, -(2**64), 10**30),
    *(None, [], {}, ["\udc80"], {"\udc80": 1}, [[2**64]]),
)
LEFT_OUT = {"stop", "common.forget"}
"""They would end what is asked."""


class Asker:
    """A connection to the control socket that sends what no client of ours would."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def error(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The error that comes back, or nothing."""
        self._socket.sendall(protocol.encode(protocol.request(1, method, params)))
        error: dict[str, Any] = json.loads(self._lines.readline()).get("error", {})
        return error

    def parameters(self, method: str) -> list[str]:
        """As the method itself says when it is given another one."""
        message = self.error(method, {"?": 1, **dict.fromkeys(("id", "path"), "f")})["message"]
        if "there is none" in message:
            return []
        return str(message.partition("there is ")[2]).split(", ")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("asked")
    machine = Machine(folder / "ann")
    ok(machine.asl("init", "home"))
    machine.up()
    (folder / "f").write_bytes(b"a file")
    ok(machine.asl("put", str(folder / "f"), "f"))
    yield machine
    if machine.process is not None:
        machine.stop(signal.SIGKILL)


METHODS = sorted(set(control_methods(SimpleNamespace(home=None, folders=None, pairings=None))) - LEFT_OUT)


@pytest.mark.parametrize("method", METHODS)
def test_whatever_a_parameter_holds_is_no_failure_of_ours(machine: Machine, method: str) -> None:
    asker = Asker(machine.home / "control.sock")
    try:
        names = asker.parameters(method)
        assert names or method in (
            "version",
            "status",
            "commons",
            "folder.list",
            "notices",
            "pairing.offer",
        ), "what it takes was not found out"
        first = {"path": "f", "id": "ff" * 32, "size": 1, "first": 0, "data": "", "upload": 1, "bundle": 1}
        usual = {name: value for name, value in first.items() if name in names}
        for name in names:
            for value in WRONG:
                error = asker.error(method, {**usual, name: value})
                assert error.get("code") != protocol.INTERNAL_ERROR, (name, value, error)
    finally:
        asker.close()


@pytest.mark.parametrize(
    ("method", "params", "field", "says"),
    [
        ("ls", {"prefix": "\ud800"}, "prefix", "prefix: U+D800 is half of a character, and no text"),
        ("ls", {"\udfff": 1}, "", "U+DFFF is half of a character, and no text"),
        ("propose", {"action": {"a": ["\udc80"]}}, "action.a[0]", "action.a[0]: U+DC80 is half of"),
        ("log", {"before": 2**63}, "before", f"before: expected an integer of at most {UINT_MAX}"),
        ("log", {"limit": -(2**64)}, "limit", f"limit: expected an integer of at most {UINT_MAX}"),
        ("verify", {"first": -1}, "first", "first: expected int >= 0"),
        ("bundle.history", {"first": -1}, "first", "first: expected int >= 0"),
    ],
)
def test_what_no_method_can_mean_is_named(
    machine: Machine, method: str, params: dict[str, Any], field: str, says: str
) -> None:
    asker = Asker(machine.home / "control.sock")
    try:
        error = asker.error(method, params)
        assert (error["code"], error["data"]) == (protocol.INVALID_PARAMS, {"field": field})
        assert error["message"].startswith(says)
    finally:
        asker.close()


def test_a_history_is_judged_from_beyond_its_end_as_one_that_is_at_its_end(machine: Machine) -> None:
    asked = machine.call("verify", first=UINT_MAX)
    assert (asked["failure"], asked["next"]) == (None, None)


def test_nothing_of_it_was_a_failure(machine: Machine) -> None:
    """The last: what the log holds of all that went before."""
    assert machine.stop() == 0
    log = (machine.home.parent / "ann.log").read_text()
    assert "Traceback" not in log
