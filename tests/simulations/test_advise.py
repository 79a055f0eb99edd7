"""What `advise` says: the exact chances against stories played key by key, the waiting against real nodes."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from random import Random
from statistics import mean, median

import pytest
from click.testing import CliRunner

from aslp2p.artifacts.types import Policy
from aslp2p.errors import UsageError
from simulations.advice import SIZES, cells, recommend, row_of, rows_for
from simulations.advise import advise
from simulations.chances import CAPTURED, NEITHER, STUCK, YEAR, Life, at_least, chances, policy_of, sampled
from simulations.dialer import Dialer
from simulations.scenario import DAY, HOUR, MINUTE
from simulations.waiting import Habits, trials
from simulations.world import World

HARD = Life(lost_per_year=0.3, compromised_per_year=0.2, years=5)
STORIES = 2_000


@pytest.mark.parametrize(("n", "t"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (5, 4)])
def test_exact_chances_and_played_stories_agree(n: int, t: int) -> None:
    random = Random(f"{n}/{t}")
    policy = policy_of(n, t)
    exact = chances(policy, HARD)
    assert sum(exact.values()) == pytest.approx(1)
    counts = Counter(sampled(policy, HARD, random) for _ in range(STORIES))
    for fate in (STUCK, CAPTURED, NEITHER):
        deviation = (exact[fate] * (1 - exact[fate]) / STORIES) ** 0.5
        assert abs(counts[fate] / STORIES - exact[fate]) < 4 * deviation + 2 / STORIES


def test_one_key_that_can_only_be_lost_is_an_exponential() -> None:
    life = Life(lost_per_year=0.02, compromised_per_year=0.0, years=10)
    assert chances(policy_of(1, 1), life)[STUCK] == pytest.approx(1 - 2.718281828459045**-0.2)


def test_nothing_goes_wrong_where_nothing_is_lost() -> None:
    life = Life(lost_per_year=0.0, compromised_per_year=0.0)
    for n, t in ((1, 1), (3, 2)):
        assert chances(policy_of(n, t), life) == pytest.approx({STUCK: 0, CAPTURED: 0, NEITHER: 1})


def test_without_replacement_the_chain_is_a_binomial() -> None:
    life = Life(lost_per_year=0.1, compromised_per_year=0.0, years=3, replaced_ms=10**9 * YEAR)
    lost = 1 - 2.718281828459045**-0.3
    assert chances(policy_of(5, 3), life)[STUCK] == pytest.approx(at_least(3, 5, lost), rel=1e-6)


def test_people_who_are_always_there_answer_as_order_statistics_say() -> None:
    # The second of two others, each after an exponential time: 1/2 + 1/1 of the mean, after grace and jitter.
    waits = trials(policy_of(3, 2, 10 * DAY), Habits(1.0, 8 * HOUR, DAY), 2_000, 1)
    assert mean(waits) == pytest.approx(10 * DAY + DAY / 8 + 1.5 * DAY, rel=0.01)


def _real(policy: Policy, habits: Habits, seed: int) -> int:
    """The time without a witness in a world of `NodeCore`s whose authorities come and go."""
    world = World(seed)
    names = [witness.name for witness in policy.witnesses]
    for name in names:
        world.add_node(name).options = {"auto": True}
    keyed = tuple(type(one)(one.name, world.nodes[one.name].key) for one in policy.witnesses)
    world.found(
        names[0],
        names,
        Policy(
            witnesses=keyed,
            threshold=policy.threshold,
            rotation_allowed=True,
            grace_period_ms=policy.grace_period_ms,
            participants="invited",
            protocol=1,
        ),
    )
    Dialer(world)
    for name in names:
        world.start(name)
    world.run(MINUTE // 2)
    world.crash(names[0])
    begin, random = world.now_ms, Random(seed)
    come = habits.away_ms
    go = habits.away_ms * habits.availability / (1 - habits.availability)

    def switch(name: str, here: bool) -> None:
        if not here:
            world.pause(name)
        else:
            world.resume(name)
        world.plan(round(random.expovariate(1 / (go if here else come))), switch, name, not here)

    for name in names[1:]:
        switch(name, random.random() < habits.availability)

    def replaced() -> bool:
        cores = [world.nodes[name].core for name in names[1:]]
        return any(core is not None and core.head is not None and core.head.height > 0 for core in cores)

    assert world.run_until(replaced, 100 * policy.grace_period_ms)
    return world.now_ms - begin


def test_waiting_agrees_with_real_nodes() -> None:
    policy, habits = policy_of(3, 2, 20 * MINUTE), Habits(0.7, 6 * MINUTE, None)
    real = [_real(policy, habits, seed) for seed in range(40)]
    played = trials(policy, habits, 2_000, 1)
    assert median(real) == pytest.approx(median(played), rel=0.2)
    assert mean(real) == pytest.approx(mean(played), rel=0.25)


def test_rows_are_the_policies_that_the_product_allows() -> None:
    rows = rows_for(4, Life(), Habits(), 30 * DAY, 10, 0)
    assert [row.name for row in rows] == ["1 of 1", "2 of 2", "2 of 3", "3 of 3", "3 of 4", "4 of 4"]
    assert [(row.silent, row.lying) for row in rows] == [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (0, 3)]
    assert [row.signs_now for row in rows] == pytest.approx([0, 0, 0.81, 0, 0.729, 0])
    assert [row.without_ms[0] == float("inf") for row in rows] == [True, True, False, True, False, True]


def test_recommendation() -> None:
    rows = rows_for(SIZES["household"], Life(), Habits(), 30 * DAY, 10, 0)
    names = {members: recommend(rows, members, 0.01) for members in (1, 2, 3, 5)}
    assert {m: row.name for m, row in names.items() if row} == {
        1: "1 of 1",
        2: "1 of 1",
        3: "2 of 3",
        5: "2 of 3",
    }
    strict = recommend(rows, 5, 0.0001)
    lying = recommend(rows, 5, 0.01, lying=1)
    assert strict is not None and strict.name == "3 of 5"
    assert lying is not None and lying.name == "3 of 4"
    assert recommend(rows, 1, 0.01, lying=1) is None


def test_more_availability_never_waits_longer() -> None:
    rows = [row_of(5, 3, Life(a), Habits(a), 30 * DAY, 150, 0) for a in (0.5, 0.8, 0.99)]
    assert [row.signs_now for row in rows] == sorted(row.signs_now for row in rows)
    assert [row.without_ms[1] for row in rows] == sorted((row.without_ms[1] for row in rows), reverse=True)


def test_command_in_words_json_and_picture(tmp_path: Path) -> None:
    runner = CliRunner()
    few = ["--members", "5", "--trials", "10"]
    said = runner.invoke(advise, few)
    assert said.exit_code == 0
    assert "Recommended for 5 members: 2 of 3." in said.output
    assert sum("Recommended" in line for line in said.output.splitlines()) == 1
    picture = tmp_path / "advice.png"
    data = json.loads(runner.invoke(advise, [*few, "--json", "--plot", str(picture)]).output)
    assert (data["recommended"]["threshold"], data["recommended"]["authorities"]) == (2, 3)
    assert len(data["policies"]) == 25
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 100_000


def test_the_page_says_what_the_command_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sizing.md").read_text(encoding="utf-8")
    lines = [line.strip("| ").split(" | ") for line in page.splitlines() if re.match(r"\| \d of \d \|", line)]
    assert len(lines) >= 10
    for line in lines:
        t, n = (int(number) for number in line[0].split(" of "))
        exact = cells(row_of(n, t, Life(), Habits(), 30 * DAY, 10, 0))
        assert line[:6] == list(exact[:6])


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--availability", "1.5", "--availability is 1.5; write a number from 0 to 1"),
        ("--availability", "nan", "from 0 to 1"),
        ("--members", "0", "--members is 0; write a whole number from 1 to 15"),
        ("--lost-per-year", "-1", "--lost-per-year is -1; write a number from 0"),
        ("--grace-period", "a month", "--grace-period is a month; write a whole number and one of ms"),
        ("--away", "1s", "--away 1s is too short for a grace period of 30d; write at least 2592s"),
    ],
)
def test_wrong_values_are_one_line(option: str, value: str, words: str) -> None:
    found = CliRunner().invoke(advise, [option, value])
    assert isinstance(found.exception, UsageError)
    assert words in str(found.exception)
    assert "\n" not in str(found.exception)
