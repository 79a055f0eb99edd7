"""Reading a YAML file so that every mistake is one line that names file, line and what is allowed.

The text is composed into YAML's node graph, not loaded: each node knows its line, a key given twice is a
mistake, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from aslp2p.artifacts.text import terminal_safe
from aslp2p.errors import UsageError
from aslp2p.ledger import yaml_nodes
from aslp2p.ledger.duration import FORM, parse_duration
from aslp2p.ledger.yaml_nodes import shown

RANGE = re.compile(r"(\S+?)\.\.(\S+)")


class Fields:
    """One mapping of the file: each field is taken once, and what nobody takes is a mistake."""

    def __init__(self, node: Node, where: str, source: str) -> None:
        self._node = node
        self._source = source
        self.where = where
        self._nodes: dict[str, tuple[Node, Node]] = {}
        self._allowed: list[str] = []
        if not isinstance(node, MappingNode):
            self.wrong(node, f"{where} is not a mapping", "write `name: value` under it")
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.wrong(key, f"{where} has a name that is not one word", "write a word before each colon")
            name = str(key.value)
            if name in self._nodes:
                self.wrong(key, f"{shown(name)} is given twice in {where}", "remove one of them")
            self._nodes[name] = (key, value)

    def wrong(self, node: Node | None, what: str, remedy: str) -> NoReturn:
        """Raises `UsageError` for the line of `node`."""
        line = f"line {(node or self._node).start_mark.line + 1}: "
        raise UsageError(f"{terminal_safe(self._source)}: {line}{what}", remedy=remedy)

    def finish(self) -> None:
        """Raises `UsageError` for the first field that nobody has asked for."""
        for name, (key, _) in self._nodes.items():
            if name not in self._allowed:
                self.wrong(
                    key,
                    f"{shown(name)} is no field of {self.where}",
                    f"there is {', '.join(sorted(self._allowed))}",
                )

    def has(self, name: str) -> bool:
        return name in self._nodes

    def is_mapping(self, name: str) -> bool:
        return name in self._nodes and isinstance(self._nodes[name][1], MappingNode)

    def node(self, name: str) -> Node | None:
        self._allowed.append(name)
        found = self._nodes.get(name)
        return None if found is None else found[1]

    def require(self, name: str, remedy: str) -> Node:
        node = self.node(name)
        if node is None:
            self.wrong(None, f"{self.where} has no {name}", remedy)
        return node

    # --- values -------------------------------------------------------------------------------------

    def text(self, name: str, default: str = "") -> str:
        node = self.node(name)
        return default if node is None else self._scalar(node, name)

    def word(self, name: str, allowed: Sequence[str], default: str) -> str:
        node = self.node(name)
        if node is None:
            return default
        text = self._scalar(node, name)
        if text not in allowed:
            self.wrong(node, f"{name} is {shown(text)}", f"write one of {', '.join(allowed)}")
        return text

    def truth(self, name: str, default: bool) -> bool:
        return self.word(name, ("true", "false"), "true" if default else "false") == "true"

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        node = self.node(name)
        if node is None:
            return default
        text = self._scalar(node, name)
        if not re.fullmatch(r"-?[0-9]{1,12}", text) or not low <= int(text) <= high:
            self.wrong(node, f"{name} is {shown(text)}", f"write a whole number from {low} to {high}")
        return int(text)

    def chance(self, name: str, default: float = 0.0) -> float:
        node = self.node(name)
        if node is None:
            return default
        text = self._scalar(node, name)
        if not re.fullmatch(r"[01](\.[0-9]{1,9})?", text) or float(text) > 1:
            self.wrong(node, f"{name} is {shown(text)}", "write a chance from 0 to 1, as in 0.05")
        return float(text)

    def duration(self, name: str, default: int, *, signed: bool = False) -> int:
        node = self.node(name)
        return default if node is None else self._duration(node, name, self._scalar(node, name), signed)

    def durations(self, name: str, default: tuple[int, int]) -> tuple[int, int]:
        """`5m`, or a range that is drawn from: `1m..1h`; in milliseconds."""
        node = self.node(name)
        if node is None:
            return default
        text = self._scalar(node, name)
        if (two := RANGE.fullmatch(text)) is None:
            one = self._duration(node, name, text, False)
            return one, one
        low, high = (self._duration(node, name, part, False) for part in two.groups())
        if low > high:
            self.wrong(
                node, f"{name} is {shown(text)}: it ends before it begins", "write the shorter one first"
            )
        return low, high

    def counts(self, name: str, default: tuple[int, int] | None) -> tuple[int, int] | None:
        """`1`, or `1..3`."""
        node = self.node(name)
        if node is None:
            return default
        text = self._scalar(node, name)
        found = re.fullmatch(r"([0-9]{1,6})(?:\.\.([0-9]{1,6}))?", text)
        if found is None:
            self.wrong(node, f"{name} is {shown(text)}", "write a number, or two as in 1..3")
        low = int(found[1])
        high = int(found[2] or low)
        if low > high:
            self.wrong(
                node, f"{name} is {shown(text)}: it ends before it begins", "write the smaller one first"
            )
        return low, high

    def _duration(self, node: Node, name: str, text: str, signed: bool) -> int:
        negative = text.startswith("-")
        found = parse_duration(text[1:] if negative and signed else text)
        if found is None:
            extra = ", with - before it to go back" if signed else " (none is negative)"
            self.wrong(node, f"{name} is {shown(text)}, which is no duration", f"write {FORM}{extra}")
        return -found if negative else found

    def _scalar(self, node: Node, name: str) -> str:
        if not isinstance(node, ScalarNode) or str(node.value) == "":
            self.wrong(node, f"{name} is not one value", "write one value after the colon")
        return str(node.value)

    # --- what is inside -----------------------------------------------------------------------------

    def fields(self, name: str) -> Fields | None:
        node = self.node(name)
        return None if node is None else Fields(node, name, self._source)

    def each(self, name: str) -> list[Fields]:
        """The mappings of a list; none if there is no such field."""
        node = self.node(name)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self.wrong(node, f"{name} is not a list", "begin each of its lines with `- `")
        return [
            Fields(item, f"{name}, number {place}", self._source) for place, item in enumerate(node.value, 1)
        ]


def compose(text: str, source: str) -> Fields:
    """The file's root. Raises `UsageError`."""
    remedy = "see docs/simulations.md for an example"
    node = yaml_nodes.compose(text, source, remedy)
    if node is None:
        raise UsageError(f"{terminal_safe(source)}: the file is empty", remedy=remedy)
    return Fields(node, "the scenario", source)
