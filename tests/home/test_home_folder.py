"""The folder of a home: private, versioned, never somebody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aslp2p.errors import UsageError, UserError
from aslp2p.home import Home
from aslp2p.limits import HOME_VERSION

ID = bytes(range(32))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Home.locate("/a", {"ASL_HOME": "/b"}).path == Path("/a")
    assert Home.locate(None, {"ASL_HOME": "/b"}).path == Path("/b")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for nothing in ({}, {"ASL_HOME": ""}):
        assert tmp_path in Home.locate(None, nothing).path.parents
    monkeypatch.chdir(tmp_path)
    assert Home.locate("relative").path == tmp_path / "relative"


def test_it_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        home = Home(tmp_path / "a" / "b")
        assert not home.exists()
        home.create()
        folder = home.create_common_folder(ID)
    finally:
        os.umask(before)
    for made in (home.path, folder, folder.parent):
        assert made.stat().st_mode & 0o777 == 0o700
    assert home.version.read_text() == f"{HOME_VERSION}\n"
    assert home.exists()
    home.check()
    home.create()


def test_an_empty_folder_made_by_hand_is_taken_and_closed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home" / ".tmp-version-1-0").write_text("left by a crash")
    home = Home(tmp_path / "home")
    home.create()
    home.check()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(UsageError, match=r"other files \(thesis.tex\)"):
        Home(tmp_path).create()
    assert os.listdir(tmp_path) == ["thesis.tex"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot make"):
            Home(path).create()


def test_no_home_says_what_to_type(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UserError, match=r"there is no home at .*asl init"):
            Home(path).check()


def test_a_home_of_a_newer_version_is_refused(home: Home) -> None:
    home.version.write_text(f"{HOME_VERSION + 1}\n")
    with pytest.raises(UserError, match=f"newer aslp2p .*version {HOME_VERSION + 1}, this one knows"):
        home.check()
    with pytest.raises(UserError, match="newer aslp2p"):
        home.create()


@pytest.mark.parametrize("written", [b"", b"one", b"-1", b"\xff\x00", b"1 2"])
def test_a_damaged_version_is_named(home: Home, written: bytes) -> None:
    home.version.write_bytes(written)
    with pytest.raises(UserError, match="version is damaged"):
        home.check()


def test_a_home_that_others_can_enter_is_refused_with_what_to_type(home: Home) -> None:
    home.path.chmod(0o750)
    with pytest.raises(UserError, match=f"chmod 700 {home.path}"):
        home.check()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_another_users_home_is_refused(home: Home) -> None:
    os.chown(home.path, 65534, 65534)
    with pytest.raises(UserError, match="belongs to another user"):
        home.check()


def test_commons_are_the_folders_named_by_an_id(home: Home) -> None:
    assert home.commons() == []
    other = bytes(32)
    for common_id in (ID, other, ID):
        home.create_common_folder(common_id)
    for name in ("0" * 15, "g" * 16, "0" * 17, "A" * 16):
        (home.path / "commons" / name).mkdir()
    (home.path / "commons" / ("f" * 16)).write_text("no folder")
    assert home.commons() == [home.common_folder(other), home.common_folder(ID)]
    assert home.common_folder(ID).name == "0001020304050607"


def test_the_default_common_is_kept(home: Home) -> None:
    assert home.default_common() is None
    home.set_default_common(ID)
    assert Home(home.path).default_common() == ID
    for damaged in (b"", b"00" * 31, b"zz" * 32, b"\xff", b"0" * 1000):
        home.default.write_bytes(damaged)
        with pytest.raises(UserError, match="default"):
            home.default_common()


def test_the_port_is_remembered(home: Home) -> None:
    assert home.remembered_port() is None
    home.remember_port(4711)
    assert Home(home.path).remembered_port() == 4711
    for useless in (b"", b"0", b"65536", b"-1", b"x", b"123456789"):
        home.port.write_bytes(useless)
        assert home.remembered_port() is None


def test_commons_that_cannot_be_read_are_not_none(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    assert home.commons() == []
    (home.path / "commons").write_text("a file")
    with pytest.raises(UserError, match=r"cannot read .*commons"):
        home.commons()


def test_a_folder_that_others_can_exchange_is_refused(tmp_path: Path) -> None:
    """Whoever may rename a home puts one of theirs in its place, with a key that they know."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(UsageError, match=r"everybody may write to .*/open"):
        Home(tmp_path / "open" / "a" / "home").create()
    assert list((tmp_path / "open").iterdir()) == []
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(UsageError, match=r"everybody may write to .*/"):
        Home(tmp_path / "link" / "home").create()
    (tmp_path / "open").chmod(0o1777)
    Home(tmp_path / "open" / "home").create()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders of others")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    for place in (theirs, theirs / "home"):
        with pytest.raises(UsageError, match=r"belongs to another user \(uid 65534\)"):
            Home(place).create()
    assert list(theirs.iterdir()) == []
