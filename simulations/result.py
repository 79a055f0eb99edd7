"""One run as a value: what it was, what came of it, and its figures; small, picklable, JSON-able."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from simulations.events import EventLog
from simulations.garbage import rarely_collected
from simulations.play import Play
from simulations.scenario import Scenario
from simulations.verdict import CRASHED, OUTCOMES, Verdict, judge, judge_safety, without_witness_ms


@dataclass
class Result:
    """`code` is the exit code; `fingerprint` the event log's hash."""

    scenario: str
    seed: int
    code: int
    outcome: str
    problem: str
    broken: list[str]
    fingerprint: str
    machines: int
    authorities: int
    threshold: int
    events: int
    messages: int
    bytes: int
    virtual_ms: int
    heights: dict[str, int]
    converged_ms: int | None
    without_witness_ms: int | None
    takeovers: list[tuple[int, str, str]]
    superseded: list[tuple[int, str, str]]
    untrusted: dict[str, str]
    steps: list[str]
    sent: dict[str, tuple[int, int]]
    """Machine to (messages, bytes)."""
    checks: dict[str, list[str]] = field(default_factory=dict)
    allowed: dict[str, list[str]] = field(default_factory=dict)
    """Checks that more liars than P1 allows did break."""
    story: list[tuple[int, str]] = field(default_factory=list)
    heads: list[tuple[int, int]] = field(default_factory=list)
    traceback: str = ""

    def to_json(self, *, brief: bool = False) -> dict[str, Any]:
        """As JSON has it; `brief` leaves out the story."""
        found = asdict(self)
        if brief:
            for name in ("story", "heads", "sent", "checks", "traceback", "superseded", "heights"):
                del found[name]
        return found


@rarely_collected()
def run(
    scenario: Scenario,
    seed: int,
    *,
    log: TextIO | None = None,
    watch: Callable[[Play], None] | None = None,
    prepare: Callable[[Play], None] | None = None,
) -> Result:
    """Play and judge one run. What a node raises by mistake becomes the result's crash."""
    play = Play(scenario, seed, log=EventLog(log))
    if prepare is not None:
        prepare(play)
    trace = ""
    try:
        play.run(watch)
        verdict = judge(play)
    except Exception as error:
        verdict = crashed(play, error)
        trace = traceback.format_exc()
    return result_of(play, verdict, trace)


def crashed(play: Play, error: Exception) -> Verdict:
    """The verdict over a run that a node's mistake has ended."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
    try:
        safety = judge_safety(play)
    except Exception:  # what the crash left may be half of something
        safety = {}
    return Verdict(safety, {}, f"{type(error).__name__} at {where}: {error}")


def result_of(play: Play, verdict: Verdict, trace: str = "") -> Result:
    """The figures of a run that has ended."""
    world, scenario = play.world, play.scenario
    return Result(
        scenario=scenario.name,
        seed=play.seed,
        code=verdict.code,
        outcome=OUTCOMES[verdict.code],
        problem=verdict.first(),
        broken=verdict.broken(),
        fingerprint=world.log.digest(),
        machines=scenario.machines,
        authorities=scenario.authorities,
        threshold=scenario.threshold,
        events=world.log.count,
        messages=world.messages,
        bytes=world.message_bytes,
        virtual_ms=world.now_ms,
        heights={name: height for name, (height, _) in world.heads().items()},
        converged_ms=play.converged_ms,
        without_witness_ms=without_witness_ms(play),
        takeovers=play.story.takeovers,
        superseded=play.story.superseded,
        untrusted=dict(play.liars),
        steps=[step.do for step in scenario.steps],
        sent={name: (node.sent, node.sent_bytes) for name, node in world.nodes.items()},
        checks={**verdict.safety, **verdict.liveness},
        allowed={name: problems for name, problems in verdict.allowed.items() if problems},
        story=play.story.lines,
        heads=play.story.heads,
        traceback=trace if verdict.code == CRASHED else "",
    )
