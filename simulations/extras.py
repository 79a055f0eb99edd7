"""Packages that only some commands need, asked for before any work begins."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from aslp2p.errors import UsageError


def require(package: str, extra: str) -> Any:
    """The module `package`, which the extra `extra` installs. Raises `UsageError` with what to type."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UsageError(
            f"this needs {package.partition('.')[0]}",
            remedy=f"install it: .venv/bin/pip install '.[{extra}]'",
        ) from None


def require_drawing(path: Path) -> None:
    """That a picture can be drawn and has a folder to go to. Raises `UsageError`."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", remedy="give a file in a folder that exists")
    require("matplotlib.figure", "sim")


def blank_figure(**options: Any) -> Any:
    """A figure that knows how to be written, of whatever size and layout. Raises `UsageError`."""
    canvas = require("matplotlib.backends.backend_agg", "sim").FigureCanvasAgg
    figure = require("matplotlib.figure", "sim").Figure(layout="constrained", **options)
    canvas(figure)
    return figure
