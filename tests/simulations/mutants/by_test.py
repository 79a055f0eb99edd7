"""Mistakes that the swarm hardly ever notices, or only in a run of minutes, and the test that notices each.

They are hunted in their own place: `python -m tests.simulations.mutants.by_test` plants each and runs its
test, which has to fail. All others are hunted by the swarm (`hunt`). A mutant that is noticed by both is
hunted by its test, which is quicker.
"""

from __future__ import annotations

import contextlib
import io
import sys

import pytest

from tests.simulations.mutants.catalogue import ALL
from tests.simulations.mutants.plant import planted

_QUORUM = "tests/ledger/test_retired_quorum.py"
_EPOCHS = "tests/ledger/test_epochs.py"
_PLACES = "tests/ledger/test_places.py"
_FLOOR = "tests/core/test_floor.py"
_ATTEMPTS = "tests/core/test_epochs.py"
_UNANSWERED = "tests/core/test_unanswered.py"
_STANCES = ("tests/ledger/test_stances.py", "test_every_stance_times_every_ask")
_BRANCHES = "tests/independent_verifier/test_branches.py"

NOTICED_BY: dict[str, tuple[str, str]] = {
    # --- F1, S5: where nobody lies more than P1 allows they have nothing to decide
    "leaves-final": ("tests/ledger/test_history.py", "test_a_final_snapshot_outlives_the_cut"),
    "cosigns-aside": _STANCES,
    "passes-by-anything": ("tests/ledger/test_stances.py", "test_passing_is_what_walking_the_tree_finds"),
    # --- F5
    "no-floor": (_QUORUM, "test_a_settlement_moves_the_floor_too"),
    "retired-count": (_QUORUM, "test_a_takeover_that_retired_keys_cosign_is_no_conflict"),
    "floor-waits-for-settlement": (
        _QUORUM,
        "test_the_floor_moves_when_the_change_is_known_to_be_final_under_both",
    ),
    "floor-forgotten": (_QUORUM, "test_an_abandons_of_retired_keys_gives_up_nothing"),
    "floor-unwritten": (_FLOOR, "test_the_floor_is_on_disk_before_anything_leaves"),
    "two-floors-at-once": (_BRANCHES, "test_the_ledger[one change after the other]"),
    "given-in-vain": (_QUORUM, "test_a_joiner_adopts_nothing_until_it_knows_the_floor_it_was_given"),
    "retired-accuse": (_QUORUM, "test_the_old_witness_signs_a_second_history_without_any_certificate"),
    "retired-evidence-stays": (_QUORUM, "test_an_equivocation_below_the_floor_hides_none_above_it"),
    "retired-paper": (_FLOOR, "test_paper_of_retired_keys_stops_no_witness_and_raises_no_epoch"),
    "retired-raise-epochs": (_FLOOR, "test_paper_of_retired_keys_stops_no_witness_and_raises_no_epoch"),
    "retired-endorse": _STANCES,
    "retired-endorsed": _STANCES,
    "retired-cosigned": _STANCES,
    "retired-emitted-on": _STANCES,
    "retired-fill-places": (
        _QUORUM,
        "test_retired_keys_have_sixteen_places_and_the_present_quorum_finds_its_own",
    ),
    "lines-of-any-length": (_QUORUM, "test_one_line_below_the_floor_is_kept_so_long_and_no_longer"),
    "lines-of-any-number-of-proposals": (_QUORUM, "test_and_so_many_proposals_of_it"),
    # --- F5a
    "own-part-forgotten": (_QUORUM, "test_who_cosigned_another_change_does_not_move_past_it"),
    "own-part-decides-nothing": (
        _QUORUM,
        "test_finals_conflict_and_one_has_the_change_that_this_key_cosigned",
    ),
    # --- F5b
    "old-endorsements-bind": (_QUORUM, "test_only_promises_on_the_floor_bind"),
    "old-cosignatures-bind": (_QUORUM, "test_only_promises_on_the_floor_bind"),
    "old-endorsements-forbid": (_QUORUM, "test_only_promises_on_the_floor_bind"),
    "old-endorsements-stop": (_QUORUM, "test_only_promises_on_the_floor_bind"),
    "old-cosignatures-hold": (_QUORUM, "test_only_promises_on_the_floor_bind"),
    "old-cosignatures-stop": (_QUORUM, "test_only_promises_on_the_floor_bind"),
    # --- S9, P4
    "anybody-abandons": (_QUORUM, "test_an_abandons_of_retired_keys_gives_up_nothing"),
    "abandons-beside": (_BRANCHES, "test_the_ledger[a certificate off the floor gives up nothing]"),
    "abandons-unasked": (_BRANCHES, "test_the_ledger[given up by the new policy alone]"),
    "proves-nothing": (_FLOOR, "test_the_new_quorum_alone_recovers_from_a_joint_phase_whose_change_is_final"),
    "proof-in-vain": (_QUORUM, "test_who_judges_a_takeover_in_a_joint_phase"),
    # --- epochs: V6, S1, S12, S14
    "epochs-without-end": ("tests/ledger/test_gate.py", "test_a_snapshot_is_refused"),
    "any-epoch-endorsed": (_ATTEMPTS, "test_a_person_is_told_what_to_do_about_an_epoch_out_of_reach"),
    "left-behind": (_EPOCHS, "test_who_is_pushed_leaves_nobody_behind"),
    "joint-ceiling-by-either": (_EPOCHS, "test_of_two_policies_the_least_counts"),
    "renews-without-end": (_ATTEMPTS, "test_an_endorsement_alone_renews_nobody"),
    "signs-without-end": ("tests/core/test_pace.py", "test_one_author_gets_two_endorsements_a_round"),
    # --- S2, G3
    "deaf-to-idleness": (_UNANSWERED, "test_beacons_do_not_hide_a_witness_that_answers_nothing"),
    "fetches-for-ever": (_UNANSWERED, "test_a_witness_that_fetches_from_us_is_waited_for_and_not_for_ever"),
    "no-room-for-ever": (_UNANSWERED, "test_a_witness_that_has_no_room_is_waited_for_and_not_for_ever"),
    "guests-are-heard": ("tests/core/test_liars.py", "test_nor_does_it_where_nobody_else_can_be_listened_to"),
    # --- places
    "any-number-of-guests": (_PLACES, "test_one_member_lets_in_64_and_no_more_whoever_passes_its_tokens_on"),
    "members-fill-all": (_PLACES, "test_members_stop_where_authorities_go_on"),
    "authorities-fill-all": (_PLACES, "test_when_authorities_have_filled_everything_a_key_is_still_replaced"),
    "used-again": ("tests/ledger/test_members.py", "test_a_token_used_in_two_places_admits_one"),
}


class _Failures:
    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def is_noticed(name: str) -> bool:
    """Whether the test of mutant `name` fails with it in place. Runs pytest in this process: not from within
    a test."""
    failures, said = _Failures(), io.StringIO()
    options = ["-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    with planted(ALL[name]), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(["::".join(NOTICED_BY[name]), *options], plugins=[failures])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise LookupError(f"{NOTICED_BY[name]} cannot be run: {said.getvalue()[-500:]}")
    return bool(failures.failed)


def main() -> None:
    """Hunt those named, or all; exit code 1 if one is not noticed."""
    missed = 0
    for name in sys.argv[1:] or NOTICED_BY:
        noticed = is_noticed(name)
        missed += not noticed
        print(f"{name:<34} {'noticed' if noticed else 'ESCAPED'}", flush=True)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
