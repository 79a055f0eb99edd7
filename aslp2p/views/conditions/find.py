"""All conditions that hold now, by what `status` answers; and which of them are worth saying."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aslp2p.views.conditions.links import of_links, of_office, signers
from aslp2p.views.conditions.machine import of_machine
from aslp2p.views.conditions.notes import (
    another_common,
    few_copies,
    finality,
    folders,
    of_history,
    one_authority,
    pinned,
)
from aslp2p.views.conditions.scope import Scope
from aslp2p.views.conditions.silence import silence, witness_away, witness_full
from aslp2p.views.conditions.table import KINDS, Condition, condition_json
from aslp2p.views.conditions.trouble import decisions, of_node, unreadable

_ORDER = {code: place for place, code in enumerate(KINDS)}


def find(answer: dict[str, Any]) -> list[Condition]:
    """Every condition that holds, whatever its age and whatever explains it, in the order of the table."""
    commons: list[dict[str, Any]] = answer["commons"]
    found = list(of_machine(answer))
    for common in commons:
        scope = Scope.of(common, several=len(commons) > 1)
        found += of_common(answer, {**common, "live": common.get("live") or {}}, scope)
    return sorted(found, key=lambda one: _ORDER[one.code])


def of_common(answer: dict[str, Any], common: dict[str, Any], scope: Scope) -> Iterator[Condition]:
    """Those of one Common."""
    runs = answer["daemon"] is not None
    yield from unreadable(common, scope, runs=runs)
    yield from of_node(common["live"], scope)
    if not common.get("fault") and runs and common["live"]:
        yield from of_links(common, scope)
    yield from folders(common, scope)
    yield from few_copies(common["live"], scope)
    if common["height"] is None:
        return
    yield from decisions(common, scope)
    yield from signers(common, scope)
    yield from of_history(common, scope)
    yield from pinned(common, scope)
    yield from one_authority(common, scope)
    if not runs:
        return
    yield from silence(common, scope)
    yield from witness_full(common, scope)
    yield from witness_away(common, scope)
    yield from of_office(common["live"], common, scope)
    yield from finality(common, scope)
    yield from another_common(answer, common, scope)


def judge(found: Iterable[Condition], lasted_ms: Mapping[str, int]) -> list[Condition]:
    """Those worth saying: what has lasted long enough (by key; 0 where it is not known), and what no other
    condition of the same Common, or of the machine, explains."""
    found = list(found)
    holding = {(one.id, one.code) for one in found}
    return [
        one
        for one in found
        if lasted_ms.get(one.key, 0) >= one.kind.after_s * 1000
        and not any((id_, code) in holding for code in one.kind.under for id_ in (one.id, ""))
    ]


class Lasting:
    """Since when each condition holds, as far as somebody looked."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def look(self, answer: dict[str, Any], now_ms: int) -> list[dict[str, Any]]:
        """The conditions worth saying now, as JSON; `now_ms` is of a clock that only goes forward."""
        found = find(answer)
        self._since = {one.key: self._since.get(one.key, now_ms) for one in found}
        lasted = {key: now_ms - since for key, since in self._since.items()}
        return [condition_json(one, lasted[one.key]) for one in judge(found, lasted)]
