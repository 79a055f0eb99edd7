"""The words of `docs/spec.md`, section 13: each term once, and the names of modules and classes held
to them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ROOT / "aslp2p"
SPEC = (ROOT / "docs" / "spec.md").read_text()
RULES = re.compile(r"(?:[APVFSG]\d+[ab]?|\d+(?:\.\d+)?)(?:, |$)")

NOT_SAID = {
    "hearing": "votes",
    "keyring": "promises",
    "paper": "certificates",
    "party": "machine",
    "seat": "role",
    "special": "certified",
    "town": "network",
    "travel": "transfer",
    "twin": "duplicate key",
    "vigil": "silence monitor",
}
"""What things were called once, and what they are called."""

PURE = ("artifacts", "core", "gossip", "ledger", "link")
"""The packages that hold what the words are about."""
SHARED = {"Content", "Record"}
"""Names of classes that two of these have. The glossary says of such a name which is meant. Take a name away
when it is one class's again, and add none."""


@cache
def glossary() -> list[tuple[str, str, str, str]]:
    table = SPEC.partition("## 13. Words")[2]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)
    return [row for row in rows if row[0] not in ("term", "---")]


@cache
def classes() -> dict[str, list[str]]:
    """Where each class of a module is defined."""
    found: dict[str, list[str]] = {}
    for path in sorted(PRODUCT.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(path.relative_to(PRODUCT).as_posix())
    return found


def homes(name: str) -> list[str]:
    """Where a class of this name is defined, or a union that is called so."""
    unions = [
        path.relative_to(PRODUCT).as_posix()
        for path in PRODUCT.rglob("*.py")
        if re.search(rf"^{name}: TypeAlias = ", path.read_text(), re.MULTILINE)
    ]
    return classes().get(name, []) + unions


def words(name: str) -> Iterator[str]:
    """The words of a module's or a class's name, in lower case and without the s of many."""
    for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name):
        yield word.lower()
        yield word.lower().removesuffix("s")


def test_each_term_is_there_once_and_in_order() -> None:
    terms = [term.lower() for term, *_ in glossary()]
    assert len(terms) > 40
    assert terms == sorted(set(terms))


@pytest.mark.parametrize("row", glossary(), ids=[term for term, *_ in glossary()])
def test_a_term_has_its_rule_and_its_one_home_in_the_code(row: tuple[str, str, str, str]) -> None:
    term, _, rules, code = row
    for rule in rules.split(", "):
        assert RULES.fullmatch(rule), rule
        heading = rf"^#+ {re.escape(rule)}[. ]" if rule[0].isdigit() else rf"^- \*\*{rule}\*\*"
        assert re.search(heading, SPEC, re.MULTILINE), f"{term}: there is no {rule}"
    for part in code.split(", "):
        name, of = re.fullmatch(r"`([\w./]+)`(?: of `([\w./]+)`)?", part).groups()  # type: ignore[union-attr]
        if name.endswith(".py"):
            assert (PRODUCT / name).is_file(), f"{term}: there is no {name}"
            continue
        places = homes(name)
        assert of in places if of else len(places) == 1, f"{term}: `{name}` is in {places}"


def test_the_terms_that_the_rules_define_are_in_the_glossary() -> None:
    """The text makes a term bold where it says what that is."""
    defined = set(re.findall(r"\*\*([a-z][a-z ]+)\*\*", SPEC))
    assert len(defined) >= 10
    assert defined <= {term for term, *_ in glossary()}


def test_no_module_and_no_class_is_called_by_a_word_that_was_given_up() -> None:
    modules = [path.stem for path in PRODUCT.rglob("*.py")] + [
        path.parent.name for path in PRODUCT.rglob("*.py")
    ]
    wrong = {
        name: NOT_SAID[word] for name in (*modules, *classes()) for word in words(name) if word in NOT_SAID
    }
    assert not wrong, "say it with the word beside it"


def test_a_name_is_one_class_where_the_rules_are() -> None:
    pure = {
        name: [place for place in places if place.startswith(PURE)]
        for name, places in classes().items()
        if not name.startswith("_")
    }
    shared = {name for name, places in pure.items() if len(places) > 1}
    assert shared - SHARED == set(), {name: pure[name] for name in shared - SHARED}
    assert SHARED - shared == set(), "these are one class's again"
