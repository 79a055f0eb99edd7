"""A machine's two clocks as functions of the world's true time, in integer milliseconds.

The monotonic clock runs fast or slow by its drift and stands still while the machine sleeps. The wall clock
has the same drift, goes on during sleep, and jumps when somebody (or NTP) sets it. Both are exact integer
arithmetic, so a run repeats to the bit.
"""

from __future__ import annotations

from aslp2p.core.inputs import Now

_MILLION = 1_000_000


class Clock:
    """`wall_ms` is the calendar at true time 0; the monotonic clock starts at true time too."""

    def __init__(self, wall_ms: int) -> None:
        self._ppm = 0
        self._true_ms = 0
        self._mono_ms = 0
        self._wall_ms = wall_ms
        self.asleep = False

    def now(self, true_ms: int) -> Now:
        """What the machine reads at `true_ms`."""
        if not self._ppm and not self.asleep:
            elapsed = true_ms - self._true_ms
            return Now(self._mono_ms + elapsed, self._wall_ms + elapsed)
        elapsed = self._elapsed(true_ms)
        return Now(self._mono_ms + (0 if self.asleep else elapsed), self._wall_ms + elapsed)

    def _elapsed(self, true_ms: int) -> int:
        return (true_ms - self._true_ms) * (_MILLION + self._ppm) // _MILLION

    def true_at(self, mono_ms: int) -> int:
        """The first true time at which an awake machine's monotonic clock shows `mono_ms` or more."""
        missing = max(0, mono_ms - self._mono_ms)
        return self._true_ms + -(-missing * _MILLION // (_MILLION + self._ppm))

    def _settle(self, true_ms: int) -> None:
        now = self.now(true_ms)
        self._true_ms, self._mono_ms, self._wall_ms = true_ms, now.mono, now.wall

    def drift(self, true_ms: int, ppm: int) -> None:
        """Run `ppm` parts in a million fast (slow if negative) from now on."""
        self._settle(true_ms)
        self._ppm = ppm

    def jump(self, true_ms: int, by_ms: int) -> None:
        """Set the wall clock forward (or back)."""
        self._settle(true_ms)
        self._wall_ms += by_ms

    def sleep(self, true_ms: int) -> None:
        """Suspend: the monotonic clock stands still."""
        self._settle(true_ms)
        self.asleep = True

    def wake(self, true_ms: int) -> None:
        self._settle(true_ms)
        self.asleep = False

    def reboot(self, true_ms: int) -> None:
        """The monotonic clock starts again from nothing, as it does with the machine."""
        self._settle(true_ms)
        self._mono_ms = 0
