"""A witness that is lost between a policy change and its settlement: what a person types and reads (P4)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from aslp2p.cli.stopped import open_store
from aslp2p.home import Home
from aslp2p.home.key import SecretKey, create_key
from aslp2p.ledger.history import Ledger, found_common
from aslp2p.ledger.joining import founding
from tests.cli.conftest import run_asl
from tests.cli.running import running
from tests.ledger.builder import ANN, BEN, CLEO, DAN, feed
from tests.ledger.grown import Grown, cosign

ALONE = "the new policy alone decides (P4)"
QUORUM = "2 of 3 (ben, cleo, dan)"
Joint = Callable[..., Path]


@pytest.fixture
def joint(tmp_path: Path) -> Joint:
    """The home of dan, an authority of the new 2 of 3; ann, the old 1 of 1 and the witness, is gone."""

    def make(*, final: bool) -> Path:
        home = Home(tmp_path / "home")
        home.create()
        create_key(home, SecretKey(bytes(DAN._signing)))
        grown = Grown()
        with closing(open_store(home.create_common_folder(grown.world.id), read_only=False)) as store:
            found_common(store, grown.world.genesis)
            store.apply(founding(grown.world.id, bytes(32), "dan", name_chosen=True))
            ledger = Ledger(store, own_key=DAN.key)
            feed(ledger, grown.change)
            cosign(ledger, grown.world, grown.change, *((ANN, BEN, CLEO) if final else (BEN, CLEO)))
            store.commit()
        home.set_default_common(grown.world.id)
        return home.path

    return make


def test_once_the_change_is_final_the_new_policy_alone_decides(joint: Joint) -> None:
    home = joint(final=True)
    with running(home):
        status = run_asl(home, "status").output
        assert f"Policy: the change of @2 is final and waits for the witness to settle it; {ALONE}" in status
        refused = run_asl(home, "recover", "--reason", "gone", input="n\n")
        assert f"The policy change of @2 is not settled yet: {ALONE} about a new witness: {QUORUM}" in (
            refused.output
        )
        asked = run_asl(home, "recover", "--reason", "gone", "--yes")
        assert asked.exit_code == 0
        assert f"{ALONE}: 1 of 2: dan; missing ben or cleo. They type: asl endorse" in asked.output
        assert f"({ALONE}: 1 of 2: dan; missing ben or cleo)" in run_asl(home, "status").output


def test_before_that_both_decide(joint: Joint) -> None:
    home = joint(final=False)
    with running(home):
        assert "Policy: the change of @2 is settling, both policies count" in run_asl(home, "status").output
        asked = run_asl(home, "recover", "--reason", "gone", "--yes")
        assert "is not settled yet: the old policy and the new one decide, both, about a new witness" in (
            asked.output
        )
        assert "old policy: 0 of 1; missing ann; new policy: 1 of 2: dan; missing ben or cleo" in asked.output
        assert ALONE not in asked.output
