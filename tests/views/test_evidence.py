"""F3, S3, S9: what a witness that signed two histories leaves to decide, and what to type."""

from __future__ import annotations

from aslp2p.core.inputs import Endorse, Recover, Revoke
from aslp2p.ledger.state import revoked_keys
from aslp2p.views.branches import abandoned_ids, evidence, evidence_ids
from aslp2p.views.view import View
from simulations.world import World
from tests.core.households import founded, run_twice

NAMES = ("you", "alice", "james", "zoe")


def _two_histories() -> World:
    """3 of 4, whose witness `you` runs twice: `james` cosigned the history that is left behind."""
    made = founded(NAMES, 3, 3_600_000)
    run_twice(made, [("you", "alice"), ("you", "zoe"), ("copy", "james")])
    made.mesh()
    made.run(60_000)
    return made


def _view(made: World) -> View:
    """What `alice` sees."""
    return View(made.nodes["alice"].store, own_key=made.nodes["alice"].key)


def test_what_others_cosigned_beside_is_named_to_be_given_up() -> None:
    """3 of 4: without `james`, who cosigned the other history, nobody can replace `you`."""
    made = _two_histories()
    view = _view(made)
    (found,) = evidence(view)["evidence"]
    (followed,) = found["followed"]
    (beside,) = set(found["snapshots"]) - {followed}
    cosigned = [(one["id"], [by["name"] for by in one["by"]]) for one in found["cosigned_beside"]]
    assert cosigned == [(beside, ["james"])]
    assert found["command"] == f"asl revoke 'you' --because {found['id'][:8]} --abandon {beside[:8]}"

    because, gives_up = evidence_ids(view, [found["id"][:8]]), abandoned_ids(view, [beside[:8]])
    you = made.nodes["you"].key
    asked = made.command("alice", Revoke(you, "", because, abandons=gives_up))
    made.run(5_000)
    for name in ("james", "zoe"):
        made.command(name, Endorse(asked))
    made.run(5_000)
    for name in ("alice", "james", "zoe"):
        core = made.nodes[name].core
        assert core is not None and core.head is not None and you in revoked_keys(core.head.members), name
    (after,) = evidence(_view(made))["evidence"]
    assert after["revoked"]


def test_what_a_takeover_has_passed_has_not_to_be_given_up() -> None:
    """S5: `james` is off since his yes to another witness, and may go on with it when he is back."""
    made = _two_histories()
    (before,) = evidence(_view(made))["evidence"]
    gives_up = abandoned_ids(_view(made), [one["id"] for one in before["cosigned_beside"]])
    asked = made.command("alice", Recover("it runs twice", abandons=gives_up))
    made.run(5_000)
    made.command("james", Endorse(asked))
    made.run(1_000)
    made.crash("james")
    made.command("zoe", Endorse(asked))
    made.run(5_000)
    (after,) = evidence(_view(made))["evidence"]
    assert not after["revoked"] and after["cosigned_beside"] == []
    assert after["command"] == f"asl revoke 'you' --because {after['id'][:8]}"
