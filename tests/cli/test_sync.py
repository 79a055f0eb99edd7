"""`asl sync` with a real daemon: two folders of one Common, edited by turns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.control.client import Client
from aslp2p.home.marks import HOME_FILE_MAGIC
from aslp2p.limits import MIB
from tests.cli.conftest import Asl
from tests.cli.running import running


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        yield client


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".asl-checkout")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_holes_times_and_bits_arrive_as_they_were(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """Small files, which come through the control socket, and large ones, which the daemon writes itself."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    for name, size in (("small", 200_000), ("large", 24 * MIB)):
        with (one / name).open("wb") as file:
            file.write(b"begin")
            file.seek(size)
            file.write(b"end")
        (one / name).chmod(0o755)
        os.utime(one / name, ns=(0, 1_600_000_000_987_000_000))
    for folder in (one, two):
        assert asl("sync", str(folder), "holes").exit_code == 0
    assert files(two) == files(one)
    for name in ("small", "large"):
        status = (two / name).stat()
        assert status.st_mtime_ns == 1_600_000_000_987_000_000 and status.st_mode & 0o100
        assert status.st_blocks * 512 < status.st_size / 2, "a hole is a hole"
    again = asl("sync", str(two), "holes")
    assert again.exit_code == 0 and "0 files written, 0 removed; 0 put, 0 removed" in again.stdout


def test_two_folders_follow_each_other(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "sub").mkdir(parents=True)
    (one / "sub" / "large").write_bytes(os.urandom(2 * MIB + 7))
    (one / "plan.txt").write_text("1")
    os.utime(one / "plan.txt", ns=(0, 1_600_000_000_123_000_000))
    (one / "run").write_text("#!")
    (one / "run").chmod(0o755)
    first = asl("sync", str(one), "papers")
    assert first.exit_code == 0
    assert (
        first.stdout
        == f"home@{height(daemon)} and {one}: 0 files written, 0 removed; 3 put, 0 removed in home\n"
    )
    assert asl("ls").stdout == "papers/plan.txt\npapers/run\npapers/sub/large\n"
    assert asl("sync", str(two), "papers").exit_code == 0 and files(two) == files(one)
    assert (two / "plan.txt").stat().st_mtime_ns == 1_600_000_000_123_000_000
    assert (two / "run").stat().st_mode & 0o100

    (one / "plan.txt").write_text("one's")
    (two / "plan.txt").write_text("two's")
    (two / "run").unlink()
    assert asl("sync", str(one), "papers").exit_code == 0
    conflict = asl("sync", str(two), "papers")
    assert conflict.exit_code == 0 and "conflict: yours is kept as plan (conflict, ann, @" in conflict.stderr
    assert asl("sync", str(one), "papers").exit_code == 0
    assert files(one) == files(two) and {b"one's", b"two's"} <= set(files(one).values())
    assert not (one / "run").exists()
    nothing = asl("sync", str(one), "papers", "--json")
    answer = json.loads(nothing.stdout)
    assert nothing.exit_code == 0 and (answer["written"], answer["put"], answer["said"]) == (0, 0, {})


def height(daemon: Client) -> int:
    return int(daemon.call("summary")["height"])


def test_an_emptied_folder_removes_nothing_unasked(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    for name in "abc":
        (one / name).write_text(name)
    asl("sync", str(one))
    for name in "abc":
        (one / name).unlink()
    braked = asl("sync", str(one))
    assert braked.exit_code == 1 and f"type: asl sync {one} --approve\n" in braked.stderr
    assert asl("ls").stdout == "a\nb\nc\n"
    assert asl("sync", str(one), "--approve").exit_code == 0 and asl("ls").stdout == ""


def test_a_folder_belongs_to_one_path(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    assert asl("sync", str(tmp_path / "one"), "a").exit_code == 0
    other = asl("sync", str(tmp_path / "one"), "b")
    assert other.exit_code == 1 and "follows another path of it (a); name another folder" in other.stderr
    assert asl("sync", str(tmp_path / "one"), "--send-only", "--receive-only").exit_code == 2


def test_what_is_checked_out_can_be_followed(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """The everyday use: somebody else's newer file is not put back by whoever edits another one."""
    out = tmp_path / "out"
    asl("put", "-", "plan.txt", input="1")
    asl("put", "-", "notes.txt", input="1")
    asl("checkout", str(out))
    asl("put", "-", "plan.txt", input="newer, by somebody else")
    (out / "notes.txt").write_text("edited")
    assert asl("sync", str(out)).exit_code == 0
    assert files(out) == {"plan.txt": b"newer, by somebody else", "notes.txt": b"edited"}
    assert asl("get", "notes.txt").stdout == "edited"
    one_way = asl("sync", str(out), "--receive-only")
    assert one_way.exit_code == 0
    (out / "notes.txt").write_text("edited again")
    one_way = asl("sync", str(out), "--receive-only")
    assert one_way.exit_code == 0 and (out / "notes.txt").read_text() == "edited again"
    assert asl("get", "notes.txt").stdout == "edited"


def test_a_folder_is_put_over_what_it_was_checked_out_from(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """`--if-unchanged` asks what the folder was written from, not what this machine knows since."""
    out = tmp_path / "out"
    for path in ("plan.txt", "notes.txt", "old.txt"):
        asl("put", "-", path, input="1")
    asl("checkout", str(out))
    asl("put", "-", "plan.txt", input="newer, by somebody else")
    (out / "notes.txt").write_text("edited")
    (out / "old.txt").unlink()
    put = asl("put", "-r", f"{out}/", ".", "--if-unchanged")
    assert put.exit_code == 0 and asl("get", "notes.txt").stdout == "edited"
    assert asl("get", "plan.txt").stdout == "newer, by somebody else"
    assert asl("ls").stdout == "notes.txt\nold.txt\nplan.txt\n", "removals are asked for"
    again = asl("put", "-r", f"{out}/", ".", "--if-unchanged")
    assert again.exit_code == 0 and "0 put" in again.stdout
    (out / "plan.txt").write_text("edited, from the old one")
    both = asl("put", "-r", f"{out}/", ".", "--if-unchanged")
    assert both.exit_code == 1
    assert "left alone: plan.txt: changed here and there; `asl sync` keeps both\n" in both.stderr
    assert asl("get", "plan.txt").stdout == "newer, by somebody else"
    deleted = asl("put", "-r", f"{out}/", ".", "--delete")
    assert asl("ls").stdout == "notes.txt\nplan.txt\n" and "1 removed in home" in deleted.stdout
    (tmp_path / "other").mkdir()
    refused = asl("put", "-r", f"{tmp_path / 'other'}/", ".", "--delete")
    assert refused.exit_code == 2 and "no checkout wrote it; type: asl sync" in refused.stderr


def test_an_old_version_is_put_back_as_a_new_one(daemon: Client, asl: Asl) -> None:
    asl("put", "-", "notes", input="1")
    asl("put", "-", "notes", input="2")
    back = asl("put", "--from", "notes@1")
    assert (
        back.stdout == f"notes of @1 put back, at @{height(daemon)}\n" and asl("get", "notes").stdout == "1"
    )
    assert asl("put", "--from", "notes@1").stdout == "Nothing to put: notes is what it was at @1\n"
    asl("rm", "notes")
    assert asl("put", "--from", "notes@2", "copy").exit_code == 0 and asl("get", "copy").stdout == "2"
    assert asl("put", "--from", "notes@1").exit_code == 0 and asl("get", "notes").stdout == "1"
    for wrong in (("notes",), ("@1",), ("notes@1", "a", "b")):
        assert asl("put", "--from", *wrong).exit_code == 2


def test_restore_puts_back_what_was_there_before(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """Without a version: what was there before the last change or removal."""
    for text in ("1", "2", "2 again"):
        asl("put", "-", "notes", input=text)
    assert asl("restore", "notes").stdout == f"notes of @2 put back, at @{height(daemon)}\n"
    assert asl("restore", "notes@1").exit_code == 0 and asl("get", "notes").stdout == "1"
    asl("rm", "notes")
    assert asl("restore", "notes").exit_code == 0 and asl("get", "notes").stdout == "1"
    asl("put", "-", "once", input="x")
    once = asl("restore", "once")
    assert once.exit_code == 1 and "once was never another file; see its versions with" in once.stderr
    assert asl("restore", "@1").exit_code == 2 and asl("restore", "nothing@1").exit_code == 1
    (tmp_path / "home.asl").write_bytes(HOME_FILE_MAGIC + b"damaged")
    home = asl("restore", str(tmp_path / "home.asl"))
    assert home.exit_code == 1 and "home.asl" in home.stderr, "the file of a home is taken for one"


def test_what_ls_prints_can_be_typed(daemon: Client, asl: Asl) -> None:
    asl("put", "-", "odd/file@3", input="odd")
    asl("put", "-", "notes", input="notes")
    asl("put", "-", "notes@9", input="nine")
    asl("put", "-", "notes@3", input="three")
    assert asl("show", "odd/file@3").exit_code == 0
    assert asl("get", "odd/file@3").stdout == "odd" and asl("get", "notes@9").stdout == "nine"
    assert asl("get", "notes@2").stdout == "notes"
    both = asl("get", "notes@3")
    assert both.exit_code == 2 and "write ./notes@3, or notes --at 3" in both.stderr
    assert asl("get", "./notes@3").stdout == "three" and asl("get", "notes", "--at", "3").stdout == "notes"
    assert asl("get", "odd/file@1").exit_code == 1


def test_a_sum_counts_what_was_asked(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    put = asl("put", *(str(tmp_path / name) for name in ("a", "b", "gone", "c")), "x/")
    assert put.exit_code == 1 and put.stdout.startswith("3 files of 4 put (3 B), at @")


def test_what_is_hidden_at_the_top_is_said(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """A file of somebody's that does not travel is named, and the sync is no whole success."""
    folder = tmp_path / "dir"
    (folder / ".config").mkdir(parents=True)
    (folder / ".config" / "x").write_text("x")
    (folder / ".bashrc").write_text("x")
    (folder / ".aslignore").write_text("")
    said = asl("sync", str(folder))
    assert said.exit_code == 1 and asl("ls").stdout == ".aslignore\n"
    assert "kept out: .bashrc: a hidden file; --hidden takes it\n" in said.stderr
    assert "kept out: .config/: a hidden folder; --hidden takes it\n" in said.stderr
    assert asl("sync", str(folder), "--hidden").exit_code == 0
    assert asl("ls").stdout == ".aslignore\n.bashrc\n.config/x\n"


def test_a_name_that_no_path_can_be_stops_nothing(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    folder = tmp_path / "dir"
    folder.mkdir()
    (folder / "line\nbreak").write_text("x")
    (folder / "right\u202eleft").write_text("x")
    (folder / "plain").write_text("x")
    for _ in range(2):
        said = asl("sync", str(folder))
        assert said.exit_code == 1 and said.stderr.count("this cannot be its path") == 2
    assert asl("ls").stdout == "plain\n"
