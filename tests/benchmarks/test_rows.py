"""Which rows are measured, by which steps, and that a failed run keeps what came before."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import SYSTEMS, main
from benchmarks.cluster import VALUE_BYTES, BenchmarkError, key_of, value_of
from benchmarks.rows import TAKEOVER_ROWS, choose, rows, steps
from benchmarks.settings import QUICK, Settings


def test_no_names_choose_every_row() -> None:
    listed = rows(Settings())
    assert choose(listed, []) == listed


def test_a_name_chooses_its_row_or_its_group() -> None:
    keys = [row.key for row in choose(rows(Settings()), ["put", "ready"])]
    assert keys == ["put-p50", "put-p99", "ready"]
    assert [row.key for row in choose(rows(Settings()), ["return-10000"])] == ["return-10000"]


def test_an_unknown_name_is_refused_with_what_there_is() -> None:
    with pytest.raises(BenchmarkError, match=r"no row 'pu'.*put-p50"):
        choose(rows(Settings()), ["pu"])


@pytest.mark.parametrize("settings", [Settings(), QUICK, Settings(histories=(7, 5))])
def test_every_row_is_filled_by_exactly_one_measurement(settings: Settings) -> None:
    keys = [row.key for row in rows(settings)]
    measured = [key for step in steps(settings) for key in step.keys]
    alone = [key for system in SYSTEMS for key in system.alone(settings)]
    assert len(set(keys)) == len(keys)
    assert sorted([*measured, *TAKEOVER_ROWS, *alone]) == sorted(keys)


def test_idle_comes_first_and_the_largest_history_last() -> None:
    order = [step.keys[0] for step in steps(Settings(histories=(100, 10)))]
    assert order[0] == "idle-rss"
    assert order[-2:] == ["return-10", "return-100"]


def test_entries_are_200_bytes_and_all_different() -> None:
    values = {value_of(sequence) for sequence in range(100)}
    assert len(values) == 100
    assert {len(value.encode()) for value in values} == {VALUE_BYTES}
    assert sorted(map(key_of, [10, 9, 1000])) == [key_of(9), key_of(10), key_of(1000)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--row", "speed"], "no row 'speed'"),
        (["--system", "raft"], "no system 'raft'"),
        (["--trials", "0"], "0"),
    ],
)
def test_wrong_flags_end_with_2_before_anything_is_measured(arguments: list[str], said: str) -> None:
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 2
    assert said in ended.output


def test_list_names_rows_and_systems_without_measuring(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    ended = CliRunner().invoke(main, ["--list", "--json", str(output)])
    assert ended.exit_code == 0
    assert "put-p50" in ended.output
    assert "etcd" in ended.output
    assert not output.exists()
