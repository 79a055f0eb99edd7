"""`build_lan(n)` gives a test its own LAN of n hosts, gone when the test ends however it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.lan.rig import Lan, missing_tools

BuildLan = Callable[[int], Lan]


@pytest.fixture(scope="session")
def lan_usable() -> None:
    """Skip, with the reason, where a tool of the rig is missing (the `lan` marker covers the rest)."""
    if reason := missing_tools():
        pytest.skip(f"lan: {reason}")


@pytest.fixture
def build_lan(lan_usable: None) -> Iterator[BuildLan]:
    with contextlib.ExitStack() as stack:
        yield lambda hosts: stack.enter_context(Lan(hosts))
