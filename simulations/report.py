"""A run's report in words, and a sweep's summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulations.checkers.safety import SAFETY
from simulations.result import Result
from simulations.scenario import Scenario
from simulations.story import shown_time
from simulations.sweep import FIGURES, Summary


def lines(scenario: Scenario, result: Result) -> Iterator[str]:
    """The report of one run."""
    yield f"{scenario.name}, seed {result.seed}: {result.outcome}"
    if scenario.about:
        yield f"  {scenario.about}"
    yield (
        f"  {result.machines} machines, {result.threshold} of {result.authorities} authorities, "
        f"{shown_time(result.virtual_ms)} of virtual time"
    )
    yield ""
    yield "What happened"
    for at, text in result.story:
        yield f"  {shown_time(at)}  {text}"
    yield ""
    yield "Figures"
    if result.converged_ms is not None:
        seconds = result.converged_ms / 1000
        yield f"  one head everywhere and new work listed {seconds:.1f} s after the calm began"
    if result.without_witness_ms is not None:
        yield f"  longest time without a witness: {result.without_witness_ms / 1000:.1f} s"
    sent = list(result.sent.values())
    count = max(1, len(sent))
    yield (
        f"  {result.events} events, {result.messages} messages, {result.bytes} bytes; a machine sent "
        f"{sum(one for one, _ in sent) // count} messages, {sum(size for _, size in sent) // count} bytes"
    )
    if result.superseded:
        yield f"  superseded: {'; '.join(f'{name}: {text}' for _, name, text in result.superseded[:4])}"
    for name, why in result.untrusted.items():
        yield f"  not trusted by the checkers: {name} ({why})"
    yield ""
    yield "Checks"
    for name, problems in result.checks.items():
        kind = "safety" if name in SAFETY else "liveness"
        yield f"  {name:<14} {kind:<9} {'held' if not problems else problems[0]}"
        for problem in problems[1:]:
            yield f"  {'':<24} {problem}"
    for name, problems in result.allowed.items():
        yield f"  {name:<14} broken, as more lie than P1 allows: {problems[0]}"
    if result.traceback:
        yield ""
        yield result.traceback
    yield f"fingerprint {result.fingerprint}"


def summary_lines(summary: Summary) -> Iterator[str]:
    """What a sweep came to, the worst cases last."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(summary.outcomes.items()))
    yield f"{summary.runs} runs, {summary.events} events: {counts or 'nothing'}"
    for name, count in summary.broken.most_common():
        yield f"  {count} broke {name}"
    for name, runs in summary.worst.items():
        for result in runs[:1]:
            value = f"{result[name] / 1000:.1f} s" if name.endswith("_ms") else str(result[name])
            yield f"  {FIGURES[name]}: {value} ({result['scenario']}, seed {result['seed']})"
    for result in summary.bad[:20]:
        yield f"  {again(result)}  # {result['problem'][:160]}"


def again(result: dict[str, Any]) -> str:
    """The command that plays a run again."""
    return f"python -m simulations replay {result['scenario']} --seed {result['seed']}"
