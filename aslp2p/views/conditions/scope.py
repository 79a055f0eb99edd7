"""Making conditions: which Common they are about, and how a command for it is typed."""

from __future__ import annotations

from typing import Any, NamedTuple

from aslp2p.views.conditions.phrases import quoted
from aslp2p.views.conditions.table import Condition


class Scope(NamedTuple):
    """A Common, or the machine."""

    name: str
    id: str
    flag: str = ""
    """What commands for it need at their end, where the home follows several."""

    @classmethod
    def of(cls, common: dict[str, Any], *, several: bool) -> Scope:
        """The Common that `status` tells of. Its id is unique where its name may not be."""
        flag = f" --common {common['id'][:12]}" if several and not common["default"] else ""
        return cls(common["name"], common.get("id", ""), flag)

    def typed(self, command: str, *names: str) -> str:
        """`asl COMMAND` with `names` as arguments, for this Common."""
        return " ".join(("asl", command, *map(quoted, names))) + self.flag

    def make(self, code: str, text: str, words: str = "", *commands: str, what: str = "") -> Condition:
        """A condition; `words` have a `{}` for each command, and without any the commands speak alone."""
        remedy = words.format(*commands) if words and commands else words or " or ".join(commands)
        return Condition(code, self.name, self.id, what, text, remedy, commands)


MACHINE = Scope("", "")
