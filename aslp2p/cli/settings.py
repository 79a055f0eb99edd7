"""What the options that every command takes were set to."""

from __future__ import annotations

import click


class Settings:
    """One run of `asl`."""

    def __init__(self) -> None:
        self.home: str | None = None
        self.common = ""
        self.json = False
        self.debug = False


pass_settings = click.make_pass_decorator(Settings, ensure=True)
