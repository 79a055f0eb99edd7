"""F3, S3, S9: what a witness that signed two histories leaves to decide, and what to type."""

from __future__ import annotations

from aslp2p.core.inputs import Endorse, Revoke
from aslp2p.ledger.state import revoked_keys
from aslp2p.views.branches import abandoned_ids, evidence, evidence_ids
from aslp2p.views.view import View
from tests.core.households import founded, run_twice

NAMES = ("you", "alice", "james", "zoe")


def test_what_others_cosigned_beside_is_named_to_be_given_up() -> None:
    """3 of 4: without `james`, who cosigned the other history, nobody can replace `you`."""
    made = founded(NAMES, 3, 3_600_000)
    run_twice(made, [("you", "alice"), ("you", "zoe"), ("copy", "james")])
    made.mesh()
    made.run(60_000)
    alice = made.nodes["alice"]
    view = View(alice.store, own_key=alice.key)
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
    (after,) = evidence(View(alice.store, own_key=alice.key))["evidence"]
    assert after["revoked"]
