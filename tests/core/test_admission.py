"""Who gets past a link (G2, P6): a joiner with a live invite, and nobody with what a joiner showed."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.token import bear
from aslp2p.artifacts.types import Named, Policy
from aslp2p.core.inputs import MakeToken
from aslp2p.ledger.state import is_admitted
from simulations.world import WALL_MS, World

SECOND_MS = 1_000


class Town(World):
    """`you` founded the Common; `joe` and `eve` hold its network secret and are no members."""

    def __init__(self) -> None:
        super().__init__(5)
        for name in ("you", "joe", "eve"):
            self.add_node(name)
        self.found(
            "you", ["you"], Policy((Named("you", self.nodes["you"].key),), 1, True, 10**6, "invited", 1)
        )
        for name in self.nodes:
            self.start(name)

    def invite(self, uses: int = 1) -> bytes:
        return bytes(self.command("you", MakeToken(WALL_MS + 10**9, uses)))

    def link(self, name: str, token: bytes) -> None:
        """`name` links with `you` and shows `token`."""
        self.nodes[name].token = token
        self.connect(name, "you")
        self.run(5 * SECOND_MS)

    def is_in(self, name: str) -> bool:
        core = self.nodes["you"].core
        assert core is not None and core.head is not None
        return is_admitted(core.head.members, self.nodes[name].key)

    def refusals(self, name: str) -> set[str]:
        return {close.reason for close in self.nodes["you"].closed} | {
            close.reason for close in self.nodes[name].closed
        }


@pytest.fixture
def town() -> Town:
    return Town()


def test_a_joiner_is_let_in(town: Town) -> None:
    town.link("joe", bear(town.invite(), town.nodes["joe"].key))
    assert town.is_in("joe")


def test_whom_a_joiner_shows_its_token_cannot_use_it(town: Town) -> None:
    """It has one use, and eve would have it before joe."""
    shown = bear(town.invite(), town.nodes["joe"].key)
    town.link("eve", shown)
    assert not town.is_in("eve")
    assert "the invite is damaged, or another key's; ask for a new one" in town.refusals("eve")
    town.link("joe", shown)
    assert town.is_in("joe")


def test_the_artifact_of_a_token_alone_lets_nobody_in(town: Town) -> None:
    town.link("eve", town.invite())
    assert not town.is_in("eve")


def test_a_token_is_good_for_its_uses(town: Town) -> None:
    token = town.invite(uses=1)
    town.link("joe", bear(token, town.nodes["joe"].key))
    town.link("eve", bear(token, town.nodes["eve"].key))
    assert town.is_in("joe") and not town.is_in("eve")
    assert "the invite was used already; ask for a new one" in town.refusals("eve")
