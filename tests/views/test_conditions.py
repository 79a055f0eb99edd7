"""Conditions: how bad each is, how long it has to last, what explains it, and how its remedy is typed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aslp2p.limits import CLOCK_OFF_MS, DISK_LOW_BYTES
from aslp2p.views.conditions.find import Lasting, find, judge
from aslp2p.views.conditions.phrases import span, when
from aslp2p.views.conditions.table import KINDS, Severity

CLI_PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
JAMES = {"shown": "james", "key": "ed25519:james", "self": False}


def common(**changes: Any) -> dict[str, Any]:
    """A Common of two machines on one that is a mere member, linked with the other, which is the witness."""
    plain: dict[str, Any] = {
        "id": "ab" * 32,
        "name": "home",
        "default": True,
        "fault": None,
        "height": 43,
        "members": 2,
        "witness": JAMES,
        "only_authority": False,
        "roles": [],
        "grace_period_ms": 1000,
        "beacon_interval_ms": 1000,
        "standing": "admitted",
        "live": live(),
    }
    return plain | changes


def live(**changes: Any) -> dict[str, Any]:
    return {"links": [{"key": JAMES["key"], "name": "james"}], "admitted": True} | changes


def answer(*commons: dict[str, Any], **changes: Any) -> dict[str, Any]:
    machine = {"network": True, "free_bytes": DISK_LOW_BYTES}
    return {"daemon": {}, "machine": machine, "commons": list(commons) or [common()]} | changes


def codes(found: list[dict[str, Any]]) -> list[str]:
    return [one["code"] for one in found]


def after_a_day(state: dict[str, Any]) -> list[str]:
    """What is shown of what has lasted for a day."""
    lasting = Lasting()
    lasting.look(state, 0)
    return codes(lasting.look(state, 86_400_000))


def test_where_all_is_well_there_is_nothing_to_say() -> None:
    assert find(answer()) == []


def test_every_explanation_is_a_kind_and_none_explains_itself_in_a_circle() -> None:
    for code, kind in KINDS.items():
        assert code not in kind.under and set(kind.under) <= KINDS.keys()
        assert not any(code in KINDS[other].under for other in kind.under)


def test_who_has_no_network_is_told_that_and_not_that_everybody_is_away() -> None:
    alone = common(live=live(links=[]), others=[{"name": "james", "key": JAMES["key"]}])
    assert after_a_day(answer(alone)) == ["nobody-linked"]
    offline = answer(alone, machine={"network": False, "free_bytes": DISK_LOW_BYTES})
    assert after_a_day(offline) == ["no-network"]
    assert codes(Lasting().look(offline, 0)) == [], "neither has lasted, and what explains holds already"


def test_the_witness_is_missed_where_others_are_linked_only() -> None:
    ann = {"key": "ed25519:ann", "name": "ann"}
    assert after_a_day(answer(common(live=live(links=[ann])))) == ["witness-away"]
    assert after_a_day(answer(common(live=live(links=[])))) == ["nobody-linked"]


def test_a_witness_without_room_is_told_of_and_not_missed() -> None:
    ann = {"key": "ed25519:ann", "name": "ann"}
    full = common(live=live(links=[ann], witness_no_room_ms=2 * 3_600_000))
    (found,) = [one for one in find(answer(full)) if one.code == "witness-full"]
    assert found.text.endswith("takes no writes, so it signs nothing; it has said so for 2 h")
    assert found.remedy == "make room on that machine"
    assert after_a_day(answer(full)) == ["witness-full"]
    own = common(live=live(links=[ann], witness_no_room_ms=1), witness={"key": "k", "self": True})
    assert not [one for one in find(answer(own)) if one.code == "witness-full"]


def test_a_condition_is_shown_when_it_has_lasted_and_its_time_begins_anew() -> None:
    away, well = answer(common(live=live(links=[]))), answer()
    lasting = Lasting()
    assert codes(lasting.look(away, 5_000)) == []
    assert codes(lasting.look(away, 64_999)) == []
    (shown,) = lasting.look(away, 65_000)
    assert (shown["code"], shown["lasted_ms"]) == ("nobody-linked", 60_000)
    assert lasting.look(well, 66_000) == []
    assert lasting.look(away, 67_000) == []


def test_what_is_explained_in_one_common_is_shown_in_another() -> None:
    other = common(id="cd" * 32, name="team", default=False, live=live(links=[]))
    out = common(standing="expelled", live=live(links=[]))
    shown = judge(find(answer(out, other)), {one.key: 60_000 for one in find(answer(out, other))})
    assert [(one.common, one.code) for one in shown] == [("home", "out"), ("team", "nobody-linked")]


def test_remedies_name_the_common_where_commands_would_mean_another() -> None:
    counted = {"silent_ms": 90_000, "watching": True}
    silent = {"live": live(silence=counted, links=[])}
    one = common(**silent)
    other = common(id="cd" * 32, name="team", default=False, **silent)
    typed = {found.id[:2]: found.commands for found in find(answer(one, other)) if found.code == "silent-end"}
    assert typed == {"ab": ("asl recover",), "cd": ("asl recover --common cdcdcdcdcdcd",)}


def test_names_in_commands_are_quoted() -> None:
    dead = common(roles=["authority"], dead_authorities=[{"name": "a b"}], candidates=["c'd {}"])
    (found,) = find(answer(dead))
    assert found.commands == ("asl authority replace 'a b' 'c'\"'\"'d {}'",)
    assert found.remedy == f"give its place to a member: {found.commands[0]}"


@pytest.mark.parametrize(
    ("ahead_ms", "says"),
    [
        (-86_400_000, []),
        (CLOCK_OFF_MS, []),
        (
            CLOCK_OFF_MS + 1,
            [
                "the newest snapshot of home is 5 min ahead of this clock: this one, or the witness's, "
                "is wrong"
            ],
        ),
    ],
)
def test_a_clock_is_held_against_the_newest_snapshot(ahead_ms: int, says: list[str]) -> None:
    machine = {"network": True, "free_bytes": DISK_LOW_BYTES, "wall_ms": 10**12}
    found = find(answer(common(created_ms=10**12 + ahead_ms), machine=machine))
    assert [one.text for one in found] == says
    assert find(answer(common(height=None, live=live()), machine=machine))[0].code == "joining"


def test_disk_and_what_is_left() -> None:
    low = {"network": True, "free_bytes": DISK_LOW_BYTES - 1}
    (found,) = find(answer(machine=low))
    assert (found.code, found.text) == ("disk-low", "511 MiB are left on the disk of this machine's home")


def test_a_stopped_home_tells_nothing_of_links() -> None:
    stopped = answer(common(live={}), daemon=None)
    assert [one.code for one in find(stopped)] == ["no-daemon"]


@pytest.mark.parametrize(
    ("signers", "code"),
    [
        ((3, 3, 2), None),
        ((2, 3, 2), "last-signers"),
        ((1, 3, 2), "too-few-signers"),
        ((1, 2, 2), "too-few-signers"),
    ],
)
def test_what_can_no_longer_be_decided(signers: tuple[int, int, int], code: str | None) -> None:
    usable, of, threshold = signers
    counted = {"usable": usable, "of": of, "threshold": threshold}
    found = find(answer(common(roles=["authority"], signers=counted, candidates=["dan"])))
    assert [one.code for one in found] == ([code] if code else [])
    assert find(answer(common(signers=counted))) == [], "no authority: nothing to decide here"


def test_every_line_begins_as_its_kind_says() -> None:
    for one in find(answer(common(stale="restored", live=live(read_only="the disk is full")))):
        assert one.line.startswith("Attention: home: ") and one.kind.asks
    assert {kind.severity for kind in KINDS.values()} == set(Severity)


def test_the_page_lists_every_condition_and_how_bad_it_is() -> None:
    text = CLI_PAGE.read_text()
    section = text[text.index("### Conditions") :].split("\n## ")[0]
    listed: dict[str, str] = {}
    for row in re.findall(r"^\| (`.*?`) \| ([a-z, ]+) \|", section, re.M):
        names, severities = re.findall(r"`([a-z-]+)`", row[0]), row[1].split(", ")
        severities = severities * len(names) if len(severities) == 1 else severities
        listed |= dict(zip(names, severities, strict=True))
    listed.pop("code", None)
    assert listed == {code: kind.severity.name.lower() for code, kind in KINDS.items()}


def test_asking_a_daemon_loads_neither_decoder_nor_cryptography() -> None:
    """A command answers at once: what it says of conditions needs the standard library only."""
    program = (
        "import sys, aslp2p.views.conditions.find; "
        "print([name for name in ('msgspec', 'nacl', 'msgpack', 'click') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_how_long_and_when_in_words() -> None:
    assert [span(ms) for ms in (300, 59_999, 300_000, 7_200_000, 86_400_000 * 12)] == [
        "300 ms", "59 s", "5 min", "2 h", "12 d",
    ]  # fmt: skip
    assert when(1 << 80).endswith(" ms")
