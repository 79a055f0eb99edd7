"""What the wheel holds besides the program: man pages and shell completion, where systems look for them."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import get_completion_class

from aslp2p.cli.man import write_pages

COMPLETIONS = {
    "bash": "share/bash-completion/completions/asl",
    "zsh": "share/zsh/site-functions/_asl",
    "fish": "share/fish/vendor_completions.d/asl.fish",
}
"""Below the prefix of an installation, by shell."""


def completion_source(main: click.Command, shell: str) -> str:
    """What makes `shell`, one of `COMPLETIONS`, complete `asl`."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click has all three
    return str(kind(main, {}, "asl", "_ASL_COMPLETE").source())


def ship(folder: Path) -> dict[str, str]:
    """Write all of it into `folder`; each file, and where it belongs below the prefix. Raises OSError."""
    from aslp2p.cli.group import main

    assert isinstance(main, click.Group)  # noqa: S101 - it is `asl`
    pages = write_pages(main, folder / "man")
    targets = {str(folder / "man" / name): f"share/man/man1/{name}" for name in pages}
    for shell, target in COMPLETIONS.items():
        (folder / shell).write_text(completion_source(main, shell), encoding="utf-8")
        targets[str(folder / shell)] = target
    return targets
