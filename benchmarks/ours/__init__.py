"""aslp2p among the systems that are measured: homes on loopback, through the control sockets that everybody
uses. Its defaults stand: every node verifies every signature, and syncs to disk what it acknowledges.
"""

from __future__ import annotations

import importlib.metadata
import os

from benchmarks.cluster import System
from benchmarks.ours.alone import alone
from benchmarks.ours.nodes import AslCluster
from benchmarks.ours.takeover import TakeoverCluster


def _version() -> str:
    return importlib.metadata.version("aslp2p")


def _missing() -> str | None:
    return None if hasattr(os, "fork") else "it runs on POSIX systems"


SYSTEMS = [System("aslp2p", _version, _missing, AslCluster, TakeoverCluster, alone)]
