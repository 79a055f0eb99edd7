"""`asl df`: what uses the disk of this Common."""

from __future__ import annotations

import shutil
from collections import Counter

import click

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.files import listing
from aslp2p.cli.group import Command
from aslp2p.cli.keep import keeps_everything, kept_here, kept_words
from aslp2p.cli.output import count_text, say, say_json, table
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import Source, existing_home, open_source, pages
from aslp2p.limits import DISK_LOW_BYTES

_FOLDERS_SHOWN = 20
_TOP = "(top)"
"""What files in no folder are shown under; no folder has brackets in the place of its slash."""
_WORDS = {
    "current": "of this version",
    "older": "of older versions only",
    "pending": "waits for the witness",
    "elsewhere": "not on this machine",
    "erased": "erased",
}


@click.command("df", cls=Command)
@pass_settings
def df_command(settings: Settings) -> None:
    """Show what uses the disk: this version by its top folders, older versions, what waits.

    Each content is counted once, however many files hold it; the history itself is small and not in it.
    """
    with open_source(settings) as source:
        uses = _uses(source)
        folders = _folders(source)
    keep = kept_here(settings)["keep"]
    free = shutil.disk_usage(str(existing_home(settings))).free
    if settings.json:
        uses_json = {kind: {"contents": count, "bytes": size} for kind, (count, size) in uses.items()}
        say_json({**uses_json, "folders": folders, "keep": keep, "free": free})
        return
    rows = [
        (size_text(size), count_text(count, "content"), _WORDS[kind])
        for kind, (count, size) in uses.items()
        if count or kind == "current"
    ]
    largest = sorted(folders.items(), key=lambda one: (-one[1], one[0]))
    rows += [(size_text(size), "", folder) for folder, size in largest[:_FOLDERS_SHOWN]]
    if len(largest) > _FOLDERS_SHOWN:
        rest = sum(size for _, size in largest[_FOLDERS_SHOWN:])
        rows.append((size_text(rest), "", f"{len(largest) - _FOLDERS_SHOWN} more folders"))
    table(rows)
    if not keeps_everything(keep):
        say(f"This machine keeps {kept_words(keep)}. To free that now: asl prune")
    elif free < DISK_LOW_BYTES:
        say("To keep less of it on this machine: asl keep current")


def _uses(source: Source) -> dict[str, tuple[int, int]]:
    """How many contents there are of each kind, and how large they are."""
    counts, sizes = Counter[str](), Counter[str]()
    known: set[str] = set()
    for one in pages(source, "content.held", "contents"):
        kind = (
            "erased"
            if one["erased"]
            else "elsewhere"
            if not one["here"]
            else "current"
            if one["paths"]
            else "older"
        )
        counts[kind] += 1
        sizes[kind] += 0 if one["erased"] else one["size"]
        known.add(one["content"])
    for one in source.ask("content.waiting")["contents"]:
        if one["content"] not in known:
            counts["pending"] += 1
            sizes["pending"] += one["size"]
    return {kind: (counts[kind], sizes[kind]) for kind in _WORDS}


def _folders(source: Source) -> dict[str, int]:
    """The bytes of this version by top folder, each content once in a folder."""
    sizes: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for entry in listing(source, "", None):
        top, slash, _ = entry["path"].partition("/")
        folder = f"{top}/" if slash else _TOP
        if (folder, entry["content"]) not in seen:
            seen.add((folder, entry["content"]))
            sizes[folder] += entry["size"]
    return dict(sorted(sizes.items()))
