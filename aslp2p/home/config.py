"""`HOME/config.toml`: what the owner of this machine decided.

Every key has a line in `KEYS`: its default, what is allowed in words, and how a value is read. A file that
says anything else (an unknown key, a wrong type, a value out of range) is refused whole, with one line that
names the file, the key and what is allowed: a typing error never quietly means a default. No file means all
defaults.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from aslp2p.errors import UsageError
from aslp2p.home.files import read_small
from aslp2p.home.folder import Home
from aslp2p.ledger.keeping import FORM as KEEP_FORM
from aslp2p.ledger.keeping import Keep, check_copies, check_pattern, parse_versions
from aslp2p.limits import CONFIG_BYTES_MAX, COPIES_DEFAULT, COPIES_MAX, HOST_BYTES_MAX

RecoveryMode = Literal["ask", "auto"]
LogLevel = Literal["debug", "info", "warning", "error"]

LIST_MAX = 64
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_INTERFACE = re.compile(r"[^\s/\x00-\x1f\x7f]{1,64}")


@dataclass(frozen=True, slots=True)
class Config:
    """What a daemon runs with; `config/config.toml` says what each means."""

    listen_addresses: tuple[str, ...]
    listen_announce: tuple[str, ...]
    """Names or addresses that alone are told to others; none: what is likely to be reached."""
    listen_except: tuple[str, ...]
    """Names or addresses that are told to nobody."""
    listen_port: int
    """0: any free one, the same as last time if it can be had (`Home.remembered_port`)."""
    mdns_enabled: bool
    mdns_interfaces: tuple[str, ...]
    """Names or addresses; none: all."""
    peers_static: tuple[tuple[str, int], ...]
    """(host, port)"""
    recovery_mode: RecoveryMode
    """S8"""
    content_keep: int | None
    """How long superseded versions are kept, in ms; None: for ever."""
    content_only: tuple[str, ...]
    content_except: tuple[str, ...]
    """Patterns of paths that alone are kept, and that are not."""
    content_copies: int
    """How many others have to keep what goes from here."""
    notify_desktop: bool
    """Call the person by desktop notifications."""
    notify_command: tuple[str, ...]
    """And with this program and its arguments; none: no."""
    log_level: LogLevel


class Key(NamedTuple):
    """One key of the file. `read` gives the value for `Config` or raises `ValueError`."""

    default: Any
    allowed: str
    read: Callable[[Any], Any]


def keep_of(config: Config) -> Keep:
    """What a machine keeps of each Common, unless people typed otherwise."""
    return Keep(config.content_keep, config.content_only, config.content_except, config.content_copies)


def load_config(home: Home) -> Config:
    """The home's configuration, or the defaults without a file. Raises as `parse_config` does."""
    data = read_small(home.config, CONFIG_BYTES_MAX)
    return parse_config(data or b"", str(home.config))


def parse_config(data: bytes, name: str) -> Config:
    """The configuration in the TOML text `data`, which errors call `name`. Raises `UsageError`."""
    try:
        sections = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _wrong(name, "", f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _wrong(name, "", "nested too deep") from None
    except ValueError as error:  # tomllib.TOMLDecodeError, and numbers of thousands of digits
        raise _wrong(name, "", f"not TOML: {error}") from None
    values = {path: key.default for path, key in KEYS.items()}
    for section, members in sections.items():
        if not any(path.startswith(f"{section}.") for path in KEYS):
            raise _wrong(name, section, f"there is no such section; there are {', '.join(_sections())}")
        if not isinstance(members, dict):
            raise _wrong(name, section, f"a section is expected: [{section}]")
        for member, value in members.items():
            path = f"{section}.{member}"
            key = KEYS.get(path)
            if key is None:
                known = [other.partition(".")[2] for other in KEYS if other.startswith(f"{section}.")]
                raise _wrong(name, path, f"there is no such key; [{section}] has {', '.join(known)}")
            try:
                values[path] = key.read(value)
            except ValueError:
                raise _wrong(name, path, f"{_shown(value)} is not {key.allowed}") from None
    return Config(**{path.replace(".", "_"): value for path, value in values.items()})


def _sections() -> list[str]:
    return list(dict.fromkeys(path.partition(".")[0] for path in KEYS))


def _wrong(name: str, key: str, problem: str) -> UsageError:
    return UsageError(f"{name}: {key}{': ' if key else ''}{problem}".replace("\n", " "))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


# --- values ---------------------------------------------------------------------------------------


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _port(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 65535:
        raise ValueError
    return value


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError
        return value

    return read


def _list_of(read_item: Callable[[str], Any], at_least: int = 0) -> Callable[[Any], tuple[Any, ...]]:
    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not at_least <= len(value) <= LIST_MAX:
            raise ValueError
        if not all(isinstance(item, str) for item in value):
            raise ValueError
        return tuple(dict.fromkeys(read_item(item) for item in value))

    return read


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise ValueError
    if not all(isinstance(word, str) and "\0" not in word for word in value):
        raise ValueError
    if value and not value[0].startswith("/"):
        raise ValueError
    return tuple(value)


def _versions(value: object) -> int | None:
    if not isinstance(value, str):
        raise ValueError
    return parse_versions(value)


def _copies(value: object) -> int:
    if type(value) is not int:
        raise ValueError
    return check_copies(value)


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _interface(text: str) -> str:
    if not _INTERFACE.fullmatch(text):
        raise ValueError
    return text


def _peer(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port[:6]) <= 65535:
        raise ValueError
    if host.startswith("[") and host.endswith("]"):
        return str(ipaddress.IPv6Address(host[1:-1])), int(port)
    if len(host) > HOST_BYTES_MAX or not _HOST.fullmatch(host):
        raise ValueError
    return host, int(port)


KEYS: dict[str, Key] = {
    "listen.addresses": Key(
        ("0.0.0.0", "::"),  # noqa: S104 - reachable from the LAN is the point; a link asks for the secret (G2)
        f'a list of 1 to {LIST_MAX} IP addresses, such as ["0.0.0.0", "::"]',
        _list_of(_address, at_least=1),
    ),
    "listen.announce": Key(
        (),
        'a list of interface names or addresses, such as ["eth0"] ([]: all that others may reach)',
        _list_of(_interface),
    ),
    "listen.except": Key((), 'a list of interface names or addresses, such as ["wg0"]', _list_of(_interface)),
    "listen.port": Key(0, "a port from 0 to 65535 (0: any free one)", _port),
    "mdns.enabled": Key(True, "true or false", _bool),
    "mdns.interfaces": Key(
        (), 'a list of interface names or addresses, such as ["eth0"] ([]: all)', _list_of(_interface)
    ),
    "peers.static": Key((), 'a list of "host:port" or "[IPv6]:port"', _list_of(_peer)),
    "recovery.mode": Key("ask", '"ask" or "auto"', _one_of("ask", "auto")),
    "content.keep": Key(None, KEEP_FORM, _versions),
    "content.only": Key(
        (), 'a list of patterns, such as ["letters/"] ([]: everything)', _list_of(check_pattern)
    ),
    "content.except": Key((), 'a list of patterns, such as ["films/"]', _list_of(check_pattern)),
    "content.copies": Key(COPIES_DEFAULT, f"a number from 1 to {COPIES_MAX}", _copies),
    "notify.desktop": Key(True, "true or false", _bool),
    "notify.command": Key(
        (), "a list of a program, by its absolute path, and its arguments ([]: none)", _words
    ),
    "log.level": Key(
        "info", '"debug", "info", "warning" or "error"', _one_of("debug", "info", "warning", "error")
    ),
}
