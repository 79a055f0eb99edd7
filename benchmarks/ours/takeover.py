"""Five authorities, 3 of 5, that replace a silent witness by themselves: `grace_period` 1 s, mode `auto`.

Here the log also lists successions, and puts of a killed witness's time come out of order, so a node is asked
which entries it shows whenever it says that its head moved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.cluster import NODES, BenchmarkError, key_of
from benchmarks.ours.homes import Household, found
from benchmarks.ours.nodes import AslCluster, wait_for

GRACE_PERIOD_MS = 1000
THRESHOLD = NODES // 2 + 1
MODE = '[recovery]\nmode = "auto"\n'


class TakeoverCluster(AslCluster):
    """`Cluster` for takeovers; see the module's docstring."""

    def _found(self, directory: Path) -> Household:
        household = found(
            directory, NODES, authorities=NODES, threshold=THRESHOLD, grace_period_ms=GRACE_PERIOD_MS
        )
        for home in household.homes:
            home.config.write_text(MODE)
        return household

    def _note(self, node: int, size: int) -> None:
        answer = self._ask(node, "ls", prefix="b", after=key_of(self._shown[node]))
        for entry in answer["entries"] if answer else ():
            sequence = int(entry["path"].removeprefix("b/"))
            self._news.append((node, sequence))
            self._shown[node] = max(self._shown[node], sequence)

    def orderer(self) -> int:
        """The witness of one head that all show, all linked, nothing pending, and as final as it gets."""
        found: list[str] = []

        def settled() -> bool:
            answers = [self._ask(node, "summary") for node in self._nodes]
            if not all(answers) or len({answer["head"] for answer in answers}) != 1:
                return False
            found[:] = [answers[0]["witness"]["key"]]
            return all(_is_quiet(answer) for answer in answers)

        self._wait_linked()
        wait_for("one head, all final", settled, self._nodes.values())
        for node, home in enumerate(self._household.keys):
            if found[0].endswith(home.key.hex()):
                return node
        raise BenchmarkError(f"the witness is none of ours: {found[0]}")


def _is_quiet(summary: dict[str, Any]) -> bool:
    return not summary["pending"] and summary["final"] == summary["height"] == summary["audited"]
