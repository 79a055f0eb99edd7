"""F5: what people read of the floor, of what it waits for, and of a history that retired keys signed."""

from __future__ import annotations

from typing import Any

import pytest

from aslp2p.artifacts.envelope import VERIFIER
from aslp2p.cli.floor import floor_lines, moving_lines, waiting_line
from aslp2p.errors import UserError
from aslp2p.ledger.floor import Floor, give_floor
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.reader import PutArtifacts
from aslp2p.views.branches import evidence, superseded
from aslp2p.views.conditions.notes import of_history
from aslp2p.views.conditions.scope import Scope
from aslp2p.views.floor import change_named, floor, floor_summary, moving
from aslp2p.views.view import View
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, Node, feed, policy
from tests.ledger.grown import Grown


def keep(ledger: Ledger, *tips: Node) -> None:
    """Store what the lines to `tips` list, as a node does that accepts them."""
    listed = [one for tip in tips for node in tip.line() for one in node.proposals]
    ledger._store.apply([PutArtifacts(VERIFIER.verify_all(listed))])


def told(summary: dict[str, Any]) -> list[str]:
    """The lines of `asl status` about the floor."""
    return [one.line for one in of_history({"name": "home", "floor": summary}, Scope("home", ""))]


def view_of(ledger: Ledger) -> View:
    """What `dan` sees of it."""
    return View(ledger._store, own_key=DAN.key)


def names(parties: list[dict[str, str]]) -> list[str]:
    return [one["name"] for one in parties]


def test_a_quiet_common_has_its_newest_policy_as_floor_and_nothing_beside_it() -> None:
    grown = Grown()
    answer = floor(view_of(grown.ledger(DAN)))
    assert (answer["floor"]["id"], answer["floor"]["height"]) == (grown.change.id.hex(), grown.change.height)
    assert names(answer["floor"]["endorsed_by"]) == sorted(
        ("ann", "ben", "cleo"), key=lambda name: {"ann": ANN, "ben": BEN, "cleo": CLEO}[name].key
    )
    assert answer["floor"]["policy"].startswith("2 of 3 (ben, cleo, you)")
    assert (answer["retired"], answer["moves"], answer["waits_for"]) == ([], [], None)
    assert [one["height"] for one in answer["changes"]] == [grown.change.height, 0]
    assert told(floor_summary(view_of(grown.ledger(DAN)))) == []


def test_a_history_that_retired_keys_signed_is_told_with_their_names() -> None:
    grown = Grown()
    ledger = grown.ledger(DAN)
    rival = grown.rival(abandons=(grown.change.id,))
    feed(ledger, rival)
    keep(ledger, rival)
    view = view_of(ledger)
    (found,) = floor(view)["retired"]
    first = rival.line()[-2]
    assert (found["height"], found["tip_height"]) == (first.height, rival.height)
    assert (found["id"], names(found["signed_by"])) == (first.id.hex(), ["ann"])
    (line,) = told(floor_summary(view))
    assert line == "Note: retired keys signed another history (ann), which counts for nothing: asl floor"
    assert any(
        one.startswith("Retired keys signed another history: ann, ") for one in floor_lines(floor(view))
    )
    marked = {one["id"] for one in superseded(view)["superseded"] if one["retired"]}
    assert marked == {rival.id.hex(), first.id.hex()}
    assert evidence(view)["retired"] == floor(view)["retired"]


def test_what_an_ordinary_succession_left_behind_is_no_work_of_retired_keys() -> None:
    """F4: the witness's last snapshots, overtaken below what became the floor."""
    grown = Grown()
    world = grown.world
    low = world.puts(world.root, "low")
    lost = world.chain(low, 3, "lost")
    taken = world.recover(low, ANN, ANN, epoch=1, author=ANN)
    change = world.install(taken, policy((BEN, CLEO, DAN), 2), ANN, BEN, CLEO)
    tip = world.chain(world.after(change, settlement=world.settlement(change, ANN, BEN, CLEO)), 2)
    ledger = world.ledger(DAN)
    feed(ledger, lost, tip)
    keep(ledger, lost)
    assert ledger.floor.id == change.id
    view = view_of(ledger)
    assert floor(view)["retired"] == []
    assert {one["retired"] for one in superseded(view)["superseded"]} == {False}


def test_a_machine_that_waits_for_a_given_floor_says_for_which() -> None:
    grown = Grown()
    ledger = grown.world.ledger(EVE)
    ledger._store.apply([give_floor(Floor(grown.change.height, grown.change.id))])
    waiting = floor_summary(view_of(ledger))["waits_for"]
    assert waiting == {"height": grown.change.height, "id": grown.change.id.hex()}
    line = waiting_line("home", waiting)
    assert line.startswith(f"Waiting: for home@{grown.change.height} ({grown.change.id.hex()[:12]})")


def test_both_histories_are_shown_before_somebody_moves_the_floor_and_the_move_is_told_for_ever() -> None:
    grown = Grown()
    world = grown.world
    theirs = world.install(grown.low, policy((ANN, EVE), 2), ANN, EVE)
    ledger = grown.ledger(DAN)
    feed(ledger, theirs)
    view = view_of(ledger)
    shown = moving(view, theirs.id.hex()[:12])
    assert (shown["from"]["id"], shown["to"]["id"]) == (grown.change.id.hex(), theirs.id.hex())
    assert shown["leaves_head"]
    said = moving_lines(shown)
    assert "2 of 3 (ben, cleo, you)" in said[0] and "2 of 2 (ann, eve)" in said[1]
    assert any("is left behind" in line for line in said)
    ledger.move_floor(theirs.id, 86_400_000)
    summary = floor_summary(view_of(ledger))
    assert [one["to"]["id"] for one in summary["moves"]] == [theirs.id.hex()]
    (line, *_) = told(summary)
    assert line.startswith(f"Note: the floor was moved by hand to @{theirs.height} on 1970-01-0")


@pytest.mark.parametrize("digits", ["0000", "ffff"])
def test_only_a_policy_change_can_be_named(digits: str) -> None:
    view = view_of(Grown().ledger(DAN))
    with pytest.raises(UserError, match="no policy changes here begin with") as caught:
        change_named(view, digits)
    assert caught.value.remedy == "see them with: asl floor"
