"""What a service file says: the one text for each manager, with this machine's paths in it."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from aslp2p.errors import UserError

LABEL = "org.aslp2p.asl"
SYSTEM_HOME = Path("/var/lib/aslp2p/home")
SYSTEM_USER = "aslp2p"
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|\S+')


def user_unit(command: Sequence[str], writes: Sequence[str]) -> str:
    """A systemd unit for one user's daemon.

    `command` runs `asl` with its options; `writes` are the paths that it may write besides its runtime
    folder. Raises `UserError` for a path that no unit can hold.
    """
    return _filled("systemd-user.service", command, [*writes, "%t"])


def system_unit(command: Sequence[str], writes: Sequence[str] = ()) -> str:
    """A systemd unit for the daemon of the whole machine, under a user of its own."""
    return _filled("systemd-system.service", command, ["/var/lib/aslp2p", *writes])


def runs_home(unit: str, home: str) -> bool:
    """Whether the systemd unit `unit` runs the daemon of `home`."""
    return any(
        line.startswith("ExecStart=") and line.endswith(f" --home {_word(home)} up")
        for line in unit.splitlines()
    )


def written_paths(unit: str) -> list[str]:
    """The paths in which the systemd unit `unit` lets its daemon write."""
    prefix = "ReadWritePaths="
    words = [
        word
        for line in unit.splitlines()
        if line.startswith(prefix)
        for word in _WORD.findall(line.removeprefix(prefix))
    ]
    return [_path(word) for word in words]


def launch_agent(command: Sequence[str], log: Path) -> bytes:
    """A launchd property list for one user's daemon; what it says goes to `log`."""
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": [*command, "up"],
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
            "ExitTimeOut": 15,
            "ProcessType": "Background",
            "Umask": 0o077,
            "StandardErrorPath": str(log),
        },
        sort_keys=False,
    )


def _filled(name: str, command: Sequence[str], writes: Sequence[str]) -> str:
    text = (resources.files("aslp2p.service") / "units" / name).read_text(encoding="utf-8")
    return text.replace("@ASL@", " ".join(map(_word, command))).replace(
        "@WRITES@", " ".join(map(_word, writes))
    )


def _word(text: str) -> str:
    """`text` as one word of a unit file. A leading specifier such as `%h`, or `-` before a path, stays."""
    if any(ord(character) < 0x20 or character == "\x7f" for character in text):
        raise UserError(
            f"{text!r} cannot stand in a service file", remedy="choose a path without control characters"
        )
    for specifier in ("%h/", "-%h/", "%t"):
        if text.startswith(specifier):
            return specifier + _word(text[len(specifier) :]) if len(text) > len(specifier) else text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if " " in escaped or "'" in escaped else escaped


def _path(word: str) -> str:
    """What `_word` was given, without the `-` of a path that may be missing."""
    plain = word[1:-1] if word.startswith('"') else word
    return re.sub(r"\\(.)|([%$])\2", r"\1\2", plain).removeprefix("-")
