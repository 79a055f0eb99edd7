"""Silence and turns (S2, S7, section 8), minute by minute."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.types import Named, Policy
from aslp2p.errors import ArtifactError
from aslp2p.limits import (
    BEACON_MS_MAX,
    BEACON_MS_MIN,
    GAP_MS_MAX,
    ROUND_MS_MAX,
    ROUND_MS_MIN,
    SUSPEND_MS_MIN,
)
from aslp2p.recovery import (
    Silence,
    beacon_interval_ms,
    decode_silence,
    gap_counts_ms,
    grace_ms,
    proposes_after_ms,
    round_ms,
    turn_of,
)

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
GRACE = 30 * DAY
WALL = 1_800_000_000_000
A, B, C, D = (bytes([number]) * 32 for number in range(4))


def of(*keys: bytes, grace: int = GRACE) -> Policy:
    return Policy(
        witnesses=tuple(Named(f"n{key[0]}", key) for key in keys),
        threshold=len(keys),
        rotation_allowed=True,
        grace_period_ms=grace,
        participants="invited",
        protocol=1,
    )


def watching(mono: int = 0, wall: int = WALL) -> Silence:
    """Epoch 0, just heard, linked to another authority."""
    silence = decode_silence(None)
    silence.heard(0)
    silence.pass_time(mono, wall, GRACE, True)
    return silence


# --- how long things take -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grace", "beacon", "round_"),
    [
        (1 * SECOND, 50, 250),
        (10 * SECOND, 500, 500),
        (1 * DAY, HOUR, 72 * MINUTE),
        (30 * DAY, HOUR, DAY),
        (0, 50, 250),
    ],
)
def test_beacons_and_rounds_are_a_twentieth_within_their_bounds(grace: int, beacon: int, round_: int) -> None:
    assert (BEACON_MS_MIN, BEACON_MS_MAX, ROUND_MS_MIN, ROUND_MS_MAX) == (50, HOUR, 250, DAY)
    assert (beacon_interval_ms(grace), round_ms(grace)) == (beacon, round_)


def test_the_longer_grace_counts_while_a_change_is_joint() -> None:
    assert grace_ms((of(A, grace=5),)) == 5
    assert grace_ms((of(A, grace=5), of(B, grace=7))) == 7
    assert grace_ms((of(A, grace=9), of(B, grace=7))) == 9


@pytest.mark.parametrize(
    ("gap", "grace", "counts"),
    [
        (HOUR, GRACE, HOUR),
        (2 * DAY, GRACE, DAY),  # at most a day
        (2 * DAY, 5 * DAY, DAY // 2),  # at most a tenth of the grace period
        (-HOUR, GRACE, 0),  # a clock that was put back takes nothing away
    ],
)
def test_what_a_gap_adds(gap: int, grace: int, counts: int) -> None:
    assert GAP_MS_MAX == DAY
    assert gap_counts_ms(gap, grace) == counts


# --- silence ------------------------------------------------------------------------------------------


def test_awake_time_is_counted_on_the_monotonic_clock() -> None:
    silence = watching()
    silence.pass_time(MINUTE, WALL + MINUTE, GRACE, True)
    assert silence.silent_ms(MINUTE) == MINUTE
    assert silence.silent_ms(2 * MINUTE) == 2 * MINUTE, "up to now, without being told"


@pytest.mark.parametrize("jump", [-365 * DAY, 365 * DAY])
def test_a_clock_that_jumps_deposes_nobody(jump: int) -> None:
    silence = watching()
    silence.pass_time(MINUTE, WALL + jump, GRACE, True)
    assert silence.silent_ms(MINUTE) <= MINUTE + DAY
    assert silence.silent_ms(MINUTE) >= MINUTE


def test_a_night_asleep_counts_for_what_the_wall_clock_says() -> None:
    """Linked before and after: the monotonic clock stood still."""
    silence = watching()
    silence.pass_time(MINUTE, WALL + 8 * HOUR, GRACE, True)
    assert silence.silent_ms(MINUTE) == 8 * HOUR
    nap = watching()
    nap.pass_time(MINUTE, WALL + MINUTE + SUSPEND_MS_MIN, GRACE, True)
    assert nap.silent_ms(MINUTE) == MINUTE, "clocks drift a little"


def test_being_alone_is_one_gap_however_often_one_looks() -> None:
    silence = watching()
    silence.pass_time(MINUTE, WALL + MINUTE, GRACE, False)
    for hour in range(1, 101):
        silence.pass_time(MINUTE + hour * HOUR, WALL + MINUTE + hour * HOUR, GRACE, False)
        assert silence.silent_ms(MINUTE + hour * HOUR) == MINUTE
    alone = not silence.watching
    assert alone
    silence.pass_time(MINUTE + 101 * HOUR, WALL + MINUTE + 101 * HOUR, GRACE, True)
    assert silence.watching
    assert silence.silent_ms(MINUTE + 101 * HOUR) == MINUTE + DAY


def test_being_off_is_a_gap_too_and_silence_survives_a_restart() -> None:
    silence = watching()
    silence.heard_beacon(0, 7)
    silence.pass_time(HOUR, WALL + HOUR, GRACE, True)
    again = decode_silence(silence.encode())
    assert (again.epoch, again.counter, again.watching) == (0, 7, False)
    assert again.silent_ms(0) == HOUR, "a new process, a new monotonic clock"
    again.pass_time(5, WALL + 3 * HOUR, GRACE, False)
    assert again.silent_ms(5) == 3 * HOUR
    assert decode_silence(again.encode()).encode() == again.encode()


def test_before_anything_was_heard_nothing_is_counted() -> None:
    silence = decode_silence(None)
    assert (silence.epoch, silence.counter, silence.silent_ms(DAY)) == (-1, -1, 0)
    silence.pass_time(0, WALL, GRACE, False)
    assert silence.silent_ms(DAY) == 0
    assert decode_silence(silence.encode()).epoch == 0


def test_a_snapshot_ends_the_silence() -> None:
    silence = watching()
    silence.pass_time(MINUTE, WALL + MINUTE, GRACE, True)
    silence.heard(0)
    assert silence.silent_ms(MINUTE) == 0


def test_only_a_higher_counter_of_the_same_epoch_is_a_sign_of_life() -> None:
    silence = watching()
    assert silence.heard_beacon(0, 3)
    silence.pass_time(MINUTE, WALL + MINUTE, GRACE, True)
    for epoch, counter in ((0, 3), (0, 2), (1, 9)):
        assert not silence.heard_beacon(epoch, counter)
        assert silence.silent_ms(MINUTE) == MINUTE
    assert silence.heard_beacon(0, 4)
    assert silence.silent_ms(MINUTE) == 0
    silence.heard(1)
    assert silence.counter == -1, "another epoch's witness counts for itself"
    assert silence.heard_beacon(1, 0)


@given(st.lists(st.tuples(st.integers(0, DAY), st.integers(-DAY, 3 * DAY), st.booleans()), max_size=30))
def test_silence_never_shrinks_by_itself_nor_outruns_both_clocks(steps: list[tuple[int, int, bool]]) -> None:
    """S2: each gap adds a day at most, and a machine that is awake adds what it was awake."""
    silence = watching()
    mono, wall, before, bound = 0, WALL, 0, 0
    for awake, drift, watches in steps:
        mono, wall = mono + awake, wall + awake + drift
        bound += awake + DAY
        silence.pass_time(mono, wall, GRACE, watches)
        assert before <= silence.silent_ms(mono) <= bound
        before = silence.silent_ms(mono)
    assert decode_silence(silence.encode()).silent_ms(0) == before


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x90", b"\x94\x00\x00\x00\xa1x"])
def test_what_was_damaged_is_not_read(data: bytes) -> None:
    with pytest.raises((ArtifactError, ValueError)):
        decode_silence(data)


# --- turns --------------------------------------------------------------------------------------------


def test_the_order_of_the_policy_without_the_witness_and_the_revoked() -> None:
    policies = (of(A, B, C, D),)
    assert [turn_of(policies, A, key, frozenset()) for key in (A, B, C, D)] == [None, 0, 1, 2]
    assert [turn_of(policies, A, key, frozenset({B})) for key in (A, B, C, D)] == [None, None, 0, 1]
    assert turn_of(policies, bytes(32), bytes([9]) * 32, frozenset()) is None


def test_while_a_change_is_joint_the_new_order_comes_first() -> None:
    policies = (of(A, B), of(C, B, D))
    assert [turn_of(policies, A, key, frozenset()) for key in (C, B, D, A)] == [0, 1, 2, None]


def test_each_turn_waits_a_round_more_and_jitter_half_a_one() -> None:
    grace = 20 * MINUTE
    assert [proposes_after_ms(grace, turn, 0.0) for turn in range(3)] == [
        grace,
        grace + MINUTE,
        grace + 2 * MINUTE,
    ]
    assert proposes_after_ms(grace, 0, 1.0) == grace + MINUTE // 2
    assert proposes_after_ms(grace, 0, 1.0) < proposes_after_ms(grace, 1, 0.0)
