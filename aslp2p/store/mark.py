"""By what a store of ours is known in its header, also to who opens none."""

from __future__ import annotations

APPLICATION_ID = 0x61736C31
"""SQLite's application id: "asl1"."""
