"""By what a store of ours is known, also to who opens none: its name and its header."""

from __future__ import annotations

STORE_NAME = "store.db"
"""In the folder of a Common."""
APPLICATION_ID = 0x61736C31
"""SQLite's application id: "asl1"."""
