"""Commands to a running daemon: its methods, uploads, waiting for the witness."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.artifacts.invite import Invite
from aslp2p.control.client import Client
from aslp2p.control.protocol import RemoteError
from aslp2p.errors import NoDaemon
from aslp2p.limits import MIB, UPLOADS_MAX
from tests.cli.conftest import Asl
from tests.cli.running import FOREIGN, running

KEY = "ed25519:" + "0b" * 32


@pytest.fixture
def daemon(asl: Asl, tmp_path: Path) -> Iterator[Client]:
    asl("init", "home", "--name", "ann")
    with running(tmp_path / "home") as client:
        yield client


def tree(folder: Path) -> Path:
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a")
    (folder / "sub" / "größe.txt").write_bytes(b"x" * 10)
    (folder / "sub" / "large").write_bytes(os.urandom(2 * MIB + 7))
    (folder / "run").write_bytes(b"#!")
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("a.txt")
    return folder


def test_a_tree_is_put_and_comes_back_the_same(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    put = asl("put", "-r", f"{source}/", "files/")
    assert put.exit_code == 1 and put.stdout.startswith("4 files of 4 put (2.0 MiB), at @")
    assert put.stderr == f"skipped {source}/link: a symbolic link\n"
    again = asl("put", "-r", f"{source}/", "files/")
    assert again.stdout == "Nothing to put: 4 files there already, unchanged\n"
    assert asl("checkout", str(tmp_path / "out")).exit_code == 0
    for file in source.rglob("*"):
        if file.is_file() and not file.is_symlink():
            copy = tmp_path / "out" / "files" / file.relative_to(source)
            assert copy.read_bytes() == file.read_bytes()
            assert bool(copy.stat().st_mode & 0o100) == bool(file.stat().st_mode & 0o100)
    before = daemon.call("summary")["height"]
    removed = asl("rm", "-r", "files/sub").stdout
    assert removed == f"2 files removed, at @{daemon.call('summary')['height']}\n"
    assert before < daemon.call("summary")["height"] <= before + 2
    assert asl("ls").stdout == "files/a.txt\nfiles/run\n"


def test_put_says_where_it_stands(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    assert asl("put", "-", "notes", input="from stdin").stdout == "notes, at @1\n"
    assert asl("get", "notes").stdout == "from stdin"
    answer = json.loads(asl("put", "-", "notes", "--json", input="more").stdout)
    assert (answer["put"], answer["witnessed"][0]["what"], answer["witnessed"][0]["height"]) == (
        1,
        "notes",
        2,
    )
    status = asl("status").stdout.splitlines()
    assert (status[0], status[-1]) == ("Common: home@2 (witness: ann)", "Peers: none reachable now")


def test_what_was_expected_and_is_not_there_is_refused_with_the_reason(daemon: Client, asl: Asl) -> None:
    asl("put", "-", "notes", input="one")
    first = json.loads(asl("show", "notes", "--json").stdout)["content"]
    assert asl("put", "-", "notes", "--expect", first, input="two").exit_code == 0
    refused = asl("put", "-", "notes", "--expect", first, input="three")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("refused: notes: notes is not what its author expected: it is")
    assert "(changed-meanwhile)" in refused.stderr
    assert asl("put", "-", "notes", "--expect", "nothing", input="four").exit_code == 1
    assert asl("put", "-", "notes", "--if-unchanged", input="five").exit_code == 0
    status = asl("status").stdout
    assert "Refused: 2 of yours; see why with: asl proposals" in status
    proposals = asl("proposals").stdout
    assert proposals.count("refused by ann") == 2 and "rejected  ann puts notes" in proposals
    assert len(json.loads(asl("proposals", "--pending", "--json").stdout)["proposals"]) == 0


def test_one_bad_file_does_not_stop_the_others(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "good").write_bytes(b"1")
    (source / "bad\x1bname").write_bytes(b"2")
    with open(os.fsencode(source) + b"/not\xffutf8", "wb"):
        pass
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(source / "socket"))
        put = asl("put", "-r", f"{source}/", str(tmp_path / "missing"), "all/")
    assert put.exit_code == 1 and "\x1b" not in put.stderr
    assert "its name is not UTF-8; rename it" in put.stderr
    assert "U+001B, which cannot be shown as it is" in put.stderr
    assert f"cannot read {tmp_path}/missing (No such file or directory); see that it is" in put.stderr
    assert put.stderr.count("a pipe, socket or device") == 2
    assert put.stdout == "all/good, at @1\n"
    assert asl("ls").stdout == "all/good\n"


def test_paths_that_cannot_be(daemon: Client, asl: Asl) -> None:
    asl("put", "-", "a", input="x")
    for path, says in (("a/b", "a is a file"), ("../a", "a path with '..' in it"), ("a//b", "two in a row")):
        put = asl("put", "-", path, input="x")
        assert put.exit_code == 1 and says in put.stderr, put.output


def test_members_are_admitted_and_expelled(daemon: Client, asl: Asl) -> None:
    assert asl("members", "admit", KEY, "bob").stdout == "bob is in, at @1\n"
    assert "bob" in asl("members").stdout
    again = asl("members", "admit", KEY, "bob")
    assert again.exit_code == 1 and "(already-admitted)" in again.stderr
    assert asl("members", "expel", "bob").stdout == "bob is out, at @2\n"
    assert "bob" in asl("members").stdout and "expelled" in asl("members").stdout
    nobody = asl("members", "expel", "nobody")
    assert (nobody.exit_code, nobody.stderr) == (
        1,
        "asl: nobody here is called 'nobody'; see `asl members`\n",
    )
    wrong = asl("members", "admit", "bob", KEY)
    assert wrong.exit_code == 2 and "is not a key" in wrong.stderr


def test_members_are_renamed_and_forgotten(daemon: Client, asl: Asl) -> None:
    asl("members", "admit", KEY, "bob")
    assert asl("members", "rename", "bob", "Bob").stdout == "bob is called Bob now, at @2\n"
    assert asl("members", "rename", "self", "me").exit_code == 0
    named = {one["name"]: one for one in json.loads(asl("members", "--json").stdout)["members"]}
    assert named.keys() == {"Bob", "me"} and named["me"]["self"]
    taken = asl("members", "rename", "Bob", "me")
    assert taken.exit_code == 1 and "(name-taken)" in taken.stderr
    unseen = asl("members", "rename", "Bob", "me\u200b")
    assert unseen.exit_code == 2 and "U+200B, which nobody can see" in unseen.stderr
    assert "(not-expelled)" in asl("members", "forget", "Bob").stderr
    asl("members", "expel", "Bob")
    assert asl("members", "forget", "Bob").stdout == "Bob is forgotten, at @5\n"
    assert "Bob" not in asl("members").stdout
    alone = asl("members", "expel", "self")
    assert alone.exit_code == 1 and "(is-authority)" in alone.stderr


def test_a_name_chosen_while_the_daemon_runs_is_proposed(daemon: Client, asl: Asl) -> None:
    assert asl("self", "--name", "kitchen").exit_code == 0
    assert asl("put", "-", "after", input="x").exit_code == 0, "which is listed after it, or beside it"
    assert "kitchen" in asl("members").stdout
    size = daemon.call("summary")["log_size"]
    assert asl("self", "--name", "kitchen").exit_code == 0
    assert asl("put", "-", "again", input="x").exit_code == 0
    assert daemon.call("summary")["log_size"] == size + 1, "it is called so already"


def test_an_invite_is_taken_back(daemon: Client, asl: Asl) -> None:
    made = asl("invite", "--json")
    answer = json.loads(made.stdout)
    revoked = asl("invite", "revoke", answer["id"][:12])
    assert revoked.stdout == "the invite is good for nobody, at @1\n"
    again = asl("invite", "revoke", answer["invite"])
    assert again.exit_code == 1 and "(invite-revoked)" in again.stderr
    unknown = asl("invite", "revoke", "12ab")
    assert unknown.exit_code == 2 and "invite is an id of 64 hexadecimal digits" in unknown.stderr
    none = asl("invite", "revoke", Invite(bytes(32), "far", bytes(32), b"").encode())
    assert none.exit_code == 2 and "no token to revoke" in none.stderr
    assert answer["uses"] == 1 and "and one machine" in asl("invite").stderr


def test_an_invite_holds_what_a_joiner_needs(daemon: Client, asl: Asl) -> None:
    shown = asl("invite", "--expires", "1h", "--uses", "2")
    text = json.loads(asl("invite", "--json").stdout)["invite"]
    assert shown.exit_code == 0 and shown.stdout.startswith("asl1") and shown.stdout.count("\n") == 1
    invite = Invite.parse(text)
    assert invite.name == "home" and invite.token
    assert invite.common_id.hex() == daemon.call("commons")["commons"][0]["id"]
    assert "▀" in asl("invite", "--qr").stdout
    again = asl("join", text)
    assert again.exit_code == 1 and "this home follows home already" in again.stderr


def test_a_running_daemon_follows_what_is_founded_and_joined(daemon: Client, asl: Asl) -> None:
    assert "It is running" in asl("init", "team").stdout
    assert asl("put", "-", "x", "--common", "team", input="1").exit_code == 0
    assert asl("join", "--no-wait", Invite(bytes(32), "far", bytes(32), b"").encode()).exit_code == 0
    assert {one["name"] for one in daemon.call("commons")["commons"]} == {"home", "team", "far"}
    assert "far (joining" in asl("common", "list").stdout
    assert asl("common", "list").stdout.endswith(
        "192.0.2.9:4242  foreign: 2 Commons announced there, not followed\n"
    )
    listed = json.loads(asl("common", "list", "--json").stdout)
    assert listed["foreign"] == FOREIGN and len(listed["commons"]) == 3
    peers = asl("peers", "--common", "far")
    assert peers.exit_code == 0 and "No machine is linked now." in peers.stdout
    assert asl("common", "trust", "team").exit_code == 0
    assert asl("ls").stdout == "x\n"
    assert asl("common", "forget", "team", "--yes").exit_code == 0
    refused = asl("ls")
    assert refused.exit_code == 2 and "say which with --common" in refused.stderr


def test_nothing_to_put_and_a_folder_to_remove_are_said(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = asl("put", "-r", str(tmp_path / "empty"), "all/")
    assert (empty.exit_code, empty.stdout) == (0, "Nothing to put: no file is there\n")
    asl("put", "-", "photos/cat", input="1")
    refused = asl("rm", "photos")
    assert refused.stderr == "asl: photos is a folder; remove it with `asl rm -r photos`\n"
    assert asl("rm", "photos/cat").exit_code == 0


def test_a_home_is_never_put(daemon: Client, asl: Asl, tmp_path: Path) -> None:
    """It holds this machine's secret."""
    (tmp_path / "way").symlink_to(tmp_path / "home")
    (tmp_path / "file").write_text("x")
    for source in (tmp_path, tmp_path / "home", tmp_path / "home" / "key", tmp_path / "way"):
        put = asl("put", "-r", str(source), "all/")
        assert "home of aslp2p, with this machine's secret" in put.stderr, source
    assert asl("ls").stdout.split("/")[-1] == "file\n" and asl("ls").stdout.count("\n") == 1


def test_verify_and_fsck_of_a_running_home(daemon: Client, asl: Asl) -> None:
    asl("put", "-", "x", input="1")
    assert asl("verify").stdout.startswith("home@0 to home@1 hold")
    fsck = asl("fsck")
    assert fsck.exit_code == 1 and "the daemon is running" in fsck.stderr


def test_no_wait(daemon: Client, asl: Asl) -> None:
    put = asl("put", "-", "x", "--no-wait", input="1")
    assert (put.exit_code, put.stdout) == (0, "1 file proposed (1 B)\n")
    assert put.stderr == "pending: 1 proposal; see `asl proposals`\n"


# --- the methods themselves -----------------------------------------------------------------------


def refused(daemon: Client, method: str, **params: object) -> str:
    with pytest.raises(RemoteError) as caught:
        daemon.call(method, **params)
    return str(caught.value)


def test_wrong_parameters_name_the_one_at_fault(daemon: Client) -> None:
    assert "prefix: expected str" in refused(daemon, "ls", prefix=5)
    assert "at: expected" in refused(daemon, "ls", at="1")
    assert "'nonsense' is no parameter" in refused(daemon, "ls", nonsense=1)
    assert "path is missing" in refused(daemon, "entry")
    assert "data is not base64" in refused(daemon, "put", path="a", data="*")
    assert "data has more than 1 MiB" in refused(
        daemon, "put", path="a", data=base64.b64encode(bytes(MIB + 1)).decode()
    )
    assert "expects is an id of 64" in refused(daemon, "remove", path="a", expects="12")
    assert "id is an id of 64" in refused(daemon, "common.open", id="12")
    assert "the action has no kind" in refused(daemon, "propose", action={})
    assert "a path with '..'" in refused(daemon, "remove", path="..")
    assert "no Common here is called" in refused(daemon, "summary", common="nobody")


def test_propose_takes_any_action_as_json(daemon: Client) -> None:
    content = daemon.call("put", path="a", data=base64.b64encode(b"x").decode())["content"]
    action = {"kind": "put", "path": "b", "content": content, "size": 1}
    proposal = daemon.call("propose", action=action)["proposal"]
    while (state := daemon.call("settled", ids=[proposal])["settled"][0])["state"] == "pending":
        pass
    assert state["state"] == "witnessed"
    assert daemon.call("withdraw", id=proposal) == {"withdrawn": False}


def test_uploads_come_in_order_and_end(daemon: Client) -> None:
    data = base64.b64encode(b"x" * MIB).decode()
    upload = daemon.call("upload.begin")["upload"]
    assert daemon.call("upload.chunk", upload=upload, offset=0, data=data) == {"size": MIB}
    assert "a chunk at 0 where 1048576 bytes have come" in refused(
        daemon, "upload.chunk", upload=upload, offset=0, data=data
    )
    assert daemon.call("upload.chunk", upload=upload, offset=MIB, data="eA==") == {"size": MIB + 1}
    assert daemon.call("upload.put", upload=upload, path="big")["size"] == MIB + 1
    for method in ("upload.put", "upload.chunk"):
        params = {"path": "big"} if method == "upload.put" else {"offset": 0, "data": ""}
        assert f"there is no upload {upload} (any more)" in refused(daemon, method, upload=upload, **params)


def test_an_upload_ends_even_when_its_put_is_refused(daemon: Client) -> None:
    upload = daemon.call("upload.begin")["upload"]
    assert "a path with '..'" in refused(daemon, "upload.put", upload=upload, path="..")
    assert "(any more)" in refused(daemon, "upload.put", upload=upload, path="a")


def test_uploads_are_bounded(daemon: Client) -> None:
    for _ in range(UPLOADS_MAX):
        daemon.call("upload.begin")
    assert f"{UPLOADS_MAX} uploads are under way" in refused(daemon, "upload.begin")


def test_version_status_and_stop(asl: Asl, tmp_path: Path) -> None:
    asl("init", "home")
    with running(tmp_path / "home") as client:
        assert client.call("version")["protocol"] == 1
        status = client.call("status")
        assert (status["daemon"]["pid"], status["daemon"]["home"]) == (os.getpid(), str(tmp_path / "home"))
        assert status["commons"][0]["live"]["links"] == []
    with pytest.raises(NoDaemon):
        Client.of_home(str(tmp_path / "home"))
    assert asl("status").exit_code == 0
