"""What a folder never holds, whoever put it into the history: the forms that git refuses, and our own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from aslp2p.worktree.names import GIT, HIDDEN, HIDDEN_FILE, OURS, is_git_folder, kept_out

# What git's own `verify_path` refuses with core.protectHFS and core.protectNTFS (its t1014 and t0060).
GIT_FORMS = [
    ".git",
    ".GIT",
    ".Git",
    "git~1",
    "GIT~1",
    ".git ",
    ".git.",
    ".git . .",
    "git~1 .",
    ".git::$INDEX_ALLOCATION",
    ".git:stream",
    "git~1:x",
    ".git...:$DATA",
    ".g\u200cit",
    ".gi\u200dt",
    "\u200e.git",
    ".git\u200f",
    ".\u202agit",
    ".\u202bgit",
    ".\u202cgit",
    ".\u202dgit",
    ".\u202egit",
    ".\u206agit",
    ".\u206bgit",
    ".\u206cgit",
    ".\u206dgit",
    ".\u206egit",
    ".\u206fgit",
    "\ufeff.git",
    ".gI\u200cT",
    ".git\\hooks",
    "x\\.git\\hooks",
    "x\\GIT~1",
]
NOT_GIT = [
    ".gitignore",
    ".gitmodules",
    ".github",
    "git",
    "git~2",
    "git~10",
    "..git",
    ".git~1",
    "a.git",
    ".gıt",
    ".gi t",
]


@pytest.mark.parametrize("name", GIT_FORMS)
def test_what_git_takes_for_its_folder_is_kept_out(name: str) -> None:
    for path in (name, f"{name}/hooks/pre-commit", f"src/deep/{name}/config"):
        assert kept_out(path, hidden=True) == GIT


@pytest.mark.parametrize("name", NOT_GIT)
def test_other_names_are_not_taken_for_it(name: str) -> None:
    assert not is_git_folder(name) and kept_out(f"src/{name}/x", hidden=False) is None


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_itself_says_the_same(tmp_path: Path) -> None:
    """No name that git refuses in its index is written, on any file system that it protects."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}

    def git(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        protect = ("-c", "core.protectHFS=true", "-c", "core.protectNTFS=true")
        return subprocess.run(
            ("git", *protect, *arguments),
            cwd=tmp_path,
            env=environment,
            input=data,
            capture_output=True,
            check=False,
        )

    assert git("init", "-q", ".").returncode == 0
    blob = git("hash-object", "-w", "--stdin").stdout.decode().strip()
    for name in GIT_FORMS + NOT_GIT:
        path = f"src/{name}/x"
        taken = git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}").returncode == 0
        assert taken or kept_out(path, hidden=True) == GIT, f"git refuses {path!r}"


def test_what_is_hidden_at_the_top_is_asked_for() -> None:
    """What is kept out is what programs read by its place: ~/.ssh, ~/.bashrc; not what is further in."""
    for path in (".bashrc", ".profile", "\u200d.zshenv", ".gitconfig"):
        assert kept_out(path, hidden=False) == HIDDEN_FILE and kept_out(path, hidden=True) is None
    for path in (".ssh/authorized_keys", ".config/autostart/x.desktop", "\u200d.ssh/x"):
        assert kept_out(path, hidden=False) == HIDDEN and kept_out(path, hidden=True) is None
    for path in (".gitignore", "src/.vscode/tasks.json", "src/.bashrc", ".aslignore"):
        assert kept_out(path, hidden=False) is None


def test_what_aslp2p_keeps_is_nobody_elses() -> None:
    for path in (".asl-checkout", ".ASL-Checkout", "a/.asl-17.tmp", ".a\u200csl-checkout"):
        assert kept_out(path, hidden=True) == OURS
