"""`asl prove` and `asl verify-proof`: what is proved is checked where there is nothing but the proof."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result

from aslp2p.cli import main
from aslp2p.limits import PROOF_BYTES_MAX
from tests.authorities import found_together, on_loopback, one_head, put
from tests.cli.conftest import Asl, run_asl
from tests.cli.running import running
from tests.lan.machines import PATIENCE_S
from tests.lan.rig import wait_until


@pytest.fixture
def final(kept: Asl, tmp_path: Path) -> Asl:
    """A stopped home of which everything is final."""
    with running(tmp_path / "kept") as client:
        wait_until(lambda: client.call("summary")["final"] == 5, PATIENCE_S, "everything is final")
    return kept


def made(asl: Asl, tmp_path: Path, *words: str) -> tuple[Path, str, Result]:
    proof = tmp_path / "proof"
    done = asl("prove", *words, "-o", str(proof))
    assert done.exit_code == 0, done.output
    return proof, json.loads(asl("show", "@0", "--json").output)["id"], done


def checked(proof: Path, common_id: str, *words: str) -> Result:
    """As on a machine that has no home."""
    return run_asl(proof.parent / "nothing", "verify-proof", str(proof), "--common", common_id, *words)


def test_a_proof_is_checked_without_a_home(final: Asl, tmp_path: Path) -> None:
    proof, common_id, done = made(final, tmp_path, "run.sh")
    assert "run.sh of @3, final at @5" in done.output and "every path, name and author" in done.output
    copy = tmp_path / "copy"
    copy.write_bytes(b"#!/bin/sh\n")
    found = checked(proof, common_id, "--file", str(copy))
    assert found.exit_code == 0, found.output
    assert "run.sh, 10 B, was put by ann: @3" in found.output
    assert "final     cosigned by ann" in found.output and "exactly this content" in found.output
    copy.write_bytes(b"#!/bin/bash\n")
    assert "ANOTHER CONTENT" in checked(proof, common_id, "--file", str(copy)).output
    assert checked(proof, common_id, "--file", str(copy)).exit_code == 1
    assert not (tmp_path / "nothing").exists()


def test_versions_removed_files_and_a_running_daemon(final: Asl, tmp_path: Path) -> None:
    proof, common_id, _ = made(final, tmp_path, "readme@1", "--brief")
    said = json.loads(checked(proof, common_id, "--json").output)
    assert (said["path"], said["height"], said["whole"], said["top"]) == ("readme", None, False, 5)
    assert "readme is not there at @5" in final("prove", "readme", "-o", str(proof)).output
    with running(tmp_path / "kept"):
        again, _, _ = made(final, tmp_path, "readme@1", "--brief")
    assert json.loads(checked(again, common_id, "--json").output)["proposal"] == said["proposal"]


def test_what_does_not_hold_is_said_with_its_rule(kept: Asl, tmp_path: Path) -> None:
    proof, common_id, _ = made(kept, tmp_path, "run.sh")
    other = checked(proof, "0" * 64)
    assert other.exit_code == 1 and "does not hold: V1: it is about another Common" in other.output
    for wrong, words in (("", "say --common ID"), (common_id[:12], "can be forged")):
        refused = checked(proof, wrong)
        assert refused.exit_code == 2 and words in refused.output
    data = proof.read_bytes()
    flipped = data[:200] + bytes([data[200] ^ 1]) + data[201:]
    for broken in (data[:-1], b"", b"\x00" * 100, data + b"\x00", flipped):
        proof.write_bytes(broken)
        refused = checked(proof, common_id)
        assert refused.exit_code == 1 and "does not hold: " in refused.output
    with proof.open("wb") as file:
        file.truncate(PROOF_BYTES_MAX + 2**40)
    assert "at most 1048576 bytes" in checked(proof, common_id).output
    assert "cannot read" in checked(tmp_path / "none", common_id).output


def test_a_proof_that_cannot_be_written_leaves_nothing(kept: Asl, tmp_path: Path) -> None:
    done = kept("prove", "run.sh", "-o", str(tmp_path / "no folder" / "proof"))
    assert done.exit_code == 1 and "cannot write" in done.output
    assert kept("prove", "@3", "-o", str(tmp_path / "proof")).exit_code == 2
    assert not (tmp_path / "proof").exists()


def test_checking_loads_neither_trio_nor_a_store(kept: Asl, tmp_path: Path) -> None:
    proof, common_id, _ = made(kept, tmp_path, "run.sh")
    code = (
        "import sys\nfrom aslp2p.cli import main\n"
        f"try:\n    main(['verify-proof', {str(proof)!r}, '--common', {common_id!r}])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(*{'trio', 'sqlite3', 'zeroconf'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_a_proof_through_a_rotation_on_real_daemons(tmp_path: Path) -> None:
    with on_loopback(tmp_path, "mia", "alice", "james") as machines:
        you, alice, james = machines
        common = found_together(machines) and you.call("status")["commons"][0]["id"]
        put(you, "will", "all to the cat")
        one_head(machines, lambda head: head["final"] == head["height"])
        you.asl("rotate", "alice")
        alice.asl("endorse", one_paper(alice))
        one_head(machines, lambda head: head["witness"]["name"] == "alice")
        put(james, "later")
        one_head(machines, lambda head: head["final"] == head["height"])
        proof = tmp_path / "proof"
        james.asl("prove", "will", "--brief", "-o", proof)
        said = json.loads(
            run_asl(tmp_path / "x", "verify-proof", str(proof), "--common", common, "--json").output
        )
        assert [one["by"] for one in said["trace"]] == ["genesis", "witness-rotation"]
        assert said["path"] == "will" and len(said["cosigned_by"]) == 2
        shown = run_asl(tmp_path / "x", "verify-proof", str(proof), "--common", common)
        assert "the witness handed over to alice (endorsed by alice, mia)" in shown.output


def one_paper(machine: object) -> str:
    from tests.authorities import opened

    return opened(machine, "witness-rotation")  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["prove", "verify-proof"])
def test_help(command: str, tmp_path: Path) -> None:
    assert main.get_command(None, command) is not None  # type: ignore[arg-type]
    assert run_asl(tmp_path, command, "--help").exit_code == 0
