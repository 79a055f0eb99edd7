"""What the core publishes can be heard: mypy holds each `publish` to `Topic`, this the rest to `Topic`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from aslp2p.core.effects import Topic
from aslp2p.daemon.control_events import EventSource
from aslp2p.daemon.daemon import TOPICS

DOCUMENT = Path(__file__).parents[2] / "docs" / "control.md"


def test_every_topic_of_the_core_has_an_event() -> None:
    events = EventSource(TOPICS)
    for topic in get_args(Topic):
        events.publish(topic)


def test_the_document_lists_every_topic_and_no_other() -> None:
    _, _, table = DOCUMENT.read_text().partition("| topic | event |\n")
    rows = re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)
    assert sorted(rows) == sorted(TOPICS)
