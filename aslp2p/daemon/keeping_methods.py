"""The control methods about what this machine keeps, who has what, and fetching it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio

from aslp2p.artifacts.keys import key_text
from aslp2p.core.holding import State
from aslp2p.core.inputs import AskHolders, DecideKeep, Fetch, HeardHolders, HowPruned, PinPaths, Prune
from aslp2p.daemon.asked import AskedNode
from aslp2p.errors import UsageError
from aslp2p.ledger.keeping import FORM, META_PINS, Pin, decode_pins, make_keep, make_pin
from aslp2p.ledger.reader import Reader
from aslp2p.limits import COPIES_DEFAULT, COPIES_MAX, PATTERNS_MAX, PINS_MAX
from aslp2p.views.actions import Uint, parse_id
from aslp2p.views.people import members
from aslp2p.views.queries import listed
from aslp2p.views.view import View

ANSWERS_S = 5.0
"""How long the answers of members are waited for."""
_LOOK_S = 0.05
AWAY, SILENT = "away", "silent"
"""Not linked now; linked, and it has not answered."""


class KeepingMethods:
    """`node` resolves what a person calls a Common; `view` is one of a store."""

    def __init__(self, node: Callable[[str], AskedNode], view: Callable[[Reader], View]) -> None:
        self._node = node
        self._view = view

    def table(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """Every method by its name."""
        return {
            "keep": self.keep,
            "keep.forget": self.forget,
            "pins.add": self.pins_add,
            "pins.remove": self.pins_remove,
            "prune": self.prune,
            "prune.state": self.prune_state,
            "holders": self.holders,
            "contents.fetch": self.fetch,
        }

    async def keep(
        self,
        versions: str,
        only: list[str],
        excluded: list[str],
        copies: int = COPIES_DEFAULT,
        common: str = "",
    ) -> dict[str, Any]:
        """Keep so much from now on, whatever the configuration says."""
        try:
            keep = make_keep(versions, only, excluded, copies)
        except ValueError as error:
            raise UsageError(
                f"this cannot be kept to: {error}",
                remedy=f"how long is {FORM}; patterns are as in .gitignore, {PATTERNS_MAX} at most; "
                f"copies are 1 to {COPIES_MAX}",
            ) from None
        await self._node(common).command(DecideKeep(keep))
        return {}

    async def forget(self, common: str = "") -> dict[str, Any]:
        """Keep again what the configuration says."""
        await self._node(common).command(DecideKeep(None))
        return {}

    async def pins_add(self, path: str, at: Uint = 0, common: str = "") -> dict[str, Any]:
        """Keep what is at `path` and below it; of version `at`, or (0) of the newest one."""
        node = self._node(common)
        pins = await node.query(_pins)
        await self._pin(node, [*pins, _pin(path, at)])
        return {}

    async def pins_remove(self, path: str, at: Uint = 0, common: str = "") -> dict[str, Any]:
        """Whether that was pinned; it is no more."""
        node = self._node(common)
        pins = await node.query(_pins)
        gone = _pin(path, at)
        if gone in pins:
            await self._pin(node, [one for one in pins if one != gone])
        return {"pinned": gone in pins}

    async def _pin(self, node: AskedNode, pins: Sequence[Pin]) -> None:
        if len(set(pins)) > PINS_MAX:
            raise UsageError(f"{PINS_MAX} paths are pinned already", remedy="see them: asl pin")
        await node.command(PinPaths(tuple(pins)))

    async def prune(self, dry: bool = False, common: str = "") -> dict[str, Any]:
        """Begin to let go what may go; `dry`: only to know."""
        await self._node(common).command(Prune(dry))
        return {}

    async def prune_state(self, common: str = "") -> dict[str, Any]:
        """How far that is, and how the last one ended."""
        state: dict[str, Any] = await self._node(common).command(HowPruned())
        return state

    async def fetch(self, contents: list[tuple[str, Uint]], common: str = "") -> dict[str, Any]:
        """Fetch `contents`, id and size of each, although they are not kept here; for a day they stay.
        `peers`: how many are linked."""
        node = self._node(common)
        await node.command(Fetch(tuple(listed(contents))))
        return {"peers": len(node.live().get("links", ()))}

    async def holders(self, id: str, common: str = "") -> dict[str, Any]:
        """What each member says of a content: waits until those that are linked have answered, for
        `ANSWERS_S` at most."""
        node, content = self._node(common), parse_id(id)
        await node.command(AskHolders(content))
        said: dict[bytes, int] = {}
        silent: list[bytes] = []
        with trio.move_on_after(ANSWERS_S):
            while True:
                said, silent = await node.command(HeardHolders(content))
                if not silent:
                    break
                await trio.sleep(_LOOK_S)
        states = {key_text(key): _word(state) for key, state in said.items()}
        states.update((key_text(key), SILENT) for key in silent)

        def named(reader: Reader) -> list[dict[str, Any]]:
            admitted = [one for one in members(self._view(reader))["members"] if one["status"] == "admitted"]
            parts = ("key", "name", "shown", "self")
            return [
                {**{part: one[part] for part in parts}, "state": states.get(one["key"], AWAY)}
                for one in admitted
            ]

        return {"members": await node.query(named)}


def _word(state: int) -> str:
    known = {one.value for one in State}
    return State(state if state in known else 0).name.lower()


def _pins(reader: Reader) -> tuple[Pin, ...]:
    return decode_pins(reader.meta(META_PINS))


def _pin(path: str, at: int) -> Pin:
    try:
        return make_pin(path, at)
    except ValueError:
        raise UsageError(f"{path!r} is no path") from None
