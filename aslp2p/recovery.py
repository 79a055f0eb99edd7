"""Silence, and what follows from it: S2, S7 and section 8. No clock of its own; times are integer
milliseconds.

**Silence** is how long nothing new was heard of the witness. While this machine is awake and linked to
another authority, it is counted on the monotonic clock. A gap (off, suspended, alone) counts for what the
wall clock says, but at most a day and at most a tenth of the grace period each: a clock that jumps cannot
depose anybody.

**Turns.** After the grace period the first live authority in the policy's order proposes itself, the k-th
waits k rounds more, each with jitter; so one proposal usually suffices, and a dead first authority costs one
round.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.types import Policy
from aslp2p.limits import (
    BEACON_MS_MAX,
    BEACON_MS_MIN,
    GAP_MS_MAX,
    KIB,
    ROUND_MS_MAX,
    ROUND_MS_MIN,
    SUSPEND_MS_MIN,
)


def grace_ms(policies: tuple[Policy, ...]) -> int:
    """How long the witness may be silent: under a joint policy the longer of the two."""
    return max(policy.grace_period_ms for policy in policies)


def beacon_interval_ms(grace: int) -> int:
    """How often the witness says that it is there (section 8)."""
    return max(BEACON_MS_MIN, min(BEACON_MS_MAX, grace // 20))


def round_ms(grace: int) -> int:
    """How long an attempt has before the next one (S7)."""
    return max(ROUND_MS_MIN, min(ROUND_MS_MAX, grace // 20))


def gap_counts_ms(gap: int, grace: int) -> int:
    """What a gap of `gap` wall-clock ms adds to silence (S2)."""
    return max(0, min(gap, GAP_MS_MAX, grace // 10))


class SavedSilence(Struct, frozen=True, array_like=True):
    """What survives a restart."""

    epoch: int
    silent: int
    wall: int
    counter: int


class Silence:
    """How long the witness of one epoch has been silent, as this machine has experienced it."""

    def __init__(self, saved: SavedSilence | None) -> None:
        self.epoch = saved.epoch if saved else -1
        self.counter = saved.counter if saved else -1
        """The highest beacon counter heard in this epoch."""
        self._silent = saved.silent if saved else 0
        self._last_mono: int | None = None
        self._last_wall = saved.wall if saved else 0
        self._watching = False

    def heard(self, epoch: int) -> None:
        """A new snapshot, or a new head, of the witness in `epoch`."""
        if epoch != self.epoch:
            self.epoch, self.counter = epoch, -1
        self._silent = 0

    def heard_beacon(self, epoch: int, counter: int, *, ends: bool = True) -> bool:
        """Whether a beacon of the epoch in force is new; then the silence is over, if it `ends` one."""
        if epoch != self.epoch or counter <= self.counter:
            return False
        self.counter = counter
        if ends:
            self._silent = 0
        return True

    def pass_time(self, mono: int, wall: int, grace: int, watching: bool) -> None:
        """Count the time since the last call. `watching`: linked to another authority, and caught up with
        it."""
        if self._last_mono is None:
            # The first call of a process: the machine was off since the silence was saved.
            if self._last_wall:
                self._silent += gap_counts_ms(wall - self._last_wall, grace)
        else:
            awake = max(0, mono - self._last_mono)
            asleep = wall - self._last_wall - awake
            if self._watching:
                self._silent += awake
                if asleep > SUSPEND_MS_MIN:
                    self._silent += gap_counts_ms(asleep, grace)
            elif watching:
                # A gap ends. It is one gap however often it was looked at, so its start is kept below.
                self._silent += gap_counts_ms(wall - self._last_wall, grace)
        if self._watching or watching or self._last_mono is None:
            self._last_mono, self._last_wall = mono, wall
        self._watching = watching

    def silent_ms(self, mono: int) -> int:
        """The silence so far, had `pass_time` been called now."""
        if self._watching and self._last_mono is not None:
            return self._silent + max(0, mono - self._last_mono)
        return self._silent

    @property
    def watching(self) -> bool:
        return self._watching

    def encode(self) -> bytes:
        saved = SavedSilence(max(0, self.epoch), self._silent, max(0, self._last_wall), max(0, self.counter))
        return canonical.encode(msgspec.to_builtins(saved))


def decode_silence(data: bytes | None) -> Silence:
    """The silence that `Silence.encode` saved; a fresh one for None."""
    if data is None:
        return Silence(None)
    return Silence(msgspec.convert(canonical.decode(data, bytes_max=KIB), SavedSilence))


def turn_of(policies: tuple[Policy, ...], witness: bytes, key: bytes, gone: frozenset[bytes]) -> int | None:
    """The place of `key` in the order of succession, the silent witness and the unusable left out; None if it
    has none. Under a joint policy the new policy's order counts, then the old one's."""
    order: list[bytes] = []
    for policy in reversed(policies):
        order += [one.key for one in policy.witnesses if one.key not in order]
    live = [one for one in order if one != witness and one not in gone]
    return live.index(key) if key in live else None


def proposes_after_ms(grace: int, turn: int, jitter: float) -> int:
    """The silence after which the authority at `turn` proposes itself; `jitter` in 0..1 spreads it over half
    a round."""
    return grace + round(round_ms(grace) * (turn + jitter / 2))
