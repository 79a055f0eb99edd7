"""Scenarios as files: YAML in, `Scenario` out; `docs/simulations.md` is the manual.

Every mistake is one `UsageError` that names file, line and what is allowed instead. A policy that the product
itself refuses is refused here by the product's own words.
"""

from __future__ import annotations

from pathlib import Path

from aslp2p.artifacts.text import terminal_safe
from aslp2p.artifacts.types import Named, Policy
from aslp2p.errors import UsageError
from aslp2p.ledger.duration import duration_text
from aslp2p.ledger.policy import policy_problem
from aslp2p.ledger.yaml_nodes import shown
from aslp2p.limits import (
    ANCHORS_MAX,
    AUTHORITIES_MAX,
    GRACE_PERIOD_MS_MAX,
    GRACE_PERIOD_MS_MIN,
    YAML_CHARS_MAX,
)
from simulations.faults import FAULTS
from simulations.fields import Fields, compose
from simulations.names import name_of
from simulations.network import Weather
from simulations.scenario import DAY, HOUR, MINUTE, SELECTORS, Expect, Scenario, Step, Workload

FOLDER = Path(__file__).parent / "scenarios"
MACHINES_MAX = 2_000
BYTES_MAX = 4 * YAML_CHARS_MAX
DEFAULT = Scenario("")


def names() -> list[str]:
    """The scenarios that come along."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Scenario:
    """A scenario by the name of one that comes along, or by its file. Raises `UsageError`."""
    path = FOLDER / f"{name}.yaml"
    if "/" in name or name.endswith((".yaml", ".yml")) or not path.exists():
        path = Path(name)
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except (OSError, ValueError):
        raise UsageError(
            f"there is no scenario {shown(name)}", remedy=f"give a file, or one of {', '.join(names())}"
        ) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{terminal_safe(path.name)}: line {line}: this is not UTF-8", remedy="write it in UTF-8"
        ) from None
    return parse(text, source=path.name)


def parse(text: str, *, source: str = "the scenario") -> Scenario:
    """The scenario that `text` describes."""
    root = compose(text, source)
    name = root.text("scenario", Path(source).stem)
    machines = root.whole("machines", DEFAULT.machines, 1, MACHINES_MAX)
    policy = root.fields("policy")
    given = _policy(policy, machines) if policy is not None else {}
    network = root.fields("network")
    connected = _network(network) if network is not None else {}
    answer_ms = None if root.text("people") == "never" else DEFAULT.answer_ms
    if answer_ms is not None and root.has("people"):
        answer_ms = root.durations("people", (MINUTE, HOUR))
    works = root.is_mapping("workload") or root.word("workload", ("none",), "") != "none"
    work = root.fields("workload") if works else None
    expect = root.fields("expect")
    lasts_ms = root.duration("lasts", DEFAULT.lasts_ms)
    scenario = Scenario(
        name=name,
        about=" ".join(root.text("about").split()),
        machines=machines,
        recovery=root.word("recovery", ("auto", "ask"), DEFAULT.recovery),
        answer_ms=answer_ms,
        busy_ms=root.durations("busy", DEFAULT.busy_ms),
        lasts_ms=lasts_ms,
        heals_ms=root.duration("heals", DEFAULT.heals_ms),
        heavy=root.truth("heavy", False),
        workload=_work(work, machines) if works else None,
        steps=tuple(_step(one, machines, lasts_ms) for one in root.each("steps")),
        expect=_expect(expect, machines) if expect is not None else Expect(),
        **connected,  # type: ignore[arg-type]
        **given,  # type: ignore[arg-type]
    )
    root.finish()
    if machines < scenario.authorities:
        raise UsageError(
            f"{source}: {scenario.authorities} authorities need as many machines, and there are {machines}",
            remedy=f"write machines: {scenario.authorities} or more",
        )
    return scenario


def _policy(fields: Fields, machines: int) -> dict[str, object]:
    authorities = fields.whole("authorities", min(3, machines), 0, AUTHORITIES_MAX)
    threshold = fields.whole("threshold", authorities // 2 + 1, 0, AUTHORITIES_MAX)
    grace = fields.duration("grace_period", DEFAULT.grace_period_ms)
    if not GRACE_PERIOD_MS_MIN <= grace <= GRACE_PERIOD_MS_MAX:
        fields.wrong(fields.node("grace_period"), "grace_period is out of bounds", "write 200ms to 3650d")
    witnesses = tuple(Named(name_of(place), place.to_bytes(32, "big")) for place in range(authorities))
    if problem := policy_problem(
        Policy(
            witnesses=witnesses,
            threshold=threshold,
            rotation_allowed=True,
            grace_period_ms=grace,
            participants="invited",
            protocol=1,
        )
    ):
        fields.wrong(None, f"this policy is refused (P1): {problem}", "raise the threshold above half")
    given: dict[str, object] = {
        "authorities": authorities,
        "threshold": threshold,
        "grace_period_ms": grace,
        "rotation": fields.truth("rotation", True),
        "participants": fields.word("participants", ("invited", "authorities"), "invited"),
    }
    fields.finish()
    return given


def _network(fields: Fields) -> dict[str, object]:
    weather = Weather(
        fields.durations("delay", DEFAULT.weather.delay_ms),
        fields.chance("loss"),
        fields.chance("duplicate"),
        fields.chance("reorder"),
    )
    given = {
        "weather": weather,
        "links": fields.whole("links", DEFAULT.links, 0, 64),
        "static": fields.word("static", ("authorities", "none"), "none") == "authorities",
    }
    fields.finish()
    return given


def _work(fields: Fields | None, machines: int) -> Workload:
    if fields is None:
        return Workload()
    every = fields.durations("every", Workload().every_ms)
    if every[0] == 0:
        fields.wrong(fields.node("every"), "every is 0", "write at least 1ms, or leave the workload out")
    workload = Workload(
        every,
        _who(fields, "by", "any", machines),
        fields.word("kinds", ("put", "mix"), "put"),
        fields.whole("bytes", 200, 1, 100_000),
    )
    fields.finish()
    return workload


def _who(fields: Fields, name: str, default: str, machines: int) -> str:
    text = fields.text(name, default)
    known = {name_of(place) for place in range(machines + ANCHORS_MAX)}
    if text not in SELECTORS and text not in known:
        fields.wrong(
            fields.node(name),
            f"{name} is {shown(text)}",
            f"write a machine's name or one of {', '.join(SELECTORS)}",
        )
    return text


def _step(fields: Fields, machines: int, lasts_ms: int) -> Step:
    do = fields.word("do", sorted(FAULTS), "")
    if not do:
        fields.wrong(None, f"{fields.where} has no do", f"write one of {', '.join(sorted(FAULTS))}")
    fault = FAULTS[do]
    once = fields.has("at")
    if once == fields.has("every"):
        fields.wrong(None, f"{fields.where} has neither at nor every, or both", "write at: or every:")
    options = {}
    for name, kind in fault.options.items():
        if fields.has(name):
            options[name] = _option(fields, name, kind, machines)
        elif kind.endswith("!"):
            fields.wrong(None, f"{do} has no {name}", f"write {name}:")
    lasts = fields.durations("for", (0, 0)) if fault.lasts and fields.has("for") else None
    step = Step(
        do=do,
        on=_who(fields, "on", fault.on, machines),
        at_ms=fields.duration("at", 0) if once else None,
        every_ms=None if once else fields.durations("every", (HOUR, DAY)),
        from_ms=fields.duration("from", 0),
        until_ms=fields.duration("until", 0) if fields.has("until") else None,
        for_ms=lasts,
        options=options,
    )
    for name, begins_ms in (("at", step.at_ms or 0), ("from", step.from_ms)):
        if begins_ms >= lasts_ms:
            fields.wrong(
                fields.node(name),
                f"{name} is {duration_text(begins_ms)}, and the scenario lasts {duration_text(lasts_ms)}",
                "write an earlier time, or let it last longer",
            )
    if step.every_ms is not None and step.every_ms[0] == 0:
        fields.wrong(fields.node("every"), "every is 0", "write at least 1ms")
    fields.finish()
    return step


def _option(fields: Fields, name: str, kind: str, machines: int) -> str:
    match kind.rstrip("!"):
        case "duration":
            return str(fields.duration(name, 0, signed=True))
        case "who":
            return _who(fields, name, "", machines)
        case "chance":
            return str(fields.chance(name))
        case "whole":
            return str(fields.whole(name, 0, -1_000_000, 1_000_000))
        case "text":
            return fields.text(name)
        case words:
            return fields.word(name, words.split("|"), "")


def _expect(fields: Fields, machines: int) -> Expect:
    expect = Expect(
        safety=fields.word("safety", ("held", "open"), "held"),
        converged=fields.truth("converged", True),
        progress=fields.truth("progress", True),
        final=fields.truth("final", False),
        room=fields.truth("room", False),
        takeovers=fields.counts("takeovers", None),
        rotations=fields.counts("rotations", None),
        members=fields.counts("members", None),
        witness=_who(fields, "witness", "", machines) if fields.has("witness") else None,
        within_ms=fields.duration("within", 0) if fields.has("within") else None,
    )
    fields.finish()
    return expect
