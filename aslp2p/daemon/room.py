"""Back-pressure: how much may wait for a node's thread. Whoever finds no room waits in line, first come first
served, so one peer that floods takes its turn like all others (G5).
"""

from __future__ import annotations

from collections import deque

import trio


class Room:
    """Room for `items_max` items of `bytes_max` bytes together.

    What is larger than the whole room is let in alone, so nothing waits for ever.
    """

    def __init__(self, items_max: int, bytes_max: int) -> None:
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._line: deque[tuple[int, int, trio.Event]] = deque()
        self.items = 0
        self.bytes = 0

    async def take(self, items: int, size: int) -> None:
        """Wait for room for `items` items of `size` bytes together, and take it. `give` it back later."""
        if not self._line and self._fits(items, size):
            self._add(items, size)
            return
        place = (items, size, trio.Event())
        self._line.append(place)
        try:
            await place[2].wait()
        except trio.Cancelled:
            if place[2].is_set():
                self.give(items, size)
            else:
                self._line.remove(place)
                self._admit()
            raise

    def give(self, items: int, size: int) -> None:
        """Give back what `take` took."""
        self._add(-items, -size)
        self._admit()

    def _admit(self) -> None:
        while self._line and self._fits(*self._line[0][:2]):
            items, size, turn = self._line.popleft()
            self._add(items, size)
            turn.set()

    def _fits(self, items: int, size: int) -> bool:
        if not self.items:
            return True
        return self.items + items <= self._items_max and self.bytes + size <= self._bytes_max

    def _add(self, items: int, size: int) -> None:
        self.items += items
        self.bytes += size
