"""A YAML text as its graph of nodes, for files that people write: policies and scenarios.

Composed, not loaded: every node knows its line, and nothing is guessed. Whatever the text holds, the answer
is the graph or one `UsageError` of one line that names file, line and remedy, within a second: how deep and
how much a text may hold is bounded while it is read, since the reader's time grows with both together.
"""

from __future__ import annotations

from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, ComposerError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner, ScannerError

from aslp2p.artifacts.text import terminal_safe
from aslp2p.errors import UsageError
from aslp2p.limits import YAML_CHARS_MAX

DEPTH_MAX = 16
"""Of nodes inside each other; a policy needs 5."""
TOO_DEEP = f"more than {DEPTH_MAX} lists and mappings inside each other"
NODES_MAX = 2_000
"""A policy of 32 authorities has 150."""
SHOWN_CHARS_MAX = 60
PROBLEM_CHARS_MAX = 200


class _Scanner(Scanner):
    """Looks a line ahead, and at every open bracket for each token in it: so it counts them itself."""

    def fetch_more_tokens(self) -> Any:
        if self.flow_level > DEPTH_MAX:
            raise ScannerError(None, None, TOO_DEEP, self.reader.get_mark())
        return super().fetch_more_tokens()


class _Composer(Composer):
    """Stops a text that is too deep or too long for what people write, and names used again."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader=loader)
        self._depth = 0
        self._nodes = 0

    def get_single_node(self) -> Any:
        try:
            return super().get_single_node()
        except AssertionError as error:  # the version in `%YAML 1.3`
            problem = str(error)
        except (ValueError, ArithmeticError):
            problem = "an escape or a number beyond all that there is"
        raise ComposerError(None, None, problem, self.loader.reader.get_mark())

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        self._depth += 1
        self._nodes += 1
        if self._depth > DEPTH_MAX:
            _stop(TOO_DEEP, event)
        if self._nodes > NODES_MAX:
            _stop(f"more than {NODES_MAX} values", event)
        if not isinstance(event, AliasEvent) and event.anchor in self.anchors:
            _stop(f"the name &{event.anchor} is given twice", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _stop(problem: str, event: Any) -> NoReturn:
    raise ComposerError(None, None, problem, event.start_mark)


def compose(text: str, source: str, remedy: str) -> Node | None:
    """The root of what `text` holds; None: nothing.

    `source` is what an error calls the file, `remedy` what it says to do. Raises `UsageError`.
    """
    if len(text) > YAML_CHARS_MAX:
        raise UsageError(
            f"{terminal_safe(source)}: the file has more than {YAML_CHARS_MAX} characters", remedy=remedy
        )
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner, yaml.Composer = _Scanner, _Composer
    try:
        node: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _refuse(source, mark.line + 1, " ".join(filter(None, (error.context, error.problem))), remedy)
    except ReaderError as error:  # a character that YAML does not have
        place = error.position
        problem = f"it holds the character U+{ord(text[place]):04X}"
        _refuse(source, text.count("\n", 0, place) + 1, problem, remedy)
    return node


def _refuse(source: str, line: int, problem: str, remedy: str) -> NoReturn:
    words = terminal_safe(" ".join(problem.split())[:PROBLEM_CHARS_MAX]) or "it cannot be read"
    raise UsageError(
        f"{terminal_safe(source)}: line {line}: this is no YAML: {words}", remedy=remedy
    ) from None


def shown(text: str) -> str:
    """What an error quotes of a file: in quotes, nothing that a terminal obeys, and not long."""
    safe = terminal_safe(text[: SHOWN_CHARS_MAX + 1])
    return f"'{safe[:SHOWN_CHARS_MAX]}…'" if len(safe) > SHOWN_CHARS_MAX else f"'{safe}'"
