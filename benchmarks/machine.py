"""What the figures were taken on: without it they say nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from pathlib import Path


def machine(place: Path) -> dict[str, str]:
    """Processor, cores, memory, kernel, Python, SQLite, and the file system that holds `place`."""
    model = _field(Path("/proc/cpuinfo"), "model name")
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "memory": _field(Path("/proc/meminfo"), "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "file system": _file_system(place),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _field(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _file_system(place: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(place)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
