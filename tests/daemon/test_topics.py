"""Every event that the core publishes has a topic that people can subscribe to."""

from __future__ import annotations

import ast
from pathlib import Path

import aslp2p.core
from aslp2p.daemon.daemon import TOPICS


def published() -> set[str]:
    """The first argument of every call of a method called `publish` in the core."""
    topics = set()
    for path in Path(aslp2p.core.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "publish":
                topic = node.args[0]
                assert isinstance(topic, ast.Constant), (
                    f"{path.name}:{node.lineno} publishes a variable topic"
                )
                topics.add(str(topic.value))
    return topics


def test_every_topic_of_the_core_is_announced() -> None:
    assert "head" in published()
    assert published() <= set(TOPICS)
