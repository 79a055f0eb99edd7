"""The network between machines: which way bytes go, how long they take, what happens to them on the way.

A link is a stream, like TCP: what is sent later does not arrive earlier, unless the weather says `reorder`.
Where nothing gets through (a cut, one way or both, or a machine that is asleep or away) a stream stalls: what
was sent waits, and arrives when the way is open again, or never, when the link has died of `SILENCE_MS`. A
clog stalls it without killing it. `Weather.loss` is the chance that one message is lost, and its link with
it; `duplicate` and `reorder` are unkinder than TCP, and must change nothing but time (G5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

SILENCE_MS = 45_000
"""A link over which nothing gets through for so long is given up by both ends, as the daemon does."""


@dataclass(frozen=True)
class Weather:
    """What happens to messages of one link; chances are between 0 and 1."""

    delay_ms: tuple[int, int] = (1, 5)
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0


@dataclass(slots=True)
class Pipe:
    """A link between two machines; `alive` ends for both at once, the news travels like a message."""

    ends: tuple[str, str]
    links: tuple[int, int]
    number: int = 0
    since_ms: int = 0
    alive: bool = True
    last_ms: list[int] = field(default_factory=lambda: [0, 0])
    stalled: tuple[list[bytes], list[bytes]] = field(default_factory=lambda: ([], []))
    dying: bool = False


class Network:
    """Sites, cuts, clogs and weather; the world asks it for every message."""

    def __init__(self, weather: Weather) -> None:
        self.weather = weather
        self._weather_of: dict[str, Weather] = {}
        self._cut: dict[tuple[str, str], int] = {}
        self._clogged: dict[tuple[str, str], int] = {}
        self._site: dict[str, str] = {}
        self.changes = 0
        """Grows with everything that may open or close a way."""

    def open(self, source: str, target: str) -> bool:
        """Whether bytes get from `source` to `target` now."""
        if self._site and self._site.get(source) != self._site.get(target):
            return False
        return not self._cut or (source, target) not in self._cut

    def flows(self, source: str, target: str) -> bool:
        """As `open`, and nothing clogs the way."""
        clogged = self._clogged and (source, target) in self._clogged
        return not clogged and self.open(source, target)

    def weather_between(self, source: str, target: str) -> Weather:
        """The weather of a link: the worse one's own, else everybody's."""
        if not self._weather_of:
            return self.weather
        return self._weather_of.get(source) or self._weather_of.get(target) or self.weather

    # --- what happens to it -----------------------------------------------------------------------

    def cut(self, source: str, target: str) -> None:
        """Nothing gets from `source` to `target` until `mend`; cuts count."""
        self._cut[source, target] = self._cut.get((source, target), 0) + 1
        self.changes += 1

    def mend(self, source: str, target: str) -> None:
        self._lift(self._cut, (source, target))

    def clog(self, source: str, target: str) -> None:
        """What `source` sends to `target` waits until `unclog`."""
        self._clogged[source, target] = self._clogged.get((source, target), 0) + 1
        self.changes += 1

    def unclog(self, source: str, target: str) -> None:
        self._lift(self._clogged, (source, target))

    def _lift(self, counts: dict[tuple[str, str], int], way: tuple[str, str]) -> None:
        if way in counts:
            counts[way] -= 1
            if not counts[way]:
                del counts[way]
        self.changes += 1

    def move(self, names: Iterable[str], site: str) -> None:
        """These machines are at `site`; once sites are used, only machines at one site reach each other."""
        for name in names:
            self._site[name] = site
        self.changes += 1

    def come_home(self, names: Iterable[str]) -> None:
        """These machines are where everybody is whom nobody has moved."""
        for name in names:
            self._site.pop(name, None)
        self.changes += 1

    def rain(self, name: str, weather: Weather | None) -> None:
        """All links of one machine have this weather; None for everybody's."""
        if weather is None:
            self._weather_of.pop(name, None)
        else:
            self._weather_of[name] = weather

    def heal(self) -> None:
        """Everything gets through again, quickly; sites stay what they are."""
        self._cut.clear()
        self._clogged.clear()
        self._weather_of.clear()
        self.weather = Weather(self.weather.delay_ms)
        self.changes += 1

    def arrivals(self, pipe: Pipe, side: int, now_ms: int, random: Random) -> list[int]:
        """When a message sent now from end `side` arrives: no times if it is lost, two if it is doubled."""
        weather = self.weather_between(pipe.ends[side], pipe.ends[1 - side])
        low, high = weather.delay_ms
        at = now_ms + (low + int(random.random() * (high - low + 1)))
        if weather.loss and random.random() < weather.loss:
            return []
        if weather.reorder and random.random() < weather.reorder:
            times = [at]
        else:
            if at < pipe.last_ms[side]:
                at = pipe.last_ms[side]
            pipe.last_ms[side] = at
            times = [at]
        if weather.duplicate and random.random() < weather.duplicate:
            times.append(at + 1 + int(random.random() * (high + 1)))
        return times
