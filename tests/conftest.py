"""What every test gets: the `--long` flag, the `lan` marker's gate, hypothesis profiles.

The default suite is repeatable: hypothesis derives its examples from the test, so one commit passes or
fails alike everywhere. `--long` searches with fresh entropy and many more examples, and runs what is
marked `long`. What is marked `lan` makes network namespaces; where that is impossible it is skipped,
and the reason says what is missing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from functools import cache

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--long", action="store_true", help="run tests marked `long` too, and hypothesis with more examples"
    )
    parser.addoption(
        "--soak", type=float, default=60.0, metavar="MINUTES", help="how long attackers soak (with --long)"
    )


def pytest_configure(config: pytest.Config) -> None:
    os.environ["ASL_NO_LISTEN"] = "1"  # `asl init` of a test hears no Common but where it means to
    if config.getoption("--long") and not config.getoption("--hypothesis-profile"):
        settings.load_profile("long")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As under `nohup … &`; what the tests start would inherit it and not hear Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="long: run with --long"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("lan") and (reason := why_no_namespaces()):
        pytest.skip(f"lan: {reason}")


@cache
def why_no_namespaces() -> str:
    """Why network namespaces cannot be made here, or "" when one was just made and removed."""
    if os.geteuid() != 0:
        return "needs root to make network namespaces"
    ip = shutil.which("ip")
    if ip is None:
        return "needs `ip`; install iproute2"
    name = f"asl-probe-{os.getpid()}"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"`ip netns add` fails: {made.stderr.strip() or made.returncode}"
    subprocess.run([ip, "netns", "delete", name], capture_output=True, check=False)
    return ""
