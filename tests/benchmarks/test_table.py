"""The arithmetic behind the benchmarks' table."""

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.markdown import page
from benchmarks.table import Results, Row, as_json, cells, header, percentile, plain, ratio, shown

LATENCY = Row("put-p50", "one put", "ms", "below etcd's", "autobase 28")
RATE = Row("sustained", "puts", "/s", "above etcd's", more_is_better=True)


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (50.1, 51), (99, 99), (99.5, 100), (100, 100)]
)
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.5], 0) == percentile([7.5], 99) == 7.5


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], -1), ([1.0], 101)])
def test_percentile_refuses_what_has_no_answer(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    needed = percent / 100 * len(values)
    assert found in values
    assert sum(value <= found for value in values) >= needed - 1e-9
    assert found == min(values) or sum(value < found for value in values) < needed


def test_ratio_is_above_one_when_ours_is_better_either_way() -> None:
    assert ratio(2.0, 4.0, more_is_better=False) == 2.0
    assert ratio(4.0, 2.0, more_is_better=True) == 2.0
    assert ratio(4.0, 2.0, more_is_better=False) == 0.5


def test_ratio_to_or_from_nothing_is_none() -> None:
    assert ratio(0.0, 1.0, more_is_better=False) is None
    assert ratio(1.0, 0.0, more_is_better=True) is None


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (0.0, "0"),
        (0.07123, "0.0712"),
        (0.9999, "1.00"),
        (999.6, "1,000"),
        (3.6, "3.60"),
        (28.44, "28.4"),
        (160.4, "160"),
        (2654.0, "2,650"),
        (1_234_567.0, "1,230,000"),
        (-4.321, "-4.32"),
    ],
)
def test_figures_are_shown_with_three_significant_digits(figure: float, text: str) -> None:
    assert shown(figure) == text


def test_a_line_holds_medians_and_ratios_to_ours() -> None:
    figures = {"aslp2p": [2.0, 100.0, 1.0], "etcd": [4.0], "PySyncObj": []}
    systems = ["aslp2p", "etcd", "PySyncObj"]
    line = cells(LATENCY, figures, systems)
    assert line == ["one put", "2.00 ms", "4.00 ms (2.00×)", "-", "below etcd's", "autobase 28"]
    assert len(header(systems)) == len(line)


def test_a_line_without_ours_has_no_ratio() -> None:
    assert cells(RATE, {"etcd": [2600.0]}, ["etcd"]) == ["puts", "2,600 /s", "above etcd's", ""]


def test_plain_text_is_aligned() -> None:
    assert plain([["a", "long"], ["wide", "b"]]).splitlines() == ["a     long", "----  ----", "wide  b"]


def test_json_keeps_every_run_and_is_json() -> None:
    results = Results(machine={"python": "3.11"}, systems={"aslp2p": "1", "etcd": "3.4"})
    results.figures = {"sustained": {"aslp2p": [3000.0, 1000.0, 2000.0], "etcd": [4000.0], "other": []}}
    results.limits = {"fsync": [100.0, 300.0]}
    written = json.loads(json.dumps(as_json(results, [LATENCY, RATE])))
    assert written["rows"]["put-p50"]["median"] == {}
    sustained = written["rows"]["sustained"]
    assert sustained["runs"] == {"aslp2p": [3000.0, 1000.0, 2000.0], "etcd": [4000.0]}
    assert sustained["median"] == {"aslp2p": 2000.0, "etcd": 4000.0}
    assert sustained["ratio"] == {"etcd": 0.5}
    assert written["limits"]["fsync"]["median"] == statistics.median([100.0, 300.0])


def test_ours_is_shown_as_a_part_of_the_limit() -> None:
    row = Row("audit", "full audit", "/s", "70 %", more_is_better=True, limit="verify-2")
    assert cells(row, {"aslp2p": [15.0]}, ["aslp2p"], {"verify-2": 20.0})[1] == "15.0 /s (75% of the limit)"
    assert cells(row, {"aslp2p": [15.0]}, ["aslp2p"], {})[1] == "15.0 /s"


def test_the_page_says_what_the_json_holds() -> None:
    results = Results({"python": "3.11"}, {"aslp2p": "1", "etcd": "3.4"}, {"PySyncObj": "not installed"})
    results.figures = {"put-p50": {"aslp2p": [2.0, 4.0, 3.0], "etcd": [6.0, 6.0, 6.0]}}
    results.limits = {"verify-2": [20_000.0]}
    results.failures = ["etcd, run 1: it ended"]
    written = json.loads(json.dumps(as_json(results, [LATENCY, RATE])))
    text = page(written)
    assert (
        "| `put-p50` | one put | 3.00 ms | 6.00 ms (2.00×) | below etcd's | autobase 28 | 3, ours 2.00 to"
        in text
    )
    assert "| `sustained` | puts | - | - |" in text
    assert "| Ed25519 verifications, two threads | 20,000 /s |" in text
    assert "Skipped: PySyncObj: not installed." in text
    assert "Failed: etcd, run 1: it ended." in text
