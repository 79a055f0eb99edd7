"""What a node remembers of its certificates is what it would work out anew, whatever happens to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from aslp2p.core.memo import Memo
from simulations import swarm
from simulations.result import run

SEEDS = (1, 8, 14, 18)


def test_no_remembered_answer_is_out_of_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is worked out a second time, in worlds with partitions, liars, floors and retired keys."""
    remembers = Memo.ask
    asked: Counter[Any] = Counter()

    def checked(memo: Memo, question: Any, work: Callable[[], Any]) -> Any:
        answer = remembers(memo, question, work)
        assert answer == work(), question
        asked[question if isinstance(question, str) else question[0]] += 1
        return answer

    monkeypatch.setattr(Memo, "ask", checked)
    for seed in SEEDS:
        assert run(swarm.draw(seed), seed).outcome == "held"
    questions = {"open", "takeovers", "attempts", "ready", "superseded by", "can", "may ride"}
    assert not questions - asked.keys()
