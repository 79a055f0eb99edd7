"""Which Common a command means, and what each is like."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.invite import Invite
from aslp2p.errors import UserError
from aslp2p.ledger.joining import founding, joining
from aslp2p.store.memory import MemoryStore
from aslp2p.views.commons import Followed, choose_common, common_status
from tests.views.histories import History

HOME, TEAM, OTHER = (
    Followed(bytes([10] * 32), "home"),
    Followed(bytes([11] * 32), "team"),
    Followed(bytes([12] * 32), "team"),
)


@pytest.mark.parametrize(
    ("wanted", "default", "chosen"),
    [
        ("", HOME.id, HOME),
        ("", OTHER.id, OTHER),
        ("home", OTHER.id, HOME),
        ("0b0b", HOME.id, TEAM),
        (OTHER.id.hex(), None, OTHER),
    ],
)
def test_a_common_is_chosen_by_name_id_or_default(
    wanted: str, default: bytes | None, chosen: Followed
) -> None:
    assert choose_common([HOME, TEAM, OTHER], wanted, default) == chosen


def test_the_only_common_needs_no_choice() -> None:
    assert choose_common([HOME], "", None) == HOME


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("", "this home follows 3 Commons and none is the default (home 0a0a0a0a0a0a, team 0b0b"),
        ("team", "2 Commons here are called 'team'; use the id of one of home 0a0a"),
        ("nobody", "no Common here is called 'nobody'"),
        ("0a0", "no Common here is called '0a0'"),
        ("\x1b[2J", "no Common here is called '\\u{1b}[2J'"),
    ],
)
def test_what_names_none_or_several_is_refused(wanted: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        choose_common([HOME, TEAM, OTHER], wanted, None)
    assert (
        str(caught.value).startswith(says) and caught.value.exit_code == 2 and "\x1b" not in str(caught.value)
    )


def test_no_common_at_all_says_how_to_begin() -> None:
    with pytest.raises(UserError, match="follows no Common; type `asl init NAME` or `asl join INVITE`"):
        choose_common([], "", None)


def test_status_of_a_founded_and_of_a_joined_common() -> None:
    history = History()
    history.store.apply(founding(history.id, bytes(32), "ann", name_chosen=False))
    status = common_status(history.store, own_key=history.ann.key, name_chosen=False, default=history.id)
    assert (status["name"], status["height"], status["default"], status["witness"]["shown"]) == (
        "home",
        0,
        True,
        "you",
    )
    store = MemoryStore()
    store.apply(joining(Invite(HOME.id, "elsewhere", bytes(32), b""), bytes(32), "ben", name_chosen=False))
    status = common_status(store, own_key=None, name_chosen=False, default=None)
    assert status == {
        "id": HOME.id.hex(),
        "name": "elsewhere",
        "default": False,
        "height": None,
        "fault": None,
    }
    with pytest.raises(UserError, match="belongs to no Common"):
        common_status(MemoryStore(), own_key=None, name_chosen=False, default=None)
