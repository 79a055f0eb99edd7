"""How the files that hold a home's secrets begin: whoever has such a file can be that machine, or read its
network.

They say what they are in their first bytes, so that they are known wherever they lie and whatever they are
called.
"""

from __future__ import annotations

KEY_FIRST_LINE = "aslp2p domain key 1"
KEY_MARK = b"aslp2p domain key "
"""A domain key of any version."""
HOME_FILE_MAGIC = b"\x89ASLH\r\n\x02"
"""A home in a file, moved or backed up; the last byte is the version (1 had no contents in files)."""
