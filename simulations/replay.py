"""Running a failure again, slowly: it stops before the first step after which an invariant does not hold.

The world is deterministic and what breaks safety stays on disks and in promises, so the first bad event is
found by halving: the run is played up to the middle and judged. What is shown are the events that led there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import TextIO

from simulations.events import EventLog
from simulations.play import Play
from simulations.result import crashed
from simulations.scenario import Scenario
from simulations.verdict import judge_safety
from simulations.world import Stopped

LINES = 40


@dataclass
class Breach:
    """When the first invariant broke, which, and the last lines before it."""

    at_ms: int
    event: int
    problem: str
    lines: list[str]


class _Tail(StringIO):
    """The last lines that were logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=LINES)

    def write(self, text: str) -> int:
        self.lines.append(text.rstrip("\n"))
        return len(text)


def first_breach(
    scenario: Scenario, seed: int, *, tell: Callable[[str], None] = lambda text: None
) -> Breach | None:
    """The first moment at which safety was broken; None if it never was (liveness shows at the end only)."""
    total = Play(scenario, seed)
    problem = _play(total, None)
    if problem is None:
        return None
    low, high = 0, total.world.log.count
    tell(f"broken after {high} events: {problem}")
    # Safety that is broken stays broken: disks and promises only grow.
    while high - low > 1:
        middle = (low + high) // 2
        play = Play(scenario, seed)
        found = _play(play, middle)
        if found is None:
            low = middle
        else:
            high, problem = middle, found
        tell(f"event {middle}: {'broken' if found else 'held'}")
    tail = _Tail()
    play = Play(scenario, seed, log=EventLog(tail))
    _play(play, high)
    return Breach(play.world.now_ms, high, problem, list(tail.lines))


def write_log(scenario: Scenario, seed: int, file: TextIO, events: int | None = None) -> None:
    """Write every event to `file`, of the first `events` or of the whole run."""
    _play(Play(scenario, seed, log=EventLog(file)), events)


def _play(play: Play, events: int | None) -> str | None:
    """Play up to `events` (None: to the end); the first safety problem then."""
    if events is not None:
        play.world.stop_after = events
    try:
        play.run()
    except Stopped:
        pass
    except Exception as error:
        return f"crash: {crashed(play, error).crash}"
    for name, problems in judge_safety(play).items():
        if problems:
            return f"{name}: {problems[0]}"
    return None
