"""What machines are called: people's names while there are enough, then numbers."""

from __future__ import annotations

_NAMES = (
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "karl", "lena",
    "mia", "nick", "olga", "paul", "quinn", "rita", "sam", "tina", "uma", "vera", "will", "xena",
    "yuri", "zoe",
)  # fmt: skip


def name_of(place: int) -> str:
    """The name of machine number `place`, from 0."""
    return _NAMES[place] if place < len(_NAMES) else f"m{place}"
