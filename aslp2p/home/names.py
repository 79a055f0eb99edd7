"""What this domain calls itself before a history gives it a name (P6).

`HOME/name` holds what its owner chose. Until then it is made from the host's name: its first label, lower
case, with hyphens for whatever is not a letter or a digit of ASCII.
"""

from __future__ import annotations

import re
import socket

from aslp2p.artifacts.text import WORDS_OF_OURS, name_problem
from aslp2p.errors import UsageError, UserError
from aslp2p.home.files import atomic_write, read_small
from aslp2p.home.folder import Home
from aslp2p.limits import NAME_BYTES_MAX

FALLBACK = "node"
_OTHERS = re.compile("[^a-z0-9]+")


def name_from_host(host: str) -> str:
    """A valid name made from a host's name, whatever that holds."""
    label = host.strip().partition(".")[0].lower()
    name = _OTHERS.sub("-", label)[:NAME_BYTES_MAX].strip("-")
    return FALLBACK if not name or name in WORDS_OF_OURS else name


def own_name(home: Home) -> str:
    """The chosen name, else one from the host's. Raises `UserError` when the file holds no name."""
    chosen = read_small(home.name, NAME_BYTES_MAX + 1)
    if chosen is None:
        return name_from_host(socket.gethostname())
    name = chosen.decode("utf-8", "replace").rstrip("\n")
    if problem := name_problem(name):
        raise UserError(
            f"{home.name} is damaged: it is {problem}", remedy="choose a name: asl self --name NAME"
        )
    return name


def name_is_chosen(home: Home) -> bool:
    """Whether the owner chose the name, and not the host's name did."""
    return home.name.exists()


def choose_name(home: Home, name: str) -> None:
    """Keeps `name` as this domain's own.

    Raises `UsageError` when it cannot be one, and as `atomic_write` does.
    """
    if problem := name_problem(name):
        raise UsageError(f"this is no name for a domain: it is {problem}", remedy="choose another one")
    atomic_write(home.name, name.encode() + b"\n")
