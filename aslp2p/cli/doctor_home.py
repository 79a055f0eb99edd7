"""What `asl doctor` looks at on this machine alone: home, key, configuration, disk, clock."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.findings import Checked, Grade
from aslp2p.errors import AslError
from aslp2p.home import Home
from aslp2p.limits import DISK_LOW_BYTES
from aslp2p.views.conditions.phrases import span

CLOCK_AHEAD_MS = 60_000
"""How much newer than this clock a snapshot may be: clocks of a household differ."""


def look_at_home(home: Home) -> Iterator[Checked]:
    """Who may look into it, its key, its configuration, the room on its disk."""
    from aslp2p.home.config import load_config
    from aslp2p.home.key import load_public_key

    for check, words, look in (
        ("permissions", f"{home} is private, and of this version", home.check),
        ("key", "nobody else can read the key", lambda: load_public_key(home)),
        ("configuration", "config.toml is read whole", lambda: load_config(home)),
    ):
        try:
            look()
        except AslError as error:
            yield Checked(check, Grade.BAD, error.message, error.remedy or f"correct {home.config}")
        else:
            yield Checked(check, Grade.OK, words)
    yield disk(shutil.disk_usage(home.path).free)


def disk(free_bytes: int) -> Checked:
    """The room that is left."""
    if free_bytes < DISK_LOW_BYTES:
        return Checked(
            "disk", Grade.BAD, f"{size_text(free_bytes)} are free", "make room: du -xh / | sort -h"
        )
    return Checked("disk", Grade.OK, f"{size_text(free_bytes)} are free")


def clock(commons: list[Mapping[str, Any]], now_ms: int | None = None) -> Iterator[Checked]:
    """This clock against the newest snapshots, which other machines have made; and whether it is kept."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    ahead = max((one["created_ms"] - now_ms for one in commons if one["height"] is not None), default=0)
    if ahead > CLOCK_AHEAD_MS:
        text = (
            f"the newest snapshot is {span(ahead)} ahead of this clock: this one, or the witness's, is wrong"
        )
        yield Checked("clock", Grade.BAD, text, "date; then: sudo timedatectl set-ntp true")
    elif _is_kept() is False:
        text = "this clock is not kept by a time server"
        yield Checked("clock", Grade.WARN, text, "sudo timedatectl set-ntp true")
    else:
        yield Checked("clock", Grade.OK, "no snapshot is newer than this clock")


def _is_kept() -> bool | None:
    """Whether a time server keeps the clock; None where nobody can say."""
    try:
        done = subprocess.run(
            ["timedatectl", "show", "--property=NTPSynchronized", "--value"],  # noqa: S607 - the system's own
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())
