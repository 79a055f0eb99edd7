"""Whoever has only the specification answers every vector as it is published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.independent_verifier.answers import FILES, MODULES, independent

ROOT = Path(__file__).parents[2]


def test_the_verifier_imports_nothing_of_us() -> None:
    for name in MODULES:
        module = f"tests.independent_verifier.{name}"
        loaded = f"import sys, {module}; print(*(name for name in sys.modules if 'aslp2p' in name))"
        done = subprocess.run(
            [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "", module


@pytest.mark.parametrize("file", FILES)
def test_every_vector_is_answered_as_published(file: str) -> None:
    questions = list(FILES[file](independent()))
    assert [(one.name, one.published, one.ask()) for one in questions if not one.is_answered()] == []
    assert questions
