"""`build_lan(n)` gives a test its own LAN of n hosts, `build_household(names…)` one with a home on each.

Both are gone when the test ends, however it ends. A household's daemons must not have met a bug of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lan.machines import Machine, require_clean_logs
from tests.lan.rig import Lan, missing_tools

BuildLan = Callable[[int], Lan]
BuildHousehold = Callable[..., tuple[Lan, list[Machine]]]


@pytest.fixture(scope="session")
def lan_usable() -> None:
    """Skip, with the reason, where a tool of the rig is missing (the `lan` marker covers the rest)."""
    if reason := missing_tools():
        pytest.skip(f"lan: {reason}")


@pytest.fixture
def build_lan(lan_usable: None) -> Iterator[BuildLan]:
    with contextlib.ExitStack() as stack:
        yield lambda hosts: stack.enter_context(Lan(hosts))


@pytest.fixture
def build_household(build_lan: BuildLan, tmp_path: Path) -> Iterator[BuildHousehold]:
    machines: list[Machine] = []

    def build(*names: str) -> tuple[Lan, list[Machine]]:
        lan = build_lan(len(names))
        machines.extend(Machine(host, tmp_path, name) for host, name in zip(lan, names, strict=True))
        return lan, list(machines)

    yield build
    require_clean_logs(machines)
