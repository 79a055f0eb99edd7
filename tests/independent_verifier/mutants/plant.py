"""A copy of the verifier's modules with a few characters of one changed, in this process only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from tests.independent_verifier.answers import FILES, MODULES, Reading, independent

HERE = Path(__file__).parents[1]
PACKAGE = "tests.independent_verifier"
COPY = "mutated_verifier"


class Mutant(NamedTuple):
    """In `module`, `old` becomes `new`; `by` is the vector that notices, as "histories: a put"."""

    module: str
    old: str
    new: str
    by: str = ""


class DoesNotApply(Exception):
    """The source is not what the mutant was written for."""


def changed(mutant: Mutant) -> str:
    """The source of its module with the mistake; raises `DoesNotApply` unless `old` is there exactly once."""
    source = (HERE / f"{mutant.module}.py").read_text(encoding="utf-8")
    if (found := source.count(mutant.old)) != 1:
        raise DoesNotApply(f"{mutant.module}: {mutant.old!r} is there {found} times")
    return source.replace(mutant.old, mutant.new)


@contextmanager
def planted(mutant: Mutant) -> Iterator[Reading]:
    """A verifier with the mistake: its module and those above it are compiled anew, under another name."""
    source = changed(mutant)
    real, first = independent(), MODULES.index(mutant.module)
    modules = [*real[:first]]
    package = ModuleType(COPY)
    package.__path__ = []
    sys.modules[COPY] = package
    try:
        for name, module in zip(MODULES, modules, strict=False):
            sys.modules[f"{COPY}.{name}"] = module
        for name in MODULES[first:]:
            text = source if name == mutant.module else (HERE / f"{name}.py").read_text(encoding="utf-8")
            module = ModuleType(f"{COPY}.{name}")
            sys.modules[module.__name__] = module
            exec(compile(text.replace(PACKAGE, COPY), f"<{name}>", "exec"), module.__dict__)
            modules.append(module)
        yield Reading(*modules)
    finally:
        for name in [name for name in sys.modules if name == COPY or name.startswith(f"{COPY}.")]:
            del sys.modules[name]


def notices(reading: Reading, by: str) -> bool:
    """Whether the named vector is answered otherwise than it is published."""
    file, name = by.split(": ", 1)
    asked = [one for one in FILES[f"{file}.json"](reading) if one.name == name]
    if not asked:
        raise DoesNotApply(f"there is no vector {by!r}")
    return not all(one.is_answered() for one in asked)


def who_notices(reading: Reading) -> str | None:
    """The first vector of all that is answered otherwise."""
    for file, questions in FILES.items():
        for one in questions(reading):
            if not one.is_answered():
                return f"{file.removesuffix('.json')}: {one.name}"
    return None
