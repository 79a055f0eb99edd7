"""S3: a takeover that people endorse one after the other gets its quorum while the history goes on."""

from __future__ import annotations

from aslp2p.artifacts.types import Admit
from aslp2p.core.inputs import Endorse, Propose, Recover, Revoke, Withdraw
from aslp2p.ledger.state import revoked_keys
from simulations.world import World
from tests.core.households import founded, linked, run_twice

DAY_MS = 86_400_000
NAMES = ("you", "alice", "james", "zoe")


def _busy(threshold: int = 3) -> World:
    return linked(NAMES, threshold, 30 * DAY_MS)


def _go_on(made: World, first: int) -> None:
    """New work is listed and cosigned by everybody who may."""
    for number in range(first, first + 3):
        made.command("you", Propose(Admit(bytes([number] * 32), f"guest{number}", None)))
        made.run(10_000)


def _revoked(made: World, name: str) -> bool:
    core = made.nodes[name].core
    assert core is not None and core.head is not None
    return made.nodes["james"].key in revoked_keys(core.head.members)


def test_people_who_answer_one_after_the_other_revoke_a_key() -> None:
    made = _busy()
    asked = made.command("you", Revoke(made.nodes["james"].key, "stolen"))
    _go_on(made, 100)
    made.command("alice", Endorse(asked))
    _go_on(made, 110)
    made.command("zoe", Endorse(asked))
    made.run(10_000)
    for name in ("you", "alice", "zoe"):
        assert _revoked(made, name), name
    assert len({made.heads()[name] for name in ("you", "alice", "zoe")}) == 1
    _go_on(made, 120)
    core = made.nodes["zoe"].core
    assert core is not None and core.head is not None
    assert core.live()["final_height"] == core.head.height


def test_who_has_withdrawn_is_not_taken_at_an_old_word() -> None:
    made = _busy()
    asked = made.command("you", Revoke(made.nodes["james"].key, "stolen"))
    made.run(5_000)
    made.command("you", Withdraw(asked))
    _go_on(made, 100)
    made.command("alice", Endorse(asked))
    made.run(5_000)
    made.command("zoe", Endorse(asked))
    made.run(60_000)
    assert not _revoked(made, "zoe"), "two of four want it"


def test_what_was_wanted_of_one_witness_is_not_wanted_of_the_next() -> None:
    made = _busy(threshold=3)
    asked = made.command("alice", Recover("it is slow"))
    made.run(5_000)
    for name in ("james", "zoe"):
        made.command(name, Endorse(asked))
    made.run(30_000)
    core = made.nodes["alice"].core
    assert core is not None and core.head is not None
    assert core.head.standing.next_witness == made.nodes["alice"].key
    for name in NAMES:
        here = made.nodes[name].core
        assert here is not None and not here._attempts._wills


def test_where_cosigned_lines_part_nobody_asks_in_vain_for_ever() -> None:
    """S3, S9: 3 of 4, two histories, each cosigned; no recovery can get its quorum until one is given up."""
    made = founded(NAMES, 3, 60_000)
    run_twice(made, [("you", "alice"), ("copy", "james"), ("copy", "zoe"), ("james", "zoe")])
    left = made.heads()["alice"][1]
    for name in ("you", "copy"):
        made.crash(name)
    made.mesh()
    made.run(3_600_000)
    james = made.nodes["james"].core
    assert james is not None and len(james._certificates.takeovers()) <= 2

    you = made.nodes["you"].key
    asked = made.command("james", Revoke(you, "it signed two histories", abandons=(left,)))
    made.run(5_000)
    for name in ("alice", "zoe"):
        made.command(name, Endorse(asked))
    made.run(60_000)
    assert len({made.heads()[name] for name in ("alice", "james", "zoe")}) == 1
    assert james.head is not None and you in revoked_keys(james.head.members)
