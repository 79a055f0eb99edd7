"""The package says the same thing in every place, and its lock file names public sources only."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import aslp2p

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "uv.lock").read_text())


def requirement(text: str, extra: str = "") -> tuple[str, str, str]:
    """(name with its extras, version range, our extra that asks for it) of one requirement string."""
    name, specifier = re.fullmatch(r"([A-Za-z0-9._-]+(?:\[[a-z,-]+\])?)(.*)", text).groups()  # type: ignore[union-attr]
    return name.replace(".", "-").lower(), specifier, extra


def locked_requirement(entry: dict[str, Any]) -> tuple[str, str, str]:
    extras = f"[{','.join(entry['extras'])}]" if "extras" in entry else ""
    marker = re.fullmatch(r"extra == '([a-z-]+)'", entry.get("marker", ""))
    return entry["name"] + extras, entry.get("specifier", ""), marker[1] if marker else ""


def test_lock_file_answers_to_the_requirements_as_they_are(
    project: dict[str, Any], lock: dict[str, Any]
) -> None:
    wanted = {requirement(text) for text in project["dependencies"]}
    for extra, texts in project["optional-dependencies"].items():
        wanted |= {requirement(text, extra) for text in texts}
    (ours,) = (package for package in lock["package"] if package["name"] == "aslp2p")
    locked = {locked_requirement(entry) for entry in ours["metadata"]["requires-dist"]}
    assert locked == wanted
    assert lock["requires-python"] == project["requires-python"]


def test_lock_file_names_public_sources_only() -> None:
    hosts = set(re.findall(r"[a-z+]+://[^/\"]*", (ROOT / "uv.lock").read_text()))
    assert hosts == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_every_package_is_seen_by_the_import_rules() -> None:
    # import-linter walks regular packages only: without __init__.py a folder would escape the contracts.
    folders = {path.parent for path in (ROOT / "aslp2p").rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_the_build_asks_for_what_help_loads_as_the_program_does(project: dict[str, Any]) -> None:
    """Man pages are made while the wheel is built: of the same libraries, in the same versions."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    assert set(build["requires"][1:]) <= set(project["dependencies"])


def test_version_is_written_once(project: dict[str, Any]) -> None:
    assert "version" in project["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", aslp2p.__version__)


def test_changelog_knows_this_version_or_is_working_on_it() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert len(headings) == len(set(headings))
