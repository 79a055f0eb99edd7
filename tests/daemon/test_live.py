"""What a running node tells of itself to people."""

from __future__ import annotations

from typing import Any

from aslp2p.core.jobs import Life, Mode
from aslp2p.daemon.live import live_json
from aslp2p.gossip.messages import NO_ROOM
from aslp2p.views.conditions.links import of_office
from aslp2p.views.conditions.scope import Scope
from aslp2p.views.conditions.table import KINDS
from aslp2p.views.conditions.trouble import of_node


def told(**core: Any) -> list[tuple[str, str, str]]:
    """The conditions of a node whose core says this: what each is, its text, and what to do."""
    live = live_json(core, [], Life(Mode.RUNNING, "", 0), [], 0.0, mono_ms=0, twin_at=None)
    scope = Scope("home", "ab")
    found = [*of_node(live, scope), *of_office(live, {}, scope)]
    return [(one.code, one.text, one.remedy) for one in found]


def test_who_keeps_no_link_with_us_is_told_while_nobody_does() -> None:
    core = {"shut_out": "this key was expelled"}
    live = live_json(core, [], Life(Mode.RUNNING, "", 0), [], 0.0, mono_ms=0, twin_at=None)
    assert live["shut_out"] == "this key was expelled"


def test_what_waits_for_the_next_round_is_told() -> None:
    ((code, text, _),) = told(admitted=True, held_back="it has endorsed enough (S14)")
    assert text == "this machine endorses nothing more for now: it has endorsed enough (S14)"
    assert not KINDS[code].asks


def test_who_ended_links_for_one_reason_is_told_in_one_line() -> None:
    both = {"zoe": "this key was revoked", "ann": "this key was revoked"}
    said = "ann, zoe ended the link: this key was revoked"
    assert told(admitted=True, refused_by=both) == [("refused", said, "ask one of them why")]
    assert KINDS["refused"].asks
    assert len(told(admitted=True, refused_by={"zoe": "full", "ann": "this key was revoked"})) == 2


def test_a_machine_whose_disk_is_full_says_nothing_of_this_one() -> None:
    full = NO_ROOM.text
    ((code, text, remedy),) = told(refused_by={"zoe": full}, refusals={NO_ROOM.code: full})
    assert (code, text, remedy) == ("link-ended", f"zoe ended the link: {full}", "")
