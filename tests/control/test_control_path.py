"""Where the socket of a home is, whatever the home is called and whoever asks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aslp2p.control.path import fits, own_path, socket_path
from aslp2p.daemon.control_listener import bind_control, claim_socket_path
from aslp2p.errors import UserError
from aslp2p.limits import SOCKET_PATH_BYTES_MAX


@pytest.fixture
def long_home(tmp_path: Path) -> Path:
    home = tmp_path / ("h" * 120)
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


def test_a_short_home_keeps_its_socket_inside(tmp_path: Path) -> None:
    home = str(tmp_path)
    assert claim_socket_path(home) == socket_path(home) == own_path(home) == f"{home}/control.sock"
    assert os.listdir(home) == []


def test_a_long_home_gets_a_short_path_that_any_client_finds(
    long_home: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = claim_socket_path(str(long_home))
    assert fits(claimed) and claimed.startswith(f"{runtime}/asl-{os.geteuid()}/")
    assert os.stat(os.path.dirname(claimed)).st_mode & 0o777 == 0o700
    monkeypatch.delenv("XDG_RUNTIME_DIR")  # a client started elsewhere
    assert socket_path(str(long_home)) == claimed
    bind_control(claimed).close()


def test_two_long_homes_do_not_share_a_socket(long_home: Path, runtime: Path) -> None:
    other = long_home.with_name("i" * 120)
    other.mkdir()
    assert claim_socket_path(str(long_home)) != claim_socket_path(str(other))


def test_without_a_runtime_folder_it_is_in_tmp(long_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for useless in ("", "relative", "/" + "x" * SOCKET_PATH_BYTES_MAX, "/does/not/exist"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", useless)
        assert claim_socket_path(str(long_home)).startswith(f"/tmp/asl-{os.geteuid()}/")


@pytest.mark.parametrize("how", ["open to others", "a link"])
def test_a_folder_that_is_not_ours_alone_is_refused(long_home: Path, runtime: Path, how: str) -> None:
    folder = runtime / f"asl-{os.geteuid()}"
    if how == "a link":
        (runtime / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(runtime / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o755)
    with pytest.raises(UserError, match="not a private folder"):
        claim_socket_path(str(long_home))


def test_a_pointer_into_somebody_elses_folder_is_not_followed(long_home: Path, runtime: Path) -> None:
    claimed = claim_socket_path(str(long_home))
    os.chmod(os.path.dirname(claimed), 0o777)
    assert socket_path(str(long_home)) == own_path(str(long_home))


@pytest.mark.parametrize("pointer", [b"", b"relative", b"/" + b"x" * 300, b"\x00", b"\xff\xfe/x", b"/\n/"])
def test_a_damaged_pointer_leads_nowhere(long_home: Path, pointer: bytes) -> None:
    (long_home / "control.path").write_bytes(pointer)
    assert socket_path(str(long_home)) == own_path(str(long_home))
