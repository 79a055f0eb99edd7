"""The figures: recovery times and dissemination are measured on real nodes, and repeat."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aslp2p.core import auto_succession
from aslp2p.errors import UsageError
from aslp2p.limits import FANOUT_MAX
from aslp2p.recovery import proposes_after_ms
from simulations.crowd import crowd
from simulations.dissemination import bound, mean_field, rounds_until_all, spread
from simulations.figures import figure, quantile
from simulations.recovery_times import SPREADS, Setting, measure, trial_ms
from simulations.scenario import MINUTE, SECOND
from simulations.world import World


def test_a_new_witness_comes_about_a_grace_period_after_the_last_beacon() -> None:
    for seed in range(5):
        # The last beacon is up to a twentieth old; the first successor waits up to half a round more (S7).
        assert 9 * SECOND < trial_ms(Setting("as built"), seed) < 11 * SECOND


def test_who_waits_equally_long_gets_in_each_others_way() -> None:
    together, apart = (sorted(trial_ms(one, seed) for seed in range(9)) for one in (SPREADS[0], SPREADS[3]))
    assert together[4] > apart[4]


def test_a_trial_leaves_the_product_as_it_was_and_repeats() -> None:
    one = trial_ms(SPREADS[1], 3)
    assert vars(auto_succession)["proposes_after_ms"] is proposes_after_ms
    assert trial_ms(SPREADS[1], 3) == one


def test_a_quorum_short_of_one_gets_no_witness() -> None:
    assert trial_ms(Setting("three of five are gone", grace_ms=SECOND, dead=2), 0) == float("inf")


def test_workers_change_nothing() -> None:
    setting = Setting("1 s", grace_ms=SECOND)
    (times,) = measure([setting], 4, workers=2, seed=7)
    assert times == sorted(trial_ms(setting, seed) for seed in range(7, 11))


def test_a_crowd_beyond_a_genesis_agrees_on_who_is_a_member() -> None:
    world = World(1)
    names = crowd(world, 70)
    world.run(MINUTE)
    assert len(set(world.heads().values())) == 1
    core = world.nodes[names[-1]].core
    assert core is not None and core.head is not None
    assert {world.nodes[name].key for name in names} <= set(core.head.members)
    assert world.blamed == []


@pytest.mark.parametrize("nodes", [2, 10, 40])
def test_a_snapshot_gets_to_everybody(nodes: int) -> None:
    found = spread(nodes, 1, snapshots=3)
    assert found.missing == 0
    assert len(found.times_ms) == 3 * nodes
    assert found.redundancy + found.tells >= 1
    # Each crosses a link at most once in each direction.
    assert found.redundancy <= min(found.links * nodes / (nodes - 1), 2 * FANOUT_MAX)


def test_in_a_small_house_hardly_any_copy_is_one_too_many() -> None:
    assert spread(5, 1, snapshots=3).redundancy == 1


def test_analytic_bounds() -> None:
    shares = mean_field(1000, 8)
    assert shares == sorted(shares)
    # The fixed point of s = 1 - exp(-fanout s).
    assert shares[-1] == pytest.approx(0.99966, abs=1e-4)
    assert rounds_until_all(1000, 8) == pytest.approx(3.144 + 0.863, abs=0.01)
    assert bound(3)[1] > 0


def test_quantiles() -> None:
    times = [float(one) for one in range(1, 101)]
    assert (quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1)) == (50, 99, 100)


def test_commands(tmp_path: Path) -> None:
    runner = CliRunner()
    picture = tmp_path / "recovery.png"
    options = ["recovery", "--trials", "1", "--workers", "2", "--json", "-o", str(picture)]
    lines = json.loads(runner.invoke(figure, options).stdout)["lines"]
    assert [line["trials"] for line in lines] == [1] * 9
    assert picture.read_bytes().startswith(b"\x89PNG")
    picture = tmp_path / "dissemination.png"
    options = ["dissemination", "--nodes", "5", "--snapshots", "1", "-o", str(picture)]
    said = runner.invoke(figure, options)
    assert "    5 machines" in said.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_wrong_use_is_one_line() -> None:
    found = CliRunner().invoke(figure, ["recovery", "--trials", "0"])
    assert isinstance(found.exception, UsageError)
    assert str(found.exception) == "--trials is 0; write a whole number from 1 to 1000000"
