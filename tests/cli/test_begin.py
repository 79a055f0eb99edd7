"""Founding and joining: what is made, and one line for each way in which it cannot be."""

from __future__ import annotations

import json
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from aslp2p.artifacts.invite import Invite
from aslp2p.artifacts.token import make_token
from aslp2p.cli.begin import _change_passphrase
from aslp2p.errors import UserError
from aslp2p.home import Home, key
from aslp2p.home.key import KdfCost, SecretKey, create_key
from aslp2p.ledger.floor import Floor, read_given_floor
from aslp2p.store.sqlite import SqliteStore
from tests.cli.conftest import Asl

KEY = "ed25519:" + "0b" * 32


def invite(name: str = "home", number: int = 7) -> str:
    _, token = make_token(bytes([number] * 32), 2**50, 1, bytes(32), SecretKey(bytes(32)))
    return Invite(bytes([number] * 32), name, bytes(32), token).encode()


def test_init_makes_a_common_whose_witness_is_this_machine(asl: Asl) -> None:
    made = asl("init", "home")
    assert made.exit_code == 0
    assert made.stdout == "Made the Common home: home@0, witnessed by this machine.\nStart it with: asl up\n"
    status = asl("status")
    assert status.exit_code == 0
    assert status.stdout.splitlines() == [
        "Common: home@0 (witness: you)",
        "Daemon: not running; start it with: asl up",
    ]


def test_the_default_name_is_common(asl: Asl) -> None:
    asl("init")
    assert asl("status").stdout.startswith("Common: common@0 (witness: you)\n")


def test_a_name_that_its_owner_chose_is_shown(asl: Asl) -> None:
    asl("init", "home", "--name", "james")
    assert asl("status").stdout.startswith("Common: home@0 (witness: james)\n")


def test_a_name_in_the_policy_file_is_shown(asl: Asl, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("common_policy:\n  witnesses: [{domain: you, key: self}]\n  threshold: 1\n")
    refused = asl("init", "home", "--policy", str(policy))
    assert refused.exit_code == 2 and "asl itself says 'you' in the place of a name" in refused.stderr
    policy.write_text(policy.read_text().replace("you", "mia"))
    assert asl("init", "home", "--policy", str(policy)).exit_code == 0
    assert asl("status").stdout.startswith("Common: home@0 (witness: mia)\n")
    assert "mia" in asl("members").stdout
    policy.write_text(policy.read_text().replace("mia", "desk"))
    assert asl("init", "team", "--policy", str(policy)).exit_code == 0
    assert asl("status", "--common", "team").stdout.startswith("Common: team@0 (witness: desk)\n")


def test_a_first_witness_need_not_be_an_authority(asl: Asl, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"common_policy:\n  witnesses: [{{domain: alice, key: '{KEY}'}}]\n  threshold: 1\n")
    assert asl("init", "home", "--policy", str(policy), "--name", "me").exit_code == 0
    members = json.loads(asl("members", "--json").stdout)["members"]
    assert {one["name"]: one["roles"] for one in members} == {"alice": ["authority"], "me": ["witness"]}
    other = asl("init", "team", "--policy", str(policy), "--name", "alice")
    assert other.exit_code == 2 and "the policy calls another key alice" in other.stderr


def test_a_home_follows_many_commons(asl: Asl) -> None:
    for name in ("home", "team"):
        assert asl("init", name).exit_code == 0
    assert asl("status").stdout.splitlines()[0] == "Common: home@0 (witness: you)"
    assert "Also: team@0 (witness: you)" in asl("status").stdout
    assert asl("status", "--common", "team").stdout.splitlines()[0] == "Common: team@0 (witness: you)"
    assert asl("common", "trust", "team").exit_code == 0
    assert asl("status").stdout.splitlines()[0] == "Common: team@0 (witness: you)"
    listed = asl("common", "list").stdout.splitlines()
    assert sorted(line[0] for line in listed) == [" ", "*"]
    again = asl("init", "home")
    assert (again.exit_code, again.stderr) == (
        1,
        "asl: this home follows a Common called home already; choose another name\n",
    )


def test_forget_removes_a_common(asl: Asl) -> None:
    asl("init", "home")
    asl("init", "team")
    assert asl("common", "forget", "home").exit_code == 2
    assert asl("common", "forget", "home", "--yes").exit_code == 0
    assert asl("status").stdout.startswith("Common: team@0")
    asl("common", "forget", "team", "--yes")
    status = asl("status")
    assert (status.exit_code, status.stderr) == (
        1,
        "asl: this home follows no Common; type `asl init NAME` or `asl join INVITE`\n",
    )


def test_init_that_succeeds_another_names_it(asl: Asl) -> None:
    asl("init", "old")
    old = json.loads(asl("status", "--json").stdout)["commons"][0]["id"]
    assert asl("init", "new", "--succeeds", "old").exit_code == 0
    assert f"Succeeds:  {old}" in asl("show", "@0", "--common", "new").stdout
    assert asl("init", "newer", "--succeeds", "07" * 32).exit_code == 0
    wrong = asl("init", "newest", "--succeeds", "nobody")
    assert wrong.exit_code == 2 and "no Common here is called 'nobody'" in wrong.stderr


def test_self_shows_the_key_that_a_policy_needs(asl: Asl) -> None:
    shown = json.loads(asl("self", "--json").stdout)
    assert shown["key"].startswith("ed25519:") and shown["name_chosen"] is False
    named = asl("self", "--name", "desk")
    assert named.stdout.splitlines()[:2] == ["Name: desk", f"Key:  {shown['key']}"]
    assert asl("init", "home").exit_code == 0
    assert asl("status").stdout.startswith("Common: home@0 (witness: desk)")


def test_a_floor_is_on_disk_before_anybody_is_dialled(asl: Asl, tmp_path: Path) -> None:
    """F5: the invite's, or the one that somebody told, whichever is higher."""
    assert asl("join", invite(), "--floor", f"7:{'07' * 32}").exit_code == 0
    (path,) = (tmp_path / "home").glob("commons/*/store.db")
    with closing(SqliteStore(path, read_only=True)) as store:
        assert read_given_floor(store) == Floor(7, bytes([7] * 32))


def test_join_waits_for_the_history(asl: Asl) -> None:
    joined = asl("join", invite())
    assert (joined.exit_code, joined.stdout.splitlines()[-1]) == (0, "Start it with: asl up")
    status = asl("status")
    assert status.stdout.splitlines()[0] == "Common: home (joining: nothing of its history has arrived yet)"
    listed = asl("ls")
    assert (listed.exit_code, listed.stderr.count("\n")) == (1, 1)
    assert "nothing of this Common has arrived yet; start `asl up` here" in listed.stderr


def test_join_reads_standard_input_and_takes_a_new_invite_while_it_waits(asl: Asl) -> None:
    assert asl("join", "-", input=invite() + "\n").exit_code == 0
    assert asl("join", invite()).exit_code == 0
    assert len(json.loads(asl("common", "list", "--json").stdout)["commons"]) == 1


def test_join_of_a_second_common_with_the_same_name_says_so(asl: Asl) -> None:
    asl("join", invite())
    second = asl("join", invite(number=8))
    assert second.exit_code == 0 and "Another Common here is called home too" in second.stderr
    assert "2 Commons here are called 'home'" in asl("ls", "--common", "home").stderr


def test_joining_with_an_invite_of_ones_own(asl: Asl) -> None:
    asl("init", "home")
    common = json.loads(asl("status", "--json").stdout)["commons"][0]["id"]
    own = Invite(bytes.fromhex(common), "home", bytes(32), b"").encode()
    joined = asl("join", own)
    assert (joined.exit_code, joined.stderr) == (
        1,
        "asl: this machine is in home already; start it with `asl up`\n",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (
            ["init", "a/b"],
            2,
            "a Common cannot be called that: it is a name with '/' in it; choose another name",
        ),
        (["init", "\x1b[2J"], 2, "U+001B"),
        (["init", "home", "--name", "a@b"], 2, "this machine cannot be called that"),
        (["init", "home", "--policy", "/nowhere"], 2, "cannot read /nowhere (No such file or directory)"),
        (["init", "home", "--policy", "/"], 2, "cannot read / (Is a directory)"),
        (["join", "asl1xyz"], 2, "this invite is damaged"),
        (["join", "hello"], 2, "an invite begins with asl1"),
        (["join"], 2, "missing argument 'INVITE'; see `asl join --help`"),
        (["self", "--name", ""], 2, "this machine cannot be called that: it is an empty name"),
        (
            ["invite", "--expires", "soon"],
            2,
            "--expires soon is no duration; write a whole number and one of ms, s",
        ),
        (["invite", "--expires", "0s"], 2, "--expires 0s is no duration"),
        (["join", invite(), "--floor", "7"], 2, "--floor 7 is no height and whole id of a snapshot"),
        (["join", invite(), "--floor", f"0:{'07' * 32}"], 2, "write HEIGHT:ID, as `asl floor` shows it"),
        (["join", invite(), "--floor", "7:0707"], 2, "is no height and whole id"),
        (["join", invite(), "--floor", "seven:xy"], 2, "is no height and whole id"),
        (["invite", "--uses", "0"], 2, "invalid value for '--uses'"),
        (["invite", "--uses", "1001"], 2, "invalid value for '--uses'"),
    ],
)
def test_what_is_typed_wrongly_is_one_line_and_makes_nothing(
    asl: Asl, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    result = asl(*arguments)
    assert result.exit_code == code and says in result.stderr
    assert (
        result.stderr.startswith("asl: ") and result.stderr.count("\n") == 1 and "\x1b" not in result.stderr
    )
    assert not (tmp_path / "home").exists()


def test_a_policy_file_with_a_mistake_founds_nothing(asl: Asl, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("common_policy:\n  witnesses: [{domain: you, key: self}]\n  treshold: 1\n")
    result = asl("init", "home", "--policy", str(policy))
    assert (result.exit_code, result.stderr) == (
        2,
        f"asl: {policy}: line 3: 'treshold' is no field of common_policy; "
        "there is witnesses, threshold, rotation, participants, protocol\n",
    )
    policy.write_bytes(b"\xff")
    assert "is not UTF-8 at byte 0" in asl("init", "home", "--policy", str(policy)).stderr
    assert json.loads(asl("common", "list", "--json").stdout)["commons"] == []


def test_policy_check_says_what_it_survives(asl: Asl, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    witnesses = ", ".join(f"{{domain: n{n}, key: 'ed25519:{f'0{n}' * 32}'}}" for n in range(3))
    policy.write_text(f"common_policy: {{witnesses: [{witnesses}], threshold: 2}}")
    checked = asl("policy", "check", str(policy))
    assert checked.exit_code == 0
    assert "1 authority may be silent or lost" in checked.stdout
    assert json.loads(asl("policy", "check", str(policy), "--json").stdout)["survives"]["silent"] == 1
    assert asl("policy", "check", "-", input="common_policy:\n").exit_code == 2


def test_a_folder_of_somebody_elses_is_no_home(asl: Asl, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    result = asl("init", "home")
    assert result.exit_code == 2 and "is not a home and holds other files (letter)" in result.stderr


def test_a_home_from_a_newer_version_is_not_touched(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    (tmp_path / "home" / "version").write_text("99\n")
    for arguments in (["status"], ["up"], ["init", "team"], ["put", "a", "b"]):
        result = asl(*arguments)
        assert result.exit_code == 1 and "newer aslp2p" in result.stderr and result.stderr.count("\n") == 1


def test_a_sealed_key_is_asked_for_only_by_what_signs(asl: Asl, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    create_key(home, passphrase="open", cost=KdfCost(1, 8192))
    assert asl("join", invite()).exit_code == 0 and asl("self").exit_code == 0
    refused = asl("init", "team")
    assert refused.exit_code == 1 and "there is no terminal to ask for its passphrase" in refused.stderr


def test_a_key_goes_under_a_passphrase_and_out_again(
    asl: Asl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    asl("init", "home")
    before = key.load_key(home).key
    refused = asl("self", "--passphrase")
    assert refused.exit_code == 1 and "typed on a terminal, and there is none" in refused.stderr

    def typing(*typed: str) -> None:
        words = iter(typed)
        monkeypatch.setattr("sys.stdin", _Terminal())
        monkeypatch.setattr("getpass.getpass", lambda _: next(words))

    monkeypatch.setattr(key, "seal_key", partial(key.seal_key, cost=KdfCost(1, 8192)))
    change = partial(_change_passphrase, home)
    typing("open", "opne")
    with pytest.raises(UserError, match="two different ones"):
        change()
    assert not key.is_sealed(home)
    typing("open", "open")
    change()
    assert key.is_sealed(home) and home.key.stat().st_mode & 0o777 == 0o600
    typing("wrong")
    with pytest.raises(UserError, match="this is not the passphrase"):
        key.load_key(home)
    typing("open", "", "")
    change()
    assert not key.is_sealed(home) and key.load_key(home).key == before


class _Terminal:
    def isatty(self) -> bool:
        return True
