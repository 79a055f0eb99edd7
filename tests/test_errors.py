"""Errors are sorted by whose fault they are, and scripts can rely on their codes."""

from __future__ import annotations

import pytest

from aslp2p import errors
from aslp2p.errors import AslError, DiskFault, InvariantBroken, PeerFault, UserError

PUBLISHED = {
    "AslError": "error",
    "InvariantBroken": "invariant",
    "PeerFault": "peer",
    "ArtifactError": "artifact",
    "Rejected": "rejected",
    "Incomplete": "incomplete",
    "LinkError": "link",
    "UserError": "user",
    "UsageError": "usage",
    "NoDaemon": "no-daemon",
    "NeedsAttention": "attention",
    "DiskFault": "disk",
    "Damaged": "damaged",
}
FAULTS = (InvariantBroken, PeerFault, UserError, DiskFault)


def every_error() -> list[type[AslError]]:
    return [
        value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, AslError)
    ]


def test_published_codes_stay_what_they_are() -> None:
    codes = {error.__name__: error.code for error in every_error()}
    assert {name: codes.get(name) for name in PUBLISHED} == PUBLISHED


def test_no_two_errors_share_a_code() -> None:
    codes = [error.code for error in every_error()]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_nobody_is_at_fault_twice(error: type[AslError]) -> None:
    assert sum(issubclass(error, fault) for fault in FAULTS) <= 1


def test_what_is_only_missing_is_nobodys_fault() -> None:
    # V9: a missing predecessor means incomplete; whoever sent the child is not blamed.
    incomplete = errors.Incomplete("the parent is missing", (b"\x01" * 32,))
    assert not isinstance(incomplete, FAULTS)
    assert incomplete.missing == (b"\x01" * 32,)


def test_text_says_what_to_do_next_where_there_is_something() -> None:
    assert str(UserError("no Common here", remedy="type `asl init`")) == "no Common here; type `asl init`"
    assert str(UserError("no Common here")) == "no Common here"


def test_a_peers_fault_names_the_rule_and_both_ids() -> None:
    rejected = errors.Rejected("V2", "height 9 follows 7", subject=b"s" * 32, against=b"p" * 32)
    assert str(rejected) == "V2: height 9 follows 7"
    assert (rejected.rule, rejected.reason) == ("V2", "height 9 follows 7")
    assert (rejected.subject, rejected.against) == (b"s" * 32, b"p" * 32)

    malformed = errors.ArtifactError("A3", "an integer is longer than it needs to be")
    assert malformed.rule == "A3"
    assert str(malformed) == "A3: an integer is longer than it needs to be"


def test_exit_codes_of_the_command_line() -> None:
    kinds = (UserError, errors.UsageError, errors.NoDaemon, errors.NeedsAttention)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 4]


def test_damage_names_what_to_fetch_again() -> None:
    damaged = errors.Damaged("1 artifact differs from its id", ids=(b"d" * 32,))
    assert damaged.ids == (b"d" * 32,)
    assert isinstance(damaged, DiskFault)
