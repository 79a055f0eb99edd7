"""Which contents a machine keeps: what its owner decided, in words and as questions about one content.

Every machine keeps the whole history; of the bytes that it names it may keep a part. `versions_ms` says how
long what no path holds any more is kept, `only` and `excluded` (gitignore's patterns) which paths count here
at all, and pins are exceptions for good. Nothing here says that bytes may go: that takes other members that
keep them (`core/keeping.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from aslp2p.artifacts import canonical
from aslp2p.artifacts.text import path_problem
from aslp2p.ledger.duration import duration_text, parse_duration
from aslp2p.limits import (
    COPIES_DEFAULT,
    COPIES_MAX,
    KEEP_BYTES_MAX,
    PATTERN_CHARS_MAX,
    PATTERNS_MAX,
    PINS_MAX,
)

META_KEEP = "keep"
"""What people typed for this Common; without it the machine's configuration counts."""
META_PINS = "pins"
META_NARROWED = "narrowed"
"""There while contents may be absent here because they were not to be kept."""
META_PLEDGED = "pledged"
"""There while this machine may have told another one lately that it keeps something."""

ALL, CURRENT = "all", "current"
FORM = f'"{ALL}", "{CURRENT}" or how long, as in "90d"'
STARS_MAX = 3
"""In one component of a pattern: each more multiplies what it can cost to try a long name."""


class Keep(Struct, frozen=True, array_like=True):
    """What the owner of a machine decided."""

    versions_ms: int | None = None
    """How long what no path holds any more is kept; None: for ever."""
    only: tuple[str, ...] = ()
    """Patterns of paths that are kept; none: all."""
    excluded: tuple[str, ...] = ()
    """Patterns of paths that are not."""
    copies: int = COPIES_DEFAULT
    """How many other members have to keep what goes from here."""


class Pin(Struct, frozen=True, array_like=True):
    """What is at `path` and below it is kept; of the version `height`, or (0) of whichever is the newest."""

    path: str
    height: int


KEEP_ALL = Keep()


def parse_versions(text: str) -> int | None:
    """How long superseded versions are kept (`FORM`), in ms; None: for ever. Raises `ValueError`."""
    if text == ALL:
        return None
    if text == CURRENT:
        return 0
    milliseconds = parse_duration(text)
    if not milliseconds:
        raise ValueError(text)
    return milliseconds


def versions_text(versions_ms: int | None) -> str:
    """What `parse_versions` reads back."""
    if versions_ms is None:
        return ALL
    return duration_text(versions_ms) if versions_ms else CURRENT


def check_pattern(text: str) -> str:
    """A pattern that is one, and costs little to try. Raises `ValueError`."""
    from pathspec import GitIgnoreSpec

    if not text.strip() or len(text) > PATTERN_CHARS_MAX or "\n" in text:
        raise ValueError(text)
    if any(component.count("*") > STARS_MAX for component in text.split("/")):
        raise ValueError(text)
    GitIgnoreSpec.from_lines([text])
    return text


def check_copies(copies: int) -> int:
    """Raises `ValueError`."""
    if not 1 <= copies <= COPIES_MAX:
        raise ValueError(copies)
    return copies


def encode_keep(keep: Keep) -> bytes:
    return canonical.encode(msgspec.to_builtins(keep))


def decode_keep(data: bytes) -> Keep:
    """What `encode_keep` made."""
    return msgspec.convert(canonical.decode(data, bytes_max=KEEP_BYTES_MAX), Keep)


def make_keep(versions: str, only: Sequence[str], excluded: Sequence[str], copies: int) -> Keep:
    """From what a person typed. Raises `ValueError`."""
    if len(only) > PATTERNS_MAX or len(excluded) > PATTERNS_MAX:
        raise ValueError("too many patterns")
    return Keep(parse_versions(versions), _checked(only), _checked(excluded), check_copies(copies))


def _checked(patterns: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(check_pattern, patterns)))


def make_pin(path: str, height: int) -> Pin:
    """Raises `ValueError`."""
    if path_problem(path) is not None:
        raise ValueError(path)
    return Pin(path, height)


def encode_pins(pins: Iterable[Pin]) -> bytes | None:
    """None: there are none. Raises `ValueError` for too many."""
    some = sorted(set(pins), key=lambda pin: (pin.path, pin.height))
    if len(some) > PINS_MAX:
        raise ValueError(f"there are {PINS_MAX} pins already")
    return canonical.encode(msgspec.to_builtins(some)) if some else None


def decode_pins(data: bytes | None) -> tuple[Pin, ...]:
    """What `encode_pins` made."""
    if data is None:
        return ()
    return msgspec.convert(canonical.decode(data, bytes_max=KEEP_BYTES_MAX), tuple[Pin, ...])


class Rule:
    """A `Keep` with its pins, to be asked."""

    def __init__(self, keep: Keep = KEEP_ALL, pins: Sequence[Pin] = ()) -> None:
        self.keep = keep
        self.pins = tuple(pins)
        self._only, self._excluded = _matching(keep.only), _matching(keep.excluded)

    @property
    def is_everything(self) -> bool:
        """Whether nothing ever goes from here."""
        return self.keep.versions_ms is None and self.is_everywhere

    @property
    def is_everywhere(self) -> bool:
        """Whether every path counts here."""
        return not self.keep.only and not self.keep.excluded

    def holds(self, path: str) -> bool:
        """Whether what is at `path` now is kept here."""
        if self.is_everywhere or self._is_pinned(path):
            return True
        return not self._excluded(path) and (not self.keep.only or self._only(path))

    def keeps_version(self, path: str, superseded_ms: int, now_ms: int) -> bool:
        """Whether what was last put at `path` (empty: nobody knows) and that no path holds since
        `superseded_ms` is kept here."""
        versions_ms = self.keep.versions_ms
        if versions_ms is not None and (versions_ms == 0 or now_ms - superseded_ms >= versions_ms):
            return False
        return not path or self.is_everywhere or self.holds(path)

    def _is_pinned(self, path: str) -> bool:
        return any(
            not pin.height and (path == pin.path or path.startswith(f"{pin.path}/")) for pin in self.pins
        )


def _matching(patterns: Sequence[str]) -> Callable[[str], bool]:
    if not patterns:
        return lambda path: False
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns).match_file
