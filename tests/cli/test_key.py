"""`asl key`: a key goes to paper and into a file, and back; brought back it promises nothing (S11)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nacl.pwhash import argon2id

from aslp2p.home import Home
from aslp2p.home.doubt import restored_from
from aslp2p.home.key import KdfCost, load_key, load_public_key, seed_of
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running

PASSPHRASE = {"ASL_BACKUP_PASSPHRASE": "correct horse", "ASL_PASSPHRASE": "correct horse"}


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PASSPHRASE.items():
        monkeypatch.setenv(name, value)
    # 8 KiB instead of 256 MiB: the cost itself has its test with the key file
    monkeypatch.setattr("aslp2p.home.key.MODERATE", KdfCost(argon2id.OPSLIMIT_MIN, argon2id.MEMLIMIT_MIN))


def made(tmp_path: Path) -> Home:
    assert run_asl(tmp_path / "home", "init", "home", "--name", "ann").exit_code == 0
    return Home(tmp_path / "home")


def test_a_key_comes_back_from_its_file(tmp_path: Path) -> None:
    home, file = made(tmp_path), tmp_path / "key.asl"
    result = run_asl(home.path, "key", "backup", str(file), "--json")
    assert result.exit_code == 0 and file.stat().st_mode & 0o777 == 0o600
    assert seed_of(load_key(home)).hex() not in file.read_text() and "argon2id: " in file.read_text()
    again = run_asl(home.path, "key", "backup", str(file))
    assert (again.exit_code, again.stderr) == (
        1,
        f"asl: there is something at {file} already; name a new file\n",
    )

    other = Home(tmp_path / "other")
    restored = run_asl(other.path, "key", "restore", str(file))
    assert restored.exit_code == 0 and "never again endorse, cosign or emit (S11)" in restored.stdout
    assert load_key(other).key == load_key(home).key
    assert "from a backup of the key" in restored_from(other)


def test_a_wrong_passphrase_makes_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, file = made(tmp_path), tmp_path / "key.asl"
    run_asl(home.path, "key", "backup", str(file))
    monkeypatch.setenv("ASL_BACKUP_PASSPHRASE", "wrong")
    wrong = run_asl(tmp_path / "other", "key", "restore", str(file))
    assert wrong.exit_code == 1 and f"this is not the passphrase of {file}" in wrong.stderr
    assert not (tmp_path / "other").exists()
    monkeypatch.setenv("ASL_BACKUP_PASSPHRASE", "")
    assert run_asl(home.path, "key", "backup", str(tmp_path / "none")).exit_code == 2


def test_a_key_file_that_others_can_read_is_refused_with_what_to_type(tmp_path: Path) -> None:
    home, file = made(tmp_path), tmp_path / "key.asl"
    run_asl(home.path, "key", "backup", str(file))
    file.chmod(0o640)
    refused = run_asl(tmp_path / "other", "key", "restore", str(file))
    assert refused.exit_code == 1 and f"type: chmod 600 {file}" in refused.stderr
    home.key.chmod(0o604)
    assert f"type: chmod 600 {home.key}" in run_asl(home.path, "key", "words").stderr


def test_a_key_comes_back_from_its_words(tmp_path: Path) -> None:
    home = made(tmp_path)
    shown = run_asl(home.path, "key", "words")
    words = json.loads(run_asl(home.path, "key", "words", "--json").stdout)["words"]
    assert len(words) == 24 and shown.stdout.split()[1::2] == words
    typed = shown.stdout.upper()  # as it stands on the paper, numbers and all
    restored = run_asl(tmp_path / "other", "key", "restore", "--words", input=typed)
    assert restored.exit_code == 0
    assert load_public_key(Home(tmp_path / "other")) == load_public_key(home)
    assert words[3] not in restored.output


def test_words_that_are_no_key_are_named_and_make_no_home(tmp_path: Path) -> None:
    words = json.loads(run_asl(made(tmp_path).path, "key", "words", "--json").stdout)["words"]
    for typed, says in (
        (words[:23], "these are 23 words"),
        ([*words[:6], "abandn", *words[7:]], "word 7, 'abandn', is none of the list; did you mean abandon"),
        ([words[1], words[0], *words[2:]] if words[0] != words[1] else [], "these"),
    ):
        refused = run_asl(tmp_path / "other", "key", "restore", "--words", input=" ".join(typed))
        assert refused.exit_code == 2 and says in refused.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("arguments", [[], ["FILE", "--words"]])
def test_a_key_comes_from_one_place(asl: Asl, arguments: list[str]) -> None:
    assert asl("key", "restore", *arguments).exit_code == 2


def test_a_home_is_never_replaced(tmp_path: Path) -> None:
    home = made(tmp_path)
    before = home.key.read_bytes()
    for command in (["restore", "FILE"], ["new", "--offline"]):
        refused = run_asl(home.path, "key", *command)
        assert refused.exit_code == 1 and "there is a home" in refused.stderr
    assert home.key.read_bytes() == before


def test_a_restored_key_is_in_doubt_wherever_it_joins(tmp_path: Path) -> None:
    """S11: what it signed is not known here, so it may propose and promise nothing."""
    words = " ".join(json.loads(run_asl(made(tmp_path).path, "key", "words", "--json").stdout)["words"])
    other = tmp_path / "other"
    run_asl(other, "key", "restore", "--words", input=words)
    assert run_asl(other, "init", "mine").exit_code == 0
    with running(other):
        status = json.loads(run_asl(other, "status", "--json").stdout)
        health = run_asl(other, "health")
        put = run_asl(other, "put", "-", "x", "--no-wait", input="1")
        vouched = run_asl(other, "vouch", "--yes") if put.exit_code == 0 else put
        after = json.loads(run_asl(other, "status", "--json").stdout)
    (common,) = status["commons"]
    assert "it was restored on" in common["stale"] and health.exit_code == 2
    assert "asl vouch" in status["attention"][0]["remedy"]
    assert vouched.exit_code == 0, vouched.output
    assert after["commons"][0]["stale"] is None  # who is alone says that it is whole, and that stays


def test_the_doubt_travels_with_the_home(tmp_path: Path) -> None:
    words = " ".join(json.loads(run_asl(made(tmp_path).path, "key", "words", "--json").stdout)["words"])
    other, third = tmp_path / "other", tmp_path / "third"
    run_asl(other, "key", "restore", "--words", input=words)
    assert run_asl(other, "move", "out", str(tmp_path / "file")).exit_code == 0
    assert run_asl(third, "move", "in", str(tmp_path / "file")).exit_code == 0
    assert restored_from(Home(third)) == restored_from(Home(other)) != ""


def test_a_cold_key_never_goes_on_a_network(tmp_path: Path) -> None:
    cold = tmp_path / "stick"
    assert run_asl(cold, "key", "new").exit_code == 2
    answer = json.loads(run_asl(cold, "key", "new", "--offline", "--json").stdout)
    home = Home(cold)
    assert answer["key"] == f"ed25519:{load_key(home).key.hex()}" and "sealed: " in home.key.read_text()
    run_asl(cold, "init", "home")
    refused = run_asl(cold, "up")
    assert refused.exit_code == 1 and "asl endorse ID --offline FILE -o ANSWER" in refused.stderr


def test_a_backup_is_made_while_the_daemon_runs(asl: Asl, tmp_path: Path) -> None:
    home, file, back = tmp_path / "home", tmp_path / "backup", tmp_path / "back"
    asl("init", "home", "--name", "ann")
    with running(home):
        asl("put", "-", "before", input="1")
        asl("put", "-", "large", input="2" * 300_000)
        made = asl("backup", str(file))
        asl("put", "-", "after", input="2")
        twice = asl("backup", str(file))
    assert made.exit_code == 0, made.output
    assert twice.exit_code == 1 and "already" in twice.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")] == []
    assert file.stat().st_mode & 0o777 == 0o600
    assert run_asl(back, "restore", str(file)).exit_code == 0
    assert run_asl(back, "ls").stdout == "before\nlarge\n" and asl("ls").stdout == "after\nbefore\nlarge\n"
    assert run_asl(back, "get", "large").stdout == "2" * 300_000
    assert run_asl(back, "get", "before").stdout == "1"
    assert run_asl(back, "fsck").exit_code == 0
    assert json.loads(run_asl(back, "status", "--json").stdout)["commons"][0]["stale"]
