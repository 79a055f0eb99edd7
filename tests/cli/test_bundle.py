"""Paper on real homes, without any network: whole rotations, offline endorsements, parts in any order."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.authorities import policy_text
from tests.cli.conftest import run_asl
from tests.cli.running import running

Typed = Callable[..., str]


class Party:
    """Machines that share nothing but the folder in which their bundles lie."""

    def __init__(self, folder: Path, *names: str, threshold: int = 2) -> None:
        self.folder = folder
        for name in names:
            self(name, "self", "--name", name)
        keys = [(name, json.loads(self(name, "self", "--json"))["key"]) for name in names]
        text = policy_text(keys, threshold, "30d")
        self(names[0], "init", "home", "--policy", "-", input=text)

    def __call__(self, name: str, *words: str, code: int = 0, **options: Any) -> str:
        done = run_asl(self.folder / name, *words, **options)
        assert done.exit_code == code, f"{name}: asl {words}: {done.output}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, name: str, *words: str, code: int = 0, **options: Any) -> Any:
        text = self(name, *words, "--json", code=code, **options)
        return json.loads(text)

    def file(self, name: str) -> str:
        return str(self.folder / name)

    def status(self, name: str) -> list[str]:
        done = run_asl(self.folder / name, "status")
        assert done.exit_code in (0, 4), done.output
        return done.stdout.splitlines()

    def asked(self, name: str, *words: str) -> str:
        """Type a command that proposes a succession, on a daemon without a network; the proposal's id."""
        with running(self.folder / name):
            return str(self.json(name, *words)["proposal"])


@pytest.fixture
def party(tmp_path: Path) -> Callable[..., Party]:
    return lambda *names, **options: Party(tmp_path, *names, **options)


def put(party: Party, name: str, path: str, text: str = "x") -> None:
    with running(party.folder / name):
        party(name, "put", "-", path, input=text)


def test_a_whole_rotation_with_files_only(party: Callable[..., Party]) -> None:
    at = party("mia", "alice", "james")
    put(at, "mia", "note", "kept")
    id_ = at.asked("mia", "rotate", "james", "--reason", "moving out")
    paper, a, j = at.file("paper.asl"), at.file("a.asl"), at.file("j.asl")
    at("mia", "bundle", "create", "--proposal", id_, "-o", paper)

    said = at("alice", "endorse", id_[:8], "--offline", paper, "-o", a)
    assert "2 of 2: mia, alice; james has to accept" in said and "The history is at home@1" in said
    said = at("james", "endorse", id_[:8], "--offline", paper, "-o", j)
    assert "2 of 2: mia, james" in said, said

    said = at("mia", "bundle", "import", a)
    assert "2 of 2: mia, alice; james has to accept" in said
    said = at("mia", "bundle", "import", j)
    assert "carried out at home@2" in said and "This machine emitted home@2 for it" in said

    back = at.file("back.asl")
    at("mia", "bundle", "create", "--since", "@0", "-o", back)
    for name in ("alice", "james"):
        assert "carried out at home@2" in at(name, "bundle", "import", back)
    for name in ("mia", "alice", "james"):
        assert at.status(name)[:2] == [
            "Common: home@2 (witness: james)",
            "Note: witness rotated at home@2",
        ], at.status(name)
        assert at.json(name, "verify")["failure"] is None
    assert at("james", "get", "note") == "kept"

    put(at, "james", "after")  # the new witness writes on, alone, and the old one takes it from a stick
    at("james", "bundle", "create", "--since", "@2", "-o", at.file("on.asl"))
    at("mia", "bundle", "import", at.file("on.asl"))
    assert at.status("mia")[0] == "Common: home@3 (witness: james)"
    assert at("mia", "get", "after") == "x"


def test_the_report_says_who_is_still_missing(party: Callable[..., Party]) -> None:
    at = party("mia", "alice", "james", "zoe", threshold=3)
    put(at, "mia", "note")
    id_ = at.asked("mia", "rotate", "zoe")
    at("mia", "bundle", "create", "--proposal", id_, "-o", at.file("p.asl"))
    at("alice", "endorse", id_, "--offline", at.file("p.asl"), "-o", at.file("a.asl"))
    said = at("mia", "bundle", "import", at.file("a.asl"))
    assert "2 of 3: mia, alice; missing james or zoe; zoe has to accept" in said
    report = at.json("mia", "bundle", "import", at.file("a.asl"))  # the same again changes nothing
    assert (report["new"], report["refused"], report["waiting"]) == (0, [], 0)
    assert report["papers"][0]["paper"]["progress"].startswith("2 of 3: mia, alice")
    shown = at("zoe", "bundle", "show", at.file("a.asl"))
    assert "endorsed in here by" in shown and "Every signature verifies" in shown


def test_parts_merge_in_any_order_and_twice(party: Callable[..., Party], tmp_path: Path) -> None:
    at = party("mia", "alice", "james")
    for name in ("one", "two", "three", "four"):
        put(at, "mia", name, name)
    put(at, "mia", "large", "x" * 2_500_000)
    id_ = at.asked("mia", "rotate", "james")
    at("mia", "bundle", "create", "--until", "@2", "-o", at.file("low"))
    at("mia", "bundle", "create", "--since", "@2", "--until", "@3", "-o", at.file("middle"))
    at("mia", "bundle", "create", "--since", "@3", "-o", at.file("high"))
    at("mia", "bundle", "create", "--endorsements", id_, "-o", at.file("paper"))
    orders = list(permutations(["low", "middle", "high", "paper"]))[::7]
    for number, order in enumerate(orders):
        home = f"reader{number}"
        for part in order:
            report = at.json(home, "bundle", "import", "--follow", at.file(part))
        assert (report["height"], report["waiting"], report["gap"]) == (5, 0, None), (order, report)
        assert report["lacking"] == 0, order
        again = at.json(home, "bundle", "import", at.file("paper"))
        assert (again["new"], again["papers"][0]["state"]) == (0, "open")
        assert not list((at.folder / home / "commons").glob("*/waiting.bundle"))
        assert at(home, "get", "four") == "four" and at(home, "get", "large") == "x" * 2_500_000
    said = at("mia", "bundle", "create", "--since", "@99", "-o", at.file("none"), code=1)
    assert "@99 does not exist yet: the newest here is @5" in said and not Path(at.file("none")).exists()
    assert "in it not judged: what they stand on is not in it" in at(
        "gap", "explain", "--bundle", at.file("high")
    )
    gap = at.json("gap", "bundle", "import", "--follow", at.file("high"))
    assert gap["gap"] == [1, 3] and gap["waiting"] > 0
    assert "waiting here for what is missing: @1 to @3" in at("gap", "bundle", "import", at.file("high"))


def test_what_was_cut_off_or_damaged_changes_nothing(party: Callable[..., Party]) -> None:
    at = party("mia", "alice")
    put(at, "mia", "note")
    at("mia", "bundle", "create", "-o", at.file("all"))
    whole = Path(at.file("all")).read_bytes()
    at("alice", "bundle", "import", "--follow", at.file("all"))
    put(at, "mia", "more")
    at("mia", "bundle", "create", "-o", at.file("all"))
    whole = Path(at.file("all")).read_bytes()
    for cut in (0, 8, 39, 40, len(whole) // 2, len(whole) - 1):
        Path(at.file("cut")).write_bytes(whole[:cut])
        assert "no whole bundle: A3" in at("alice", "bundle", "import", at.file("cut"), code=1)
    spoiled = bytearray(whole)
    spoiled[-60] ^= 1
    Path(at.file("cut")).write_bytes(spoiled)
    assert "nothing" not in at("alice", "bundle", "import", at.file("cut"), code=1)
    assert at.status("alice")[0] == "Common: home@1 (witness: mia)"


def test_a_stick_that_fails_while_it_is_read_changes_nothing(party: Callable[..., Party]) -> None:
    at = party("mia", "alice")
    failing = "/proc/self/mem"  # opens, and gives an I/O error when it is read
    assert f"cannot read all of {failing}" in at("mia", "bundle", "import", failing, code=1)
    assert "cannot read all of" in at("mia", "bundle", "import", at.file("missing"), code=1)
    assert at.status("mia")[0] == "Common: home@0 (witness: mia)"
    names = [path.name for path in (at.folder / "mia").rglob("*")]
    assert not [name for name in names if "tmp" in name or "bundle" in name], names


def test_a_policy_change_with_files_only(party: Callable[..., Party]) -> None:
    """P3, P4: endorsed, joint, cosigned and settled, and nobody ever met on a network."""
    at = party("mia", "alice", "james")
    put(at, "mia", "note")
    keys = [(name, at.json(name, "self")["key"]) for name in ("mia", "alice", "james", "zoe")]
    text = policy_text(keys, 3, "30d")
    with running(at.folder / "mia"):
        asked = at.json("mia", "policy", "propose", "-", "--risk", "unseen-key", input=text)
    id_ = str(asked["proposal"])
    at("mia", "bundle", "create", "--proposal", id_, "-o", at.file("p"))
    for name in ("alice", "zoe"):
        at(name, "endorse", id_, "--offline", at.file("p"), "-o", at.file(name + ".asl"))
        at("mia", "bundle", "import", at.file(name + ".asl"))
    assert any(line.startswith("Policy: the change of @2 is settling") for line in at.status("mia"))
    at("mia", "bundle", "create", "-o", at.file("all"))
    for name in ("alice", "james", "zoe"):
        at(name, "bundle", "import", at.file("all"), "--follow")  # here each cosigns
        at(name, "bundle", "create", "--since", "@2", "-o", at.file(name + ".cosigned"))
        at("mia", "bundle", "import", at.file(name + ".cosigned"))
    assert not any(line.startswith("Policy:") for line in at.status("mia")), at.status("mia")
    steps = at.json("mia", "explain")["steps"]
    assert [step["kind"] for step in steps] == ["genesis", "policy-change", "policy-settled"]
    assert len(steps[-1]["settlement"]) >= 3


def test_an_offline_endorser_keeps_its_promises(party: Callable[..., Party]) -> None:
    """S1: one journal; what was endorsed in an epoch excludes another succession of it."""
    at = party("mia", "alice", "james")
    put(at, "mia", "note")
    at("mia", "bundle", "create", "-o", at.file("all"))
    for name in ("alice", "james"):
        at(name, "bundle", "import", "--follow", at.file("all"))
    mine = at.asked("james", "recover", "--yes")
    at("james", "bundle", "create", "--proposal", mine, "-o", at.file("james.asl"))
    other = at.asked("mia", "rotate", "alice")
    at("mia", "bundle", "create", "--proposal", other, "-o", at.file("mia.asl"))
    at("alice", "endorse", other, "--offline", at.file("mia.asl"), "-o", at.file("a1"))
    again = at("alice", "endorse", other, "--offline", at.file("mia.asl"), "-o", at.file("a2"))
    assert "Endorsed" in again
    assert Path(at.file("a1")).read_bytes() == Path(at.file("a2")).read_bytes()
    refused = at("alice", "endorse", mine, "--offline", at.file("james.asl"), "-o", at.file("b"), code=1)
    assert "S1" in refused and not Path(at.file("b")).exists()


def test_an_endorsement_whose_file_could_not_be_written_is_promised_all_the_same(
    party: Callable[..., Party],
) -> None:
    """S1: the journal first. The stick may be full; the same endorsement comes out of the next try."""
    at = party("mia", "alice", "james")
    put(at, "mia", "note")
    one, two = at.asked("mia", "rotate", "alice"), at.asked("mia", "rotate", "james")
    at("mia", "bundle", "create", "-o", at.file("all"))
    nowhere = at.file("no-such-folder/a")
    assert "cannot write" in at("alice", "endorse", one, "--offline", at.file("all"), "-o", nowhere, code=1)
    papers = at.json("alice", "bundle", "import", at.file("all"))["papers"]
    assert {paper["id"]: paper["paper"]["endorsed"] for paper in papers}[one]
    at("alice", "endorse", one, "--offline", at.file("all"), "-o", at.file("a"))
    shown = at.json("alice", "bundle", "show", at.file("a"))
    assert shown["papers"][0]["id"] == one and "alice" not in shown["papers"][0]["endorsed_by"]
    assert len(shown["papers"][0]["endorsed_by"]) == 2 and two not in str(shown)


def test_a_takeover_with_files_only(party: Callable[..., Party]) -> None:
    """The new witness collects endorsements on a stick and emits by itself, without a network."""
    at = party("mia", "alice", "james")
    put(at, "mia", "note")
    at("mia", "bundle", "create", "-o", at.file("all"))
    for name in ("alice", "james"):
        at(name, "bundle", "import", "--follow", at.file("all"))
    id_ = at.asked("james", "recover", "--yes", "--reason", "lost at sea")
    at("james", "bundle", "create", "--proposal", id_, "-o", at.file("p"))
    at("alice", "endorse", id_, "--offline", at.file("p"), "-o", at.file("a"))
    said = at("james", "bundle", "import", at.file("a"))
    assert "carried out at home@2" in said and "This machine emitted home@2" in said
    at("james", "bundle", "create", "--since", "@1", "-o", at.file("on"))
    at("mia", "bundle", "import", at.file("on"))
    lines = at.status("mia")
    assert lines[0] == "Common: home@2 (witness: james)"
    assert any("this machine stepped down" in line for line in lines)


def test_a_daemon_takes_bundles_in(party: Callable[..., Party]) -> None:
    at = party("mia", "alice")
    put(at, "mia", "large", "x" * 3_000_000)
    at("mia", "bundle", "create", "-o", at.file("all"))
    at("alice", "bundle", "import", "--follow", at.file("all"))
    put(at, "mia", "larger", "y" * 3_000_000)
    at("mia", "bundle", "create", "--since", "@1", "-o", at.file("more"))
    with running(at.folder / "alice") as client:
        report = at.json("alice", "bundle", "import", at.file("more"))
        assert report["height"] == 2 and report["lacking"] == 0 and report["contents"]["taken"] == 3
        assert at("alice", "get", "larger") == "y" * 3_000_000
        Path(at.file("cut")).write_bytes(Path(at.file("more")).read_bytes()[:-1])
        assert "cut off" in at("alice", "bundle", "import", at.file("cut"), code=1)
        number = client.call("bundle.begin")["bundle"]
        client.call("bundle.chunk", bundle=number, offset=0, data="QUJD")
        assert "a chunk at 1" in at_fault(client, number)
        at("alice", "bundle", "create", "-o", at.file("again"))
    assert json.loads(at("alice", "bundle", "show", at.file("again"), "--json"))["snapshots"] == [[0, 2]]


def test_a_running_daemon_follows_what_a_bundle_founds(party: Callable[..., Party]) -> None:
    at = party("mia", "alice")
    put(at, "mia", "note")
    at("mia", "bundle", "create", "-o", at.file("all"))
    at("alice", "init", "mine")
    with running(at.folder / "alice"):
        report = at.json("alice", "bundle", "import", "--follow", at.file("all"))
        assert (report["name"], report["height"], report["height_before"]) == ("home", 1, -1)
        assert at("alice", "get", "note", "--common", "home") == "x"
        assert at.json("alice", "self")["key"] in {
            one["key"] for one in at.json("alice", "members", "--common", "home")["members"]
        }


def at_fault(client: Any, number: int) -> str:
    from aslp2p.control.protocol import RemoteError

    with pytest.raises(RemoteError) as caught:
        client.call("bundle.chunk", bundle=number, offset=1, data="QUJD")
    return str(caught.value)


def test_another_commons_bundle_is_not_taken_for_ours(party: Callable[..., Party], tmp_path: Path) -> None:
    at = party("mia", "alice")
    at("stranger", "init", "home")
    at("stranger", "bundle", "create", "-o", at.file("foreign"))
    said = at("mia", "bundle", "import", at.file("foreign"), code=1)
    assert "does not follow" in said
    assert at.status("mia")[0] == "Common: home@0 (witness: mia)"


def test_explain_traces_the_authority_with_everybody_who_signed(party: Callable[..., Party]) -> None:
    at = party("mia", "alice", "james")
    put(at, "mia", "note")
    id_ = at.asked("mia", "rotate", "james", "--reason", "moving out")
    at("mia", "bundle", "create", "--proposal", id_, "-o", at.file("p"))
    for name in ("alice", "james"):
        at(name, "endorse", id_, "--offline", at.file("p"), "-o", at.file(name + ".asl"))
        at("mia", "bundle", "import", at.file(name + ".asl"))
    at("mia", "bundle", "create", "-o", at.file("all"))
    said = at("mia", "explain")
    assert "@0  mia founded home and is its witness" in said.replace("your", "mia")
    assert "@2  mia hands the witness's office to james: moving out" in said
    assert "accepted by james" in said and "endorsed by mia" in said and id_ in said
    assert "The witness there is james, who is that since @2. Everything holds" in said
    before = at("mia", "explain", "@1")
    assert "The witness there is mia, who founded it at @0" in before and "@2 " not in before
    apart = at.json("nobody", "explain", "--bundle", at.file("all"))
    assert [step["kind"] for step in apart["steps"]] == ["genesis", "witness-rotation"]
    endorsers = {one["by"]["name"] for one in apart["steps"][1]["certificate"]["endorsed_by"]}
    assert {"mia", "james"} <= endorsers and apart["failure"] is None


def test_explain_names_the_first_rule_that_fails_and_both_ids(
    party: Callable[..., Party], tmp_path: Path
) -> None:
    """V3: a snapshot by a key that nobody appointed, made into a bundle by somebody who can write files."""
    from aslp2p.artifacts.bundle import BundleReader, BundleWriter
    from aslp2p.artifacts.envelope import sign_statement
    from aslp2p.artifacts.types import Snapshot
    from aslp2p.home.key import SecretKey

    at = party("mia", "alice")
    put(at, "mia", "note")
    at("mia", "bundle", "create", "-o", at.file("all"))
    with open(at.file("all"), "rb") as file:
        reader = BundleReader(file)
        records = list(reader.records())
    snapshot = next(
        one.artifact for one in records if one.artifact and isinstance(one.artifact.statement, Snapshot)
    )
    true = snapshot.statement
    assert isinstance(true, Snapshot)
    forged = sign_statement(
        Snapshot(true.common_id, 2, snapshot.id, 0, 0, (), true.log_size, true.log_root, None, None),
        SecretKey.generate(),
    )
    artifacts = {one.id: one.artifact for one in records if one.artifact} | {forged.id: forged}
    with open(at.file("forged"), "wb") as out:
        writer = BundleWriter(out, reader.common_id)
        for _, artifact in sorted(artifacts.items()):
            writer.add_artifact(artifact)
        writer.finish()
    said = at("alice", "explain", "--bundle", at.file("forged"), code=1)
    assert "home@2 does not hold: V3" in said, said
    assert f"judged   {forged.id.hex()}" in said and f"against  {snapshot.id.hex()}" in said
    assert "Everything holds" in at("alice", "explain", "@1", "--bundle", at.file("forged"))
    refused = at("alice", "bundle", "import", "--follow", at.file("forged"), code=1)
    assert f"refused: snapshot {forged.id.hex()[:12]}: V3" in refused
    assert at.status("alice")[0] == "Common: home@1 (witness: mia)"
