"""What walks tend to, each after the kind of history in which a rule is needed."""

from __future__ import annotations

from tests.model.walk import EVENTS, Leaning, Size

MIXED = Leaning(EVENTS, goal=0.1, steps=100)
"""Everything at once."""

LAGGING = Leaning(
    {"advance": 12, "hear": 8, "take over": 10, "take": 1, "power fails": 1},
    sizes=[Size(3, 2)], outsiders=0, lying_witness=0.0, steps=14,
)  # fmt: skip
"""Authorities that know little of each other propose recoveries on whatever they have."""

FORKS = Leaning(
    {"fork": 8, "advance": 3, "hear": 6, "hand over": 10, "lie: paper": 2, "power fails": 1},
    sizes=[Size(3, 2)], outsiders=0, lying_witness=1.0, steps=16,
)  # fmt: skip
"""A witness that is no authority signs many histories, and asks for rotations on any of them."""

OUTNUMBERED = Leaning(
    {"tear": 4, "advance": 4, "hear": 2, "learn": 2, "power fails": 1},
    sizes=[Size(3, 2, 2)], outsiders=1, lying_witness=1.0, steps=8,
)  # fmt: skip
"""More authorities lie than P1 allows: nothing is promised about finality then, but one's own key holds."""

LIARS = Leaning(
    {"advance": 6, "take over": 8, "hand over": 8, "hear": 2, "lie: endorse": 16, "lie: propose": 3,
     "lie: paper": 10, "take paper": 6, "endorse": 6},
    sizes=[Size(4, 3, 1)], outsiders=0, lying_witness=1.0, steps=30,
)  # fmt: skip
"""One of four authorities lies, as far as one key can."""

POLICIES = Leaning(
    {"advance": 4, "hear": 6, "take over": 10, "change": 10, "settle": 3},
    sizes=[Size(3, 2)], outsiders=2, lying_witness=0.7, shared=1, steps=16,
)  # fmt: skip
"""Policies that keep one authority, and recoveries by those who have not heard of them."""
