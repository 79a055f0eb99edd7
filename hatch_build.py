"""Puts man pages and shell completion into the wheel, made from the same source as `asl --help`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Shipped(BuildHookInterface):
    """`share/man/man1/asl*.1` and the completion files of bash, zsh and fish."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from aslp2p.cli.shipped import ship

        self._folder = tempfile.TemporaryDirectory()  # until the wheel is written
        build_data["shared_data"].update(ship(Path(self._folder.name)))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._folder.cleanup()
