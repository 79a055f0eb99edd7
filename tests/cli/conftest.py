"""Homes for the command line's tests, each in a folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aslp2p.cli import main
from tests.cli.running import running

Asl = Callable[..., Result]


def run_asl(home: Path, *arguments: str, **options: Any) -> Result:
    """One command for `home`, in this process."""
    return CliRunner().invoke(main, list(arguments), env={"ASL_HOME": str(home)}, **options)


@pytest.fixture
def asl(tmp_path: Path) -> Asl:
    """`asl` for a home of the test's own, which does not exist yet."""
    return lambda *arguments, **options: run_asl(tmp_path / "home", *arguments, **options)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped home with some history in it, which nobody changes:

    @1 `readme`; @2 `photos/cat.jpg`; @3 `run.sh`, executable; @4 another `photos/cat.jpg`; @5 without
    `readme`.
    """
    folder = tmp_path_factory.mktemp("filled")
    home, file = folder / "home", folder / "file"
    assert run_asl(home, "init", "home", "--name", "ann").exit_code == 0
    with running(home):

        def put(path: str, data: bytes, mode: int = 0o644) -> None:
            file.write_bytes(data)
            file.chmod(mode)
            assert run_asl(home, "put", str(file), path).exit_code == 0

        put("readme", b"read me\n")
        put("photos/cat.jpg", b"cat")
        put("run.sh", b"#!/bin/sh\n", 0o755)
        put("photos/cat.jpg", b"another cat" * 200_000)
        assert run_asl(home, "rm", "readme").exit_code == 0
    return home


@pytest.fixture
def kept(filled: Path, tmp_path: Path) -> Asl:
    """`asl` for a copy of the filled home."""
    shutil.copytree(filled, tmp_path / "kept", ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
    return lambda *arguments, **options: run_asl(tmp_path / "kept", *arguments, **options)
