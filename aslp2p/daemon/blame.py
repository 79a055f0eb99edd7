"""Whom not to talk to for a while: peers that sent what no honest peer sends (G5). Pure: time is given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

PAUSE_S = 60.0
PAUSE_S_MAX = 3600.0
KEPT_MAX = 1024
FORGIVEN_AFTER = 4
"""Of its last pauses without new blame."""


class Blame:
    """Pauses by key or address: a minute at first, twice as long each time, an hour at most."""

    def __init__(self) -> None:
        self._pauses: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def put(self, who: Hashable, now: float) -> float:
        """Blame `who`; returns until when it is left alone, in the seconds of `now`."""
        until, pause = self._pauses.pop(who, (now, 0.0))
        if now > until + FORGIVEN_AFTER * pause:
            pause = 0.0
        pause = min(PAUSE_S_MAX, 2 * pause or PAUSE_S)
        self._pauses[who] = (now + pause, pause)
        if len(self._pauses) > KEPT_MAX:
            self._pauses.popitem(last=False)
        return now + pause

    def until(self, who: Hashable) -> float:
        """Until when `who` is left alone; in the past, or 0, when it is not."""
        return self._pauses.get(who, (0.0, 0.0))[0]
