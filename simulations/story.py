"""What happened when, in words: faults, new witnesses, what daemons tell their people."""

from __future__ import annotations

from collections import Counter

from aslp2p.core.effects import Effect, Publish
from simulations.machine import Node
from simulations.world import World

LINES_MAX = 400


class Story:
    """The lines of a report. Bounded: what repeats is counted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.lines: list[tuple[int, str]] = []
        self.takeovers: list[tuple[int, str, str]] = []
        """(when, by what, who) of each witness change, as first seen anywhere."""
        self.superseded: list[tuple[int, str, str]] = []
        self.left_out = 0
        self.notices: Counter[str] = Counter()
        self._seen: set[tuple[object, ...]] = set()
        self.heads: list[tuple[int, int]] = []
        """(when, height) at which a height was first reached anywhere."""

    def tell(self, who: str, text: str) -> None:
        if len(self.lines) < LINES_MAX:
            self.lines.append((self._world.now_ms, f"{who} {text}"))
        else:
            self.left_out += 1

    def hear(self, node: Node, effect: Effect) -> None:
        """Listen to what daemons publish."""
        if not isinstance(effect, Publish):
            return
        data = effect.data
        match effect.topic:
            case "witness":
                key = ("witness", data["height"], data["name"])
                if key not in self._seen:
                    self._seen.add(key)
                    self.takeovers.append((self._world.now_ms, data["by"], data["name"]))
                    self.tell(data["name"], f"is the witness since @{data['height']} ({data['by']})")
            case "notice":
                self.notices[data["code"]] += 1
                if data["code"] == "superseded":
                    self.superseded.append((self._world.now_ms, node.name, data["text"]))
                if data["code"] in (
                    "superseded",
                    "stale-key",
                    "stepped-down",
                    "recovery-proposed",
                    "rolled-back",
                ):
                    self.tell(node.name, f"says: {data['text']}")
            case "head":
                if not self.heads or data["height"] > self.heads[-1][1]:
                    self.heads.append((self._world.now_ms, data["height"]))
            case _:
                pass


def shown_time(milliseconds: int) -> str:
    """`3d 04:05:06.789`."""
    seconds, ms = divmod(milliseconds, 1000)
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    return f"{f'{days}d ' if days else ''}{h:02}:{m:02}:{s:02}.{ms:03}"
