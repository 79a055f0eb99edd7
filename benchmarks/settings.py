"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`QUICK` is for a look, the defaults are for figures to keep."""

    trials: int = 3
    puts: int = 500
    sustained_puts: int = 10_000
    seconds_max: float = 20.0
    """For the puts of one row in one run: a system too slow for all of them gets as many as fit."""
    idle_s: float = 60.0
    histories: tuple[int, ...] = (10_000, 100_000)
    """Entries that the returning node has missed."""
    stores: tuple[int, ...] = (100_000, 1_000_000)
    """Snapshots in the store of a node whose memory is looked at."""
    audited: int = 50_000
    """Snapshots of which every signature is audited."""
    takeovers: int = 50
    """How often the one that orders is killed; in the first run only."""
    simulated: float = 1.0
    """The part of `benchmarks.sim.MINUTES` that is simulated."""
    flooded: int = 60
    """Puts in each flood, and as many in the calm before it."""
    rounds: int = 10
    """How often what takes a moment is done for one figure, their median: discovery, `asl status`."""


QUICK = Settings(
    trials=1,
    puts=100,
    sustained_puts=2_000,
    seconds_max=4.0,
    idle_s=5.0,
    histories=(1_000,),
    stores=(1_000, 5_000),
    audited=3_000,
    takeovers=2,
    simulated=0.1,
    flooded=10,
    rounds=2,
)
