"""The simulator's benchmark counts what it says it counts, and gives a figure for each of its rows."""

from __future__ import annotations

from benchmarks import sim


def test_a_small_crowd_is_measured() -> None:
    figures = sim.measure(3, 20)
    assert figures.nodes == 3
    assert figures.virtual_ms == 20 * 60_000
    # Three machines tell each other once a minute where they stand; puts come on top.
    assert figures.events > 50
    assert figures.events_per_s > 0
    assert figures.times_real > 1


def test_every_row_is_measured_from_one_process_a_size() -> None:
    measured = sim.alone(0.1)
    assert {key for key, *_ in sim.rows()} == set(measured)


def test_the_command_measures_apart() -> None:
    first = sim._apart(2, 1.0, 1)
    assert first is sim._apart(2, 1.0, 1)
    assert first.nodes == 2


def test_parts_come_from_the_figures() -> None:
    figures = sim.Figures(5, 60_000, 1_000, 0.5, 40.0, 1.0)
    assert (figures.events_per_s, figures.times_real) == (2_000, 120)
    assert sim._PARTS["memory"](figures) == 40.0
    assert callable(sim.alone(0.1)["sim-5-memory"])
