"""What a running node tells of itself to people."""

from __future__ import annotations

from typing import Any

from aslp2p.core.jobs import Condition, Mode
from aslp2p.daemon.live import live_json


def warnings(**core: Any) -> list[dict[str, Any]]:
    told = live_json(core, [], Condition(Mode.RUNNING, "", 0), [], 0.0, mono_ms=0, twin_at=None)
    return list(told["warnings"])


def test_who_keeps_no_link_with_us_is_told_while_nobody_does() -> None:
    core = {"shut_out": "this key was expelled"}
    told = live_json(core, [], Condition(Mode.RUNNING, "", 0), [], 0.0, mono_ms=0, twin_at=None)
    assert told["shut_out"] == "this key was expelled"


def test_what_waits_for_the_next_round_is_told() -> None:
    (told,) = warnings(admitted=True, held_back="it has endorsed enough (S14)")
    assert told["text"] == "this machine endorses nothing more for now: it has endorsed enough (S14)"
    assert not told["attention"]


def test_who_ended_links_for_one_reason_is_told_in_one_line() -> None:
    told = warnings(admitted=True, refused_by={"zoe": "this key was revoked", "ann": "this key was revoked"})
    assert told == [
        {
            "text": "ann, zoe ended the link: this key was revoked",
            "remedy": "ask one of them why",
            "attention": True,
        }
    ]
    assert len(warnings(admitted=True, refused_by={"zoe": "full", "ann": "this key was revoked"})) == 2
