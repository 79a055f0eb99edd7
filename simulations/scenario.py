"""A scenario: who is there, under which policy, what goes wrong when, and what must hold (frozen records).

`scenario_file` reads one from YAML, `swarm` draws one from a seed; `run` plays it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulations.network import Weather

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

SELECTORS = (
    "witness", "first", "authorities", "participants", "others", "all", "any", "any-authority",
    "any-participant", "any-other", "half", "minority", "successor", "retired", "any-retired",
)  # fmt: skip
"""Who a step is done to, besides a machine's own name; drawn and resolved when it is done."""


@dataclass(frozen=True)
class Step:
    """Something that is done to machines: once (`at_ms`), or again and again (`every_ms`)."""

    do: str
    on: str = "any"
    at_ms: int | None = None
    every_ms: tuple[int, int] | None = None
    from_ms: int = 0
    until_ms: int | None = None
    for_ms: tuple[int, int] | None = None
    """How long until it is undone; None: until the calm, or for ever if it cannot be undone."""
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """What people do: a put or another small change `every_ms`, by one of `by`."""

    every_ms: tuple[int, int] = (MINUTE, 5 * MINUTE)
    by: str = "any"
    kinds: str = "put"
    """`put`: files of their own; `mix`: also edits of one file by several, and removes."""
    bytes_max: int = 200


@dataclass(frozen=True)
class Expect:
    """What must hold; liveness is asked for only where the scenario leaves a quorum that can act."""

    safety: str = "held"
    """`held`, or `open`: more lie than P1 allows, so safety may break, which must be noticed."""
    converged: bool = True
    progress: bool = True
    final: bool = False
    """Whether what is proposed in the calm becomes final, and no policy change is left unsettled."""
    room: bool = False
    """Whether in the end a machine can be admitted, the witness replaced, a policy changed and settled."""
    takeovers: tuple[int, int] | None = None
    rotations: tuple[int, int] | None = None
    witness: str | None = None
    members: tuple[int, int] | None = None
    """How many keys are admitted in the end."""
    within_ms: int | None = None
    """How long the Common may be without a witness after the one that it had went silent for good."""


@dataclass(frozen=True)
class Scenario:
    """Everything that a run is made from, besides its seed."""

    name: str
    about: str = ""
    machines: int = 5
    authorities: int = 3
    threshold: int = 2
    grace_period_ms: int = 10 * MINUTE
    rotation: bool = True
    participants: str = "invited"
    recovery: str = "auto"
    answer_ms: tuple[int, int] | None = (MINUTE, 10 * MINUTE)
    """How long a person takes to endorse what the daemon asks about; None: nobody does."""
    weather: Weather = field(default_factory=lambda: Weather((1, 20)))
    busy_ms: tuple[int, int] = (0, 0)
    """How long a machine is at something else when a message comes: all that comes meanwhile is one batch."""
    links: int = 0
    """How many a machine wants; 0: as the daemon does, all of up to 64, else 8."""
    static: bool = False
    """Whether the authorities have each other's addresses in their configuration."""
    lasts_ms: int = 2 * HOUR
    heals_ms: int = HOUR
    workload: Workload | None = field(default_factory=Workload)
    steps: tuple[Step, ...] = ()
    expect: Expect = field(default_factory=Expect)
    heavy: bool = False
    """Too long for the default sweep."""

    def survives_lying(self) -> int:
        """How many lying authorities P1 allows: 2t - n - 1."""
        return 2 * self.threshold - self.authorities - 1
