"""What keeps `asl up` from starting is one line that says what to type, on every Python that is promised.

3.11.2 is what Debian 12 has, and there a fault that is raised in the wrong place comes out as a group.
So this runs with each 3.11 that is here, on the packages of the one that runs the tests.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import aslp2p
from aslp2p.control.path import short_path

PACKAGES = Path(pytest.__file__).parent.parent
ROOT = Path(aslp2p.__file__).parent.parent
PATIENCE_S = 60


def interpreters() -> list[str]:
    """This Python, and the system's own of the same minor version: compiled packages serve both."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = shutil.which(name, path="/usr/bin:/usr/local/bin")
    others = [own] if own is not None and not os.path.samefile(own, sys.executable) else []
    return [sys.executable, *others]


def asl(
    python: str, home: Path, *words: str, runtime: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (PACKAGES, ROOT)))}
    if runtime is not None:
        environment["XDG_RUNTIME_DIR"] = str(runtime)
    return subprocess.run(
        [python, "-c", "from aslp2p.cli import main; main()", "--home", str(home), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=environment,
    )


def no_database(home: Path) -> None:
    (store,) = home.glob("commons/*/store.db")
    store.write_bytes(b"this is no database" * 1000)


def no_store(home: Path) -> None:
    (store,) = home.glob("commons/*/store.db")
    store.unlink()


def flipped_pages(home: Path) -> None:
    (store,) = home.glob("commons/*/store.db")
    data = bytearray(store.read_bytes())
    data[4096:] = bytes(byte ^ 0xFF for byte in data[4096:])
    store.write_bytes(data)


@pytest.mark.parametrize("python", interpreters())
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (no_database, ("run `asl fsck", "file is not a database")),
        (no_store, ("there is no store at",)),
        (flipped_pages, ("run `asl fsck",)),
    ],
)
def test_a_damaged_store(
    tmp_path: Path, python: str, harm: Callable[[Path], None], says: tuple[str, ...]
) -> None:
    home = tmp_path / "ann"
    assert asl(python, home, "init", "home").returncode == 0
    harm(home)
    require_one_line(asl(python, home, "up", "--no-mdns", "--listen", "127.0.0.1"), says)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="asl-run-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("python", interpreters())
def test_a_squatted_runtime_folder(tmp_path: Path, short_folder: Path, python: str) -> None:
    home = tmp_path / ("a" * 110)
    runtime = short_folder
    assert asl(python, home, "init", "home", runtime=runtime).returncode == 0
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    try:
        squatted = Path(short_path(str(home))).parent
    finally:
        os.environ.pop("XDG_RUNTIME_DIR")
        if before is not None:
            os.environ["XDG_RUNTIME_DIR"] = before
    assert squatted.parent == runtime, "the folder of the test's own, and not the one that all share"
    squatted.mkdir(exist_ok=True)
    squatted.chmod(0o777)
    up = asl(python, home, "up", "--no-mdns", "--listen", "127.0.0.1", runtime=runtime)
    require_one_line(up, ("is not a private folder of yours", "--home"))


def require_one_line(done: subprocess.CompletedProcess[str], says: tuple[str, ...]) -> None:
    assert done.returncode == 1, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Group" not in done.stderr
    for words in says:
        assert words in done.stderr


def test_nothing_raises_where_python_would_wrap_it() -> None:
    """Inside `except*` a `raise` of something new ends in a group, and the person reads of sub-exceptions."""
    found = [
        f"{path}:{inside.lineno}"
        for path in sorted((ROOT / "aslp2p").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.TryStar)
        for handler in node.handlers
        for inside in ast.walk(handler)
        if isinstance(inside, ast.Raise)
    ]
    assert not found
