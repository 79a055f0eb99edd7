"""`asl checkout`: exactly the tree, never outside DIR, and nothing of anybody else's touched."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Asl, run_asl

CAT = b"another cat" * 200_000


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_versions_come_and_go(kept: Asl, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = kept("checkout", str(out), "@3")
    assert (first.exit_code, first.stdout) == (
        0,
        f"home@3 in {out}: 3 files written, 0 unchanged, 0 removed\n",
    )
    assert files(out) == {".asl-checkout", "photos/cat.jpg", "readme", "run.sh"}
    assert (out / "run.sh").stat().st_mode & 0o100 and not (out / "readme").stat().st_mode & 0o111
    second = kept("checkout", str(out))
    assert second.stdout == f"home@5 in {out}: 1 file written, 1 unchanged, 1 removed\n"
    assert (
        files(out) == {".asl-checkout", "photos/cat.jpg", "run.sh"}
        and (out / "photos/cat.jpg").read_bytes() == CAT
    )
    assert kept("checkout", str(out), "--at", "1").exit_code == 0
    assert files(out) == {".asl-checkout", "readme"} and not (out / "photos").exists()


def test_other_peoples_files_are_left_alone(kept: Asl, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "photos").mkdir(parents=True)
    (out / "run.sh").write_text("mine")
    (out / "photos" / "own.jpg").write_text("mine too")
    result = kept("checkout", str(out), "@3")
    assert result.exit_code == 1
    assert result.stderr == (
        "conflict: run.sh: a file that checkout did not write is in its place; --force replaces it\n"
    )
    assert (out / "run.sh").read_text() == "mine" and (out / "readme").exists()
    forced = kept("checkout", str(out), "@0", "--force")
    assert forced.exit_code == 0 and files(out) == {".asl-checkout", "run.sh", "photos/own.jpg"}
    kept("checkout", str(out), "@3", "--force")
    assert (out / "run.sh").read_bytes() == b"#!/bin/sh\n" and (
        out / "photos" / "own.jpg"
    ).read_text() == "mine too"


def test_edits_are_kept(kept: Asl, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept("checkout", str(out), "@1")
    (out / "readme").write_text("edited")
    result = kept("checkout", str(out), "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 1 and (out / "readme").read_text() == "edited"
    assert answer["conflicts"] == [
        "readme: it is not in this version, and was changed here; --force removes it"
    ]
    assert kept("checkout", str(out), "--force").exit_code == 0 and not (out / "readme").exists()


def test_nothing_is_written_outside(kept: Asl, tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    out.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (out / "photos").symlink_to(outside)
    (out / "run.sh").symlink_to(outside / "secret")
    result = kept("checkout", str(out))
    assert result.exit_code == 1
    assert "photos is in the way: not a folder, and links are not followed" in result.stderr
    assert "run.sh: a symbolic link is in its place" in result.stderr
    assert files(outside) == {"secret"} and (outside / "secret").read_text() == "secret"
    kept("checkout", str(out), "--force")
    assert (outside / "secret").read_text() == "secret" and not (out / "run.sh").is_symlink()
    assert files(outside) == {"secret"}


def test_a_record_that_lies_removes_nothing_outside(kept: Asl, tmp_path: Path) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim"
    kept("checkout", str(out), "@1")
    victim.write_text("v")
    with closing(sqlite3.connect(out / ".asl-checkout", isolation_level=None)) as db:
        content = db.execute("SELECT content FROM agreed").fetchone()[0]
        db.execute("INSERT INTO agreed VALUES ('../victim', ?, 0)", (content,))
    result = kept("checkout", str(out), "--force")
    assert result.exit_code == 1 and victim.exists() and "it holds what no path can be" in result.stderr
    for damaged in (b"SQLite format 3\0" + bytes(4000), b"[]" * 3000):
        (out / ".asl-checkout").write_bytes(damaged)
        result = kept("checkout", str(out), "--force")
        assert result.exit_code == 1 and f"rm {out}/.asl-checkout" in result.stderr
    (out / ".asl-checkout").unlink()
    again = kept("checkout", str(out), "@1")
    assert again.stdout == f"home@1 in {out}: 0 files written, 1 unchanged, 0 removed\n", "alike: adopted"


def test_a_folder_in_the_place_of_a_file(kept: Asl, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "run.sh").mkdir(parents=True)
    (out / "run.sh" / "mine").write_text("mine")
    result = kept("checkout", str(out), "--force")
    assert result.exit_code == 1 and "run.sh: a folder is in its place" in result.stderr
    (out / "run.sh" / "mine").unlink()
    assert kept("checkout", str(out)).exit_code == 0 and (out / "run.sh").is_file(), (
        "nothing was in it to lose"
    )


def test_dir_may_not_be_a_file(kept: Asl, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    result = kept("checkout", str(tmp_path / "out"))
    assert result.exit_code == 1 and result.stderr.startswith("asl: cannot write into ")


def test_a_path_that_is_no_folder_there_is_no_success(kept: Asl, tmp_path: Path) -> None:
    """And nothing is made for it; a folder that was written from a path may lose what is there no more."""
    out = tmp_path / "out"
    nothing = kept("checkout", str(out), "photo")
    assert nothing.exit_code == 1 and "photo is not there at @5; see what is with `asl ls`" in nothing.stderr
    file = kept("checkout", str(out), "photos/cat.jpg@2")
    assert file.exit_code == 1 and "photos/cat.jpg is a file; type: asl get photos/cat.jpg@2" in file.stderr
    assert not out.exists() and kept("get", "photos/cat.jpg@2").stdout == "cat"
    assert kept("checkout", str(out), "photos@2").exit_code == 0 and (out / "cat.jpg").read_text() == "cat"
    assert kept("checkout", str(out), "photos@1").exit_code == 0 and not (out / "cat.jpg").exists()


def test_two_versions_and_missing_content_are_said(kept: Asl, tmp_path: Path) -> None:
    from aslp2p.ledger.reader import DropContent
    from aslp2p.store.sqlite import SqliteStore

    result = kept("checkout", str(tmp_path / "out"), "@1", "--at", "2")
    assert result.exit_code == 2 and "are two versions" in result.stderr
    entry = json.loads(kept("show", "run.sh", "--json").stdout)
    (path,) = (tmp_path / "kept" / "commons").glob("*/store.db")
    store = SqliteStore(path)
    store.apply([DropContent(bytes.fromhex(entry["content"]))])
    store.commit()
    store.close()
    result = kept("checkout", str(tmp_path / "out"))
    assert result.exit_code == 1 and "run.sh: its bytes have not all arrived" in result.stderr
    assert files(tmp_path / "out") == {".asl-checkout", "photos/cat.jpg"}
    assert (
        "Content:   " in kept("show", "run.sh").stdout and "(not here yet)" in kept("show", "run.sh").stdout
    )


def test_a_file_that_became_a_folder_and_back(asl: Asl, tmp_path: Path) -> None:
    from tests.cli.running import running

    asl("init", "home")
    with running(tmp_path / "home"):
        asl("put", "-", "a", input="1")
        asl("rm", "a")
        asl("put", "-", "a/b", input="2")
    out = tmp_path / "out"
    for version, held in (("@1", {"a"}), ("@3", {"a/b"}), ("@1", {"a"}), ("@2", set())):
        assert kept_exit(asl, out, version) == 0
        assert files(out) == {".asl-checkout", *held}


def kept_exit(asl: Asl, out: Path, version: str) -> int:
    return asl("checkout", str(out), version).exit_code


def test_nothing_is_written_into_the_home(filled: Path, tmp_path: Path) -> None:
    """Whoever names the paths of a Common could otherwise give this machine a key."""
    home = tmp_path / "photos"
    shutil.copytree(filled, home, ignore=shutil.ignore_patterns("control.sock", ".tmp-*"))
    for inside in (home, home / "commons" / "x"):
        refused = run_asl(home, "checkout", str(inside), "--force")
        assert refused.exit_code == 2 and refused.stderr.endswith("name another folder\n")
    around = run_asl(home, "checkout", str(tmp_path), "--force")
    assert around.exit_code == 1
    assert around.stderr == (
        "conflict: photos/cat.jpg: this is in the home of aslp2p, where nothing is written\n"
    )
    assert not (home / "cat.jpg").exists() and not list(home.rglob("run.sh"))
    assert (tmp_path / "run.sh").exists()


HOSTILE = (".git/hooks/pre-commit", "src/.GIT::$INDEX_ALLOCATION/config", "git~1/config", ".asl-checkout")


def test_what_other_programs_would_run_is_never_written(asl: Asl, tmp_path: Path) -> None:
    """A member puts a hook and a key; whoever checks out gets neither, and is told of each."""
    from tests.cli.running import running

    asl("init", "home")
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\ntouch hacked\n")
    hook.chmod(0o755)
    with running(tmp_path / "home"):
        for path in (*HOSTILE, ".ssh/authorized_keys", "src/code\u200b.py"):
            assert asl("put", str(hook), path).exit_code == 0
    out = tmp_path / "out"
    result = asl("checkout", str(out), "--force")
    assert result.exit_code == 1 and files(out) == {".asl-checkout", "src/code\u200b.py"}
    for path in HOSTILE:
        assert f"kept out: {path}: " in result.stderr
    assert "kept out: .ssh/: a hidden folder; --hidden takes it\n" in result.stderr
    asked = asl("checkout", str(out), "--hidden", "--json")
    assert len(json.loads(asked.stdout)["kept_out"]) == len(HOSTILE)
    assert files(out) == {".asl-checkout", "src/code\u200b.py", ".ssh/authorized_keys"}
    again = asl("checkout", str(out))
    assert ".ssh/authorized_keys" in files(out), "what is kept out is no removal"
    assert "0 removed" in again.stdout
    assert "src/code\\u{200b}.py\n" in asl("ls").stdout


def test_a_record_that_is_no_file_or_somebody_elses_is_refused_by_name(kept: Asl, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    os.mkfifo(out / ".asl-checkout")
    result = kept("checkout", str(out), "--force")
    assert result.exit_code == 1 and list(out.iterdir()) == [out / ".asl-checkout"]
    assert result.stderr.startswith(f"asl: {out}/.asl-checkout is no file; ")
    (out / ".asl-checkout").unlink()
    if os.geteuid() == 0:
        (out / ".asl-checkout").touch()
        os.chown(out / ".asl-checkout", 65534, 65534)
        result = kept("checkout", str(out))
        assert result.exit_code == 1 and "belongs to another user (uid 65534)" in result.stderr
