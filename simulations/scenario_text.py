"""A scenario as the text of a file that reads back as the same scenario: what a shrunk failure is kept as."""

from __future__ import annotations

from collections.abc import Mapping

from aslp2p.ledger.duration import duration_text
from simulations.faults import FAULTS
from simulations.scenario import Expect, Scenario, Step


def as_yaml(scenario: Scenario) -> str:
    """The text; `scenario_file.parse` gives `scenario` back."""
    policy = {
        "authorities": scenario.authorities,
        "threshold": scenario.threshold,
        "grace_period": _duration(scenario.grace_period_ms),
        "rotation": _truth(scenario.rotation),
        "participants": scenario.participants,
    }
    weather = scenario.weather
    network = {
        "delay": _range(weather.delay_ms),
        "loss": _chance(weather.loss),
        "duplicate": _chance(weather.duplicate),
        "reorder": _chance(weather.reorder),
        "links": scenario.links,
        "static": "authorities" if scenario.static else "none",
    }
    lines = [f"scenario: {scenario.name}"]
    if scenario.about:
        lines += ["about: >", f"  {scenario.about}"]
    lines += [
        f"machines: {scenario.machines}",
        f"policy: {_flow(policy)}",
        f"recovery: {scenario.recovery}",
        f"people: {'never' if scenario.answer_ms is None else _range(scenario.answer_ms)}",
        f"network: {_flow(network)}",
        f"busy: {_range(scenario.busy_ms)}",
        f"lasts: {_duration(scenario.lasts_ms)}",
        f"heals: {_duration(scenario.heals_ms)}",
        f"heavy: {_truth(scenario.heavy)}",
    ]
    work = scenario.workload
    if work is None:
        lines.append("workload: none")
    else:
        every = {"every": _range(work.every_ms), "by": work.by, "kinds": work.kinds, "bytes": work.bytes_max}
        lines.append(f"workload: {_flow(every)}")
    if scenario.steps:
        lines.append("steps:")
        lines += [f"  - {_flow(_step(step))}" for step in scenario.steps]
    lines.append(f"expect: {_flow(_expect(scenario.expect))}")
    return "\n".join(lines) + "\n"


def _step(step: Step) -> dict[str, object]:
    fields: dict[str, object] = {"do": step.do, "on": step.on}
    if step.at_ms is not None:
        fields["at"] = _duration(step.at_ms)
    if step.every_ms is not None:
        fields["every"] = _range(step.every_ms)
    if step.from_ms:
        fields["from"] = _duration(step.from_ms)
    if step.until_ms is not None:
        fields["until"] = _duration(step.until_ms)
    if step.for_ms is not None:
        fields["for"] = _range(step.for_ms)
    kinds = FAULTS[step.do].options
    for name, value in step.options.items():
        is_duration = kinds[name].rstrip("!") == "duration"
        fields[name] = _duration(int(value)) if is_duration else value
    return fields


def _expect(expect: Expect) -> dict[str, object]:
    fields: dict[str, object] = {
        "safety": expect.safety,
        "converged": _truth(expect.converged),
        "progress": _truth(expect.progress),
        "final": _truth(expect.final),
        "room": _truth(expect.room),
    }
    for name in ("takeovers", "rotations", "members"):
        counts = getattr(expect, name)
        if counts is not None:
            fields[name] = f"{counts[0]}..{counts[1]}"
    if expect.witness is not None:
        fields["witness"] = expect.witness
    if expect.within_ms is not None:
        fields["within"] = _duration(expect.within_ms)
    return fields


def _flow(fields: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _chance(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _range(bounds: tuple[int, int]) -> str:
    low, high = bounds
    return _duration(low) if low == high else f"{_duration(low)}..{_duration(high)}"


def _duration(milliseconds: int) -> str:
    return "-" + duration_text(-milliseconds) if milliseconds < 0 else duration_text(milliseconds)
