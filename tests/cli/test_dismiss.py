"""`asl dismiss`, and what `asl log PATH` tells of; with a real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from tests.cli.conftest import Asl
from tests.cli.running import running


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        yield client


def test_a_refusal_is_dismissed_and_stays_so(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    asl("put", "-", "notes", input="1")
    assert asl("put", "-", "notes", "--expect", "nothing", input="2").exit_code == 1
    assert asl("put", "-", "notes", "--expect", "nothing", input="3").exit_code == 1
    assert daemon.call("summary")["rejected"] == 2 and "Refused: 2 of yours" in asl("status").stdout
    digits = asl("proposals").stdout[:12]
    assert asl("dismiss", digits).stdout == "1 refusal dismissed\n"
    assert daemon.call("summary")["rejected"] == 1
    assert asl("dismiss").stdout == "1 refusal dismissed\n"
    assert "Refused" not in asl("status").stdout
    assert asl("proposals").stdout == "Nothing waits, and nothing was refused.\n"
    nothing = asl("dismiss", "notes")
    assert nothing.exit_code == 1 and "nothing of yours that was refused is notes" in nothing.stderr
    assert asl("put", "-", "notes", "--expect", "nothing", input="4").exit_code == 1
    assert daemon.call("summary")["rejected"] == 1, "a new one is told of"


def test_the_log_of_a_file_tells_of_that_file(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    asl("put", *(str(tmp_path / name) for name in "abc"), "x/")
    shown = asl("log", "x/b").stdout
    assert "puts x/b" in shown and "x/a" not in shown and "more" not in shown
    assert asl("log", "x").stdout.count("puts") == 3
