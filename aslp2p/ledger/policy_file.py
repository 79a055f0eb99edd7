"""The policy as a file (section 3): YAML in, `Policy` out (`policy_text` writes it).

The text is composed into YAML's node graph, not loaded: every node knows its line, so every mistake is one
error that names line, field and remedy, and nothing is guessed: `no` stays a word, a key given twice is a
mistake. `key: self` stands for this machine's own key.
"""

from __future__ import annotations

from typing import NoReturn

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from aslp2p.artifacts.keys import KEY_PREFIX, parse_key
from aslp2p.artifacts.text import name_problem, terminal_safe
from aslp2p.artifacts.types import Named, Policy
from aslp2p.errors import UsageError
from aslp2p.ledger.duration import FORM, duration_text, parse_duration
from aslp2p.ledger.policy_text import ROOT
from aslp2p.ledger.yaml_nodes import compose, shown
from aslp2p.limits import (
    AUTHORITIES_MAX,
    GRACE_PERIOD_MS_MAX,
    GRACE_PERIOD_MS_MIN,
    PROTOCOL_VERSION,
)

SELF = "self"
_TAG = "tag:yaml.org,2002:"
GRACE_PERIOD_MS_DEFAULT = 30 * 24 * 3600 * 1000


def parse_policy(text: str, *, source: str = "the policy", own_key: bytes | None = None) -> Policy:
    """The policy that `text` describes, held to P1. `source` is what errors call the file.

    Raises `UsageError` for the first mistake, with its line, its field and what to write instead.
    """
    return _File(source, own_key).policy(text)


class _File:
    """One file while it is read: its name for errors, and who `self` is."""

    def __init__(self, source: str, own_key: bytes | None) -> None:
        self._source = source
        self._own_key = own_key

    def policy(self, text: str) -> Policy:
        root = self._mapping(self._composed(text), "the file", (ROOT,))
        if ROOT not in root:
            self._wrong(None, ROOT, "is missing", f"begin the file with {ROOT}:")
        fields = self._mapping(
            root[ROOT], ROOT, ("witnesses", "threshold", "rotation", "participants", "protocol")
        )
        at = root[ROOT]
        witnesses = self._witnesses(self._required(fields, "witnesses", at, "list the authorities under it"))
        threshold = self._threshold(
            self._required(
                fields, "threshold", at, "write how many authorities have to sign, as in threshold: 2"
            ),
            len(witnesses),
        )
        allowed, grace_period_ms = self._rotation(fields.get("rotation"))
        participants = "invited"
        if node := fields.get("participants"):
            participants = self._word(node, "participants", ("invited", "authorities"))
        if node := fields.get("protocol"):
            self._word(node, "protocol", (str(PROTOCOL_VERSION),))
        return Policy(
            witnesses=witnesses,
            threshold=threshold,
            rotation_allowed=allowed,
            grace_period_ms=grace_period_ms,
            participants="authorities" if participants == "authorities" else "invited",
            protocol=PROTOCOL_VERSION,
        )

    # --- fields -----------------------------------------------------------------------------------

    def _witnesses(self, node: Node) -> tuple[Named, ...]:
        if not isinstance(node, SequenceNode):
            self._wrong(
                node,
                "witnesses",
                "is not a list",
                "write one `- domain: NAME` with its `key:` for each authority",
            )
        if not 1 <= len(node.value) <= AUTHORITIES_MAX:
            self._wrong(
                node,
                "witnesses",
                f"lists {len(node.value)} authorities",
                f"list 1 to {AUTHORITIES_MAX} of them",
            )
        witnesses: list[Named] = []
        for number, item in enumerate(node.value, 1):
            where = f"witnesses, number {number}"
            fields = self._mapping(item, where, ("domain", "key"))
            name = self._name(
                self._required(fields, "domain", item, "write the authority's name after domain:")
            )
            key_node = self._required(
                fields, "key", item, f"write the key that `asl self` prints on {name}'s machine"
            )
            key = self._key(key_node)
            for other in witnesses:
                if other.key == key:
                    self._wrong(
                        key_node,
                        "key",
                        f"is {other.name}'s as well; a key counts once (P5)",
                        f"ask {name} for `asl self`",
                    )
                if other.name == name:
                    self._wrong(
                        fields["domain"], "domain", f"says {name!r} twice", "give each authority its own name"
                    )
            witnesses.append(Named(name, key))
        return tuple(witnesses)

    def _name(self, node: Node) -> str:
        name = self._scalar(node, "domain", "write a name")
        if problem := name_problem(name):
            self._wrong(node, "domain", f"is {problem}", "write another name")
        return name

    def _key(self, node: Node) -> bytes:
        text = self._scalar(node, "key", f"write {KEY_PREFIX} and the key's digits")
        if text == SELF:
            if self._own_key is None:
                self._wrong(
                    node, "key", "is `self`, and no home is here to say whose", "write the key itself"
                )
            return self._own_key
        try:
            return parse_key(text)
        except UsageError as error:
            self._wrong(node, "key", f"cannot be used: {error.message}", error.remedy)

    def _threshold(self, node: Node, n: int) -> int:
        t = self._integer(node, "threshold", "write a whole number")
        least = n // 2 + 1
        if not 1 <= t <= n:
            self._wrong(
                node,
                "threshold",
                f"is {t} of {n} authorities",
                f"write {least} to {n}" if n > 1 else "write 1",
            )
        if 2 * t <= n:
            self._wrong(
                node,
                "threshold",
                f"is {t} of {n}: two groups of {t} could each appoint a witness, and that is a fork (P1)",
                f"write {least} or more",
            )
        return t

    def _rotation(self, node: Node | None) -> tuple[bool, int]:
        if node is None:
            return True, GRACE_PERIOD_MS_DEFAULT
        fields = self._mapping(node, "rotation", ("allowed", "grace_period"))
        allowed = True
        if at := fields.get("allowed"):
            allowed = self._word(at, "allowed", ("true", "false")) == "true"
        grace_period_ms = GRACE_PERIOD_MS_DEFAULT
        if at := fields.get("grace_period"):
            grace_period_ms = self._grace_period(at)
        return allowed, grace_period_ms

    def _grace_period(self, node: Node) -> int:
        text = self._scalar(node, "grace_period", f"write {FORM}")
        milliseconds = parse_duration(text)
        if milliseconds is None:
            self._wrong(node, "grace_period", f"is {shown(text)}, which is no duration", f"write {FORM}")
        if not GRACE_PERIOD_MS_MIN <= milliseconds <= GRACE_PERIOD_MS_MAX:
            low, high = duration_text(GRACE_PERIOD_MS_MIN), duration_text(GRACE_PERIOD_MS_MAX)
            self._wrong(node, "grace_period", f"is {text}", f"write a duration between {low} and {high}")
        return milliseconds

    # --- nodes ------------------------------------------------------------------------------------

    def _composed(self, text: str) -> Node:
        node = compose(text, self._source, "see `asl policy check --help` for an example")
        if node is None:
            self._wrong(None, ROOT, "is missing: the file is empty", f"begin the file with {ROOT}:")
        return node

    def _mapping(self, node: Node, where: str, allowed: tuple[str, ...]) -> dict[str, Node]:
        if not isinstance(node, MappingNode):
            self._wrong(
                node, where, "is not a mapping", f"write {', '.join(f'{name}:' for name in allowed)} under it"
            )
        fields: dict[str, Node] = {}
        for key, value in node.value:
            name = self._scalar(key, where, "write words before each colon")
            if name not in allowed:
                self._wrong(key, shown(name), f"is no field of {where}", f"there is {', '.join(allowed)}")
            if name in fields:
                self._wrong(key, name, "is given twice", "remove one of them")
            if value.value == "":
                value.start_mark = key.start_mark  # where nothing is written, YAML points at what follows
            fields[name] = value
        return fields

    def _required(self, fields: dict[str, Node], name: str, parent: Node, remedy: str) -> Node:
        if name not in fields:
            self._wrong(parent, name, "is missing", remedy)
        return fields[name]

    def _scalar(self, node: Node, field: str, remedy: str) -> str:
        if not isinstance(node, ScalarNode) or str(node.value) == "":
            self._wrong(
                node, field, "has no value" if isinstance(node, ScalarNode) else "is not one value", remedy
            )
        return str(node.value)

    def _integer(self, node: Node, field: str, remedy: str) -> int:
        text = self._scalar(node, field, remedy)
        if str(node.tag) != f"{_TAG}int" or not text.isascii() or not text.isdigit() or len(text) > 9:
            self._wrong(node, field, f"is {shown(text)}, which is no whole number", remedy)
        return int(text)

    def _word(self, node: Node, field: str, allowed: tuple[str, ...]) -> str:
        remedy = f"write {' or '.join(allowed)}"
        text = self._scalar(node, field, remedy)
        if text not in allowed:
            self._wrong(node, field, f"is {shown(text)}", remedy)
        return text

    def _wrong(self, node: Node | None, field: str, what: str, remedy: str) -> NoReturn:
        line = f"line {node.start_mark.line + 1}: " if node is not None else ""
        raise UsageError(f"{terminal_safe(self._source)}: {line}{field} {what}", remedy=remedy)
