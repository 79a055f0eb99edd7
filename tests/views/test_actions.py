"""Actions as JSON and in words: every kind, both ways, and a usage error for everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.keys import key_text
from aslp2p.artifacts.token import bear, make_token, read_shown
from aslp2p.artifacts.types import (
    Action,
    Admit,
    Erase,
    Expel,
    Forget,
    Named,
    Policy,
    PolicyChange,
    Put,
    Recovery,
    Remove,
    Rename,
    Revocation,
    RevokeInvite,
    Rotation,
    Shown,
)
from aslp2p.errors import UsageError
from aslp2p.ledger.policy import survival
from aslp2p.views.actions import action_from_json, action_json
from aslp2p.views.words import change_note, describe_action, grace_words, survival_words
from tests.ledger.builder import ANN

ID, KEY = bytes([7] * 32), bytes([8] * 32)
POLICY = Policy(
    witnesses=(Named("ann", KEY), Named("ben", ID)),
    threshold=2,
    rotation_allowed=True,
    grace_period_ms=86_400_000,
    participants="invited",
    protocol=1,
)
CHANGE, RECOVERY = PolicyChange(POLICY, ID), Recovery(1, 2, ID, KEY, "", (ID,))
ADMIT = {"kind": "admit", "key": key_text(KEY), "name": "dan"}
EVERY_KIND: list[tuple[Action, str]] = [
    (
        Put("a/b", ID, 5, "text/plain", True, 0, ID),
        "puts a/b (5 B, executable), if it is still 070707070707",
    ),
    (Remove("a", None), "removes a"),
    (Admit(KEY, "dan", None), "admits dan (key 08080808…)"),
    (
        Admit(KEY, "dan", read_shown(bear(make_token(ID, 1, 1, bytes(32), ANN)[1], KEY))),
        f"admits dan (key 08080808…), invited by <{ANN.key.hex()[:2]}>",
    ),
    (
        Admit(KEY, "dan", Shown(b"x", bytes(64))),
        "admits dan (key 08080808…), with an invite that cannot be read",
    ),
    (Expel(KEY), "expels <08>"),
    (Forget(KEY), "forgets the key of <08>"),
    (Rename(KEY, "Dan"), "calls <08> Dan from now on"),
    (RevokeInvite(ID), "revokes the invite 070707070707"),
    (Erase(ID, "it was a secret"), "ERASES the content 070707070707 everywhere: it was a secret"),
    (
        CHANGE,
        "changes the policy to 2 of 2 (ann 08080808, ben 07070707), silence 1d, participants invited",
    ),
    (Rotation(1, 2, ID, KEY, "moving"), "hands the witness's office to <08>: moving"),
    (
        RECOVERY,
        "makes <08> the witness from @2 on, as the present one is silent; GIVES UP 070707070707",
    ),
    (
        Revocation(1, 2, ID, KEY, "stolen", (), ID, (ID,)),
        "revokes the key of <07>, on the evidence of 070707070707, with <08> as the witness from @2 on: "
        "stolen",
    ),
]


@pytest.mark.parametrize(("action", "words"), EVERY_KIND)
def test_every_kind_both_ways_and_in_words(action: Action, words: str) -> None:
    assert action_from_json(json.loads(json.dumps(action_json(action)))) == action
    assert describe_action(action, lambda key: f"<{key.hex()[:2]}>") == words


def test_who_appoints_themselves_is_not_told_of_like_another() -> None:
    who = {KEY: "ann", ID: "ben"}.get

    def words(action: Action) -> str:
        return describe_action(action, lambda key: who(key) or "?", KEY)

    assert words(Rotation(1, 2, ID, KEY, "")) == "stays the witness"
    recovery = "becomes the witness from @2 on, as the present one is silent"
    assert words(Recovery(1, 2, ID, KEY, "the witness is silent", ())) == recovery, "said once is enough"


def test_who_leaves_or_renames_itself_is_said_to() -> None:
    assert describe_action(Expel(KEY), lambda key: "?", KEY) == "leaves"
    assert describe_action(Rename(KEY, "Dan"), lambda key: "?", KEY) == "calls itself Dan from now on"


def test_what_may_be_left_out() -> None:
    short = {"kind": "put", "path": "a", "content": ID.hex(), "size": 1}
    assert action_from_json(short) == Put("a", ID, 1, "", False, 0, None)
    assert action_from_json({"kind": "remove", "path": "a", "expects": ""}) == Remove("a", b"")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "the action has no kind that is known; use one of put, remove, admit"),
        ({"kind": ["put"]}, "no kind that is known"),
        ({"kind": "remove"}, "path of remove is missing"),
        ({"kind": "remove", "path": "a", "x": 1}, "'x' is no field of remove; there is path, expects"),
        ({"kind": "remove", "path": 1}, "this is no remove: path: Expected str, got int"),
        (
            {"kind": "remove", "path": "../a"},
            "this is no remove: it is a path with '..' in it|a path with '..' in it",
        ),
        ({"kind": "remove", "path": "a", "expects": "12"}, "expects is an id of 64 hexadecimal digits"),
        ({"kind": "remove", "path": "a", "expects": 12}, "expects is an id of 64 hexadecimal digits"),
        ({"kind": "expel", "key": "12"}, "'12' is not a key: it does not begin with ed25519:"),
        ({"kind": "expel", "key": 5}, "key is a key, as text"),
        ({"kind": "policy-change", "policy": 5, "replaces": ID.hex()}, "policy is an object"),
        (
            {"kind": "policy-change", "policy": {}, "replaces": ID.hex()},
            "policy has exactly the fields witnesses,",
        ),
        (
            {"kind": "policy-change", "policy": action_json(CHANGE)["policy"] | {"witnesses": [1]}}
            | {"replaces": ID.hex()},
            "witnesses of a policy is a list of objects with name and key",
        ),
        (ADMIT | {"token": 5}, "token has exactly the fields invite, signature"),
        (ADMIT | {"token": {"invite": "", "signature": "xy"}}, "bytes in hexadecimal digits"),
        (ADMIT | {"token": {"invite": "", "signature": 5}}, "bytes in hexadecimal digits"),
        (ADMIT | {"token": {"invite": "", "signature": ""}}, "this is no admit: token"),
        (action_json(RECOVERY) | {"abandons": 1}, "abandons is a list of ids"),
        (
            action_json(RECOVERY) | {"epoch": "1"},
            "this is no witness-recovery: epoch: Expected int, got str",
        ),
    ],
)
def test_what_is_no_action_is_a_usage_error(value: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        action_from_json(value)
    assert any(part in str(caught.value) for part in says.split("|"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(ID.hex()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(EVERY_KIND), st.dictionaries(st.integers(0, 8), JSON, max_size=2))
def test_any_json_is_an_action_or_a_usage_error(sample: tuple[Action, str], changes: dict[int, Any]) -> None:
    value = action_json(sample[0])
    names = list(value)
    for position, changed in changes.items():
        value[names[position % len(names)]] = changed
    try:
        action = action_from_json(value)
    except UsageError:
        return
    assert action_from_json(action_json(action)) == action


def words_of(n: int, t: int) -> str:
    named = tuple(Named(f"n{number}", bytes([number] * 32)) for number in range(n))
    return " ".join(
        survival_words(
            survival(
                Policy(
                    witnesses=named,
                    threshold=t,
                    rotation_allowed=True,
                    grace_period_ms=1000,
                    participants="invited",
                    protocol=1,
                )
            )
        )
    )


def test_what_policies_survive_in_words() -> None:
    """P1's figures: n-t silent, 2t-n-1 lying, and whether the witness can be replaced."""
    assert words_of(1, 1).startswith("Everything rests on n0")
    assert "1 authority may be silent" in words_of(3, 2) and "only one authority that lies" in words_of(3, 2)
    assert "1 authority may lie" in words_of(4, 3) and "Whichever authority" in words_of(4, 3)
    assert "2 authorities may be silent" in words_of(5, 3)
    assert "every one of them is needed" in words_of(3, 3) and "(n0, n1, n2), the others cannot" in words_of(
        3, 3
    )
    assert grace_words(86_400_000) == "The witness may be silent for 1d before it may be replaced."


def test_the_note_of_a_change() -> None:
    assert change_note("genesis", "home", 0) == ""
    assert change_note("witness-rotation", "home", 43) == "witness rotated at home@43"
    assert change_note("witness-recovery", "home", 43) == (
        "witness rotated at home@43, after the silence of the one before"
    )
