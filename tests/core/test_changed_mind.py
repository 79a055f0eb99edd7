"""A witness that asks for one successor, and then for another."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.types import Admit
from aslp2p.core.inputs import ChangePolicy, Endorse, Propose, Recover, Rotate, Withdraw
from aslp2p.errors import UserError
from aslp2p.recovery import round_ms
from simulations.world import World
from tests.core.households import policy_of
from tests.core.test_stuck import world


def endorse(made: World, proposal: bytes, *names: str) -> None:
    for name in names:
        made.command(name, Endorse(proposal))
    made.run(2_000)


def test_the_latest_word_counts() -> None:
    """S4: emitting the first, the old witness would have cosigned nothing in the epoch of its successor."""
    made = world("you", "alice", "james", threshold=2)
    keys = {name: node.key for name, node in made.nodes.items()}
    first = made.command("you", Rotate(keys["james"], ""))
    second = made.command("you", Rotate(keys["alice"], ""))
    made.run(2_000)
    endorse(made, first, "alice", "james")
    core = made.nodes["you"].core
    assert core is not None and core.head is not None
    assert core.head.standing.next_witness == keys["you"]
    endorse(made, second, "alice", "james")
    assert core.head.standing.next_witness == keys["alice"]


def _assert_final(made: World, witness: str, *names: str) -> None:
    for name in names:
        core = made.nodes[name].core
        assert core is not None and core.head is not None
        assert core.head.standing.next_witness == made.nodes[witness].key
        assert core.live()["final_height"] == core.head.height > 0, name


def test_a_rotation_that_nobody_answers_is_taken_back() -> None:
    """S4, S6, S12: what the witness endorsed binds it until there is something above."""
    made = world("you", "alice", "james", threshold=2)
    asked = made.command("you", Rotate(made.nodes["alice"].key, ""))
    made.run(2_000)
    made.crash("alice")
    made.command("you", Propose(Admit(bytes([9] * 32), "guest", None)))
    made.run(60_000)
    core = made.nodes["you"].core
    assert core is not None and core.live()["final_height"] == 0, "alice is asked, and may take her time"
    assert made.command("you", Withdraw(asked)) is True
    made.run(5_000)
    _assert_final(made, "you", "you", "james")
    assert made.command("you", Withdraw(asked)) is False, "once"
    made.start("alice")
    made.mesh()
    made.run(5_000)
    with pytest.raises(UserError):
        made.command("alice", Endorse(asked))
    _assert_final(made, "you", "you", "alice", "james")


@pytest.mark.parametrize("away", [None, "alice"])
def test_a_rotation_that_a_policy_change_has_overtaken_is_taken_back(away: str | None) -> None:
    """V4: its reign is over, so nobody is asked any more, and whoever endorsed it is bound all the same."""
    made = world("you", "alice", "james", threshold=2)
    if away is not None:
        made.crash(away)
    asked = made.command("you", Rotate(made.nodes["alice"].key, ""))
    made.run(2_000)
    change = made.command("you", ChangePolicy(policy_of(made, ("you", "alice", "james"), 2, 7_200_000)))
    made.run(2_000)
    made.command("james", Endorse(change))
    made.run(5_000)
    core = made.nodes["you"].core
    assert core is not None and core.head is not None
    bound = away is not None
    assert core.head.standing.joint == bound and (core.live()["final_height"] == 0) == bound
    assert made.command("you", Withdraw(asked)) is bound, "below the floor it binds nobody (F5b)"
    made.run(5_000)
    assert not core.head.standing.joint
    _assert_final(made, "you", *({"you", "alice", "james"} - {away or ""}))


def test_a_policy_change_overtakes_a_rotation_and_nobody_has_to_type_anything() -> None:
    """S12: the witness renews itself after a round."""
    made = world("you", "alice", "james", threshold=2)
    made.crash("alice")
    made.command("you", Rotate(made.nodes["alice"].key, ""))
    made.run(2_000)
    change = made.command("you", ChangePolicy(policy_of(made, ("you", "alice", "james"), 2, 3_600_000)))
    made.run(2_000)
    made.command("james", Endorse(change))
    made.run(2 * round_ms(3_600_000))
    _assert_final(made, "you", "you", "james")


def test_what_is_taken_back_before_anything_is_bound_needs_no_renewal() -> None:
    made = world("you", "alice", "james", threshold=2)
    asked = made.command("alice", Recover("slow"))
    made.run(2_000)
    assert made.command("alice", Withdraw(asked)) is True
    assert made.command("james", Withdraw(asked)) is False, "it is not his"
    core = made.nodes["alice"].core
    assert core is not None and not core._certificates.open()
