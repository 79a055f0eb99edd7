"""Invites: what a new machine needs to find and to believe a Common (section 11).

How it works. The packed form is the canonical array [common_id, name, network_secret, token, [[host, port]
…], floor]. The text form is `asl1`, then lower-case base32 (RFC 4648, no padding) of the packed bytes and the
first four bytes of SHA-256(`asl1` || packed): a wrong or missing character is found before anything is
believed (but for one chance in 2**32). In upper case it is in a QR code's alphanumeric set; case, white
space and hyphens do not matter to `parse`.

An invite holds the network secret: it is shown to whom it is meant for only, and never in a log (`repr`
leaves it out). The token is opaque here (`token` has its form), and empty where there is none. The floor is
the inviter's (F5): the joiner believes no history that leaves that snapshot out.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from aslp2p.artifacts import canonical
from aslp2p.artifacts.text import name_problem
from aslp2p.artifacts.token import bear
from aslp2p.errors import ArtifactError, InvariantBroken, UsageError
from aslp2p.limits import (
    HOST_BYTES_MAX,
    ID_BYTES,
    INVITE_BYTES_MAX,
    INVITE_CHECKSUM_BYTES,
    INVITE_HINTS_MAX,
    INVITE_TEXT_CHARS_MAX,
    INVITE_TOKEN_BYTES_MAX,
    NETWORK_SECRET_BYTES,
    UINT_MAX,
)

PREFIX = "asl1"
_AGAIN = "ask for a new invite (`asl invite` on a machine that is in)"
_LATER = tuple(f"asl{kind}" for kind in range(2, 10))
_BASE32_CHARS = 8  # a group, of 5 bytes


class Hint(NamedTuple):
    """Where a peer may listen: a host name or address as printable ASCII, and a port."""

    host: str
    port: int


class GivenFloor(NamedTuple):
    """The snapshot that a node's history must contain (F5), and its height."""

    height: int
    id: bytes


@dataclass(frozen=True, slots=True)
class Invite:
    """One invite. `encode` gives its text form, `parse` reads it back."""

    common_id: bytes
    name: str
    network_secret: bytes = field(repr=False)
    token: bytes = field(repr=False)
    hints: tuple[Hint, ...] = ()
    floor: GivenFloor | None = None
    """None: the genesis."""

    def encode(self) -> str:
        """The text form, at most 4,500 or so lower-case characters, 700 as a rule.

        Raises `InvariantBroken` if a field is out of the bounds that `parse` keeps.
        """
        hints = [list(hint) for hint in self.hints]
        floor = None if self.floor is None else list(self.floor)
        fields = [self.common_id, self.name, self.network_secret, self.token, hints, floor]
        if problem := _problem(fields):
            raise InvariantBroken(f"this makes no invite: {problem}")
        packed = canonical.encode(fields)
        return PREFIX + b32encode(packed + _checksum(packed)).rstrip(b"=").decode().lower()

    def shown_by(self, key: bytes) -> bytes:
        """What the domain `key` shows on links of the invite's token (empty without one).

        Raises `UsageError` when the token is none.
        """
        try:
            return bear(self.token, key) if self.token else b""
        except ArtifactError as error:
            raise UsageError(f"this invite cannot be used: {error.message}", remedy=_AGAIN) from None

    @classmethod
    def parse(cls, text: str) -> Invite:
        """The invite in `text`. Raises `UsageError` that says what is wrong with it and what to do."""
        packed = _unarmour(text)
        try:
            fields = canonical.decode(packed, bytes_max=INVITE_BYTES_MAX, array_max=INVITE_HINTS_MAX)
        except ArtifactError as error:
            raise UsageError(f"this invite cannot be read ({error.message})", remedy=_AGAIN) from None
        if problem := _problem(fields):
            raise UsageError(f"this invite cannot be used: {problem}", remedy=_AGAIN)
        common_id, name, secret, token, hints, floor = fields
        addresses = tuple(Hint(*hint) for hint in hints)
        return cls(common_id, name, secret, token, addresses, None if floor is None else GivenFloor(*floor))


def _checksum(packed: bytes) -> bytes:
    return sha256(PREFIX.encode() + packed).digest()[:INVITE_CHECKSUM_BYTES]


def _unarmour(text: str) -> bytes:
    """The packed bytes inside the text form, their checksum verified."""
    if len(text) > INVITE_TEXT_CHARS_MAX:
        raise UsageError(
            "this is too long for an invite", remedy="paste the invite alone, from asl1 to its end"
        )
    compact = "".join(text.split()).replace("-", "")
    if compact.isascii():  # only ASCII's letters have their case ignored
        compact = compact.lower()
    if not compact.startswith(PREFIX):
        if compact.startswith(_LATER):
            raise UsageError(
                "this invite is of a kind that this version does not know", remedy="install a newer aslp2p"
            )
        raise UsageError(f"an invite begins with {PREFIX}", remedy="copy the invite from its first character")
    try:
        digits = compact[len(PREFIX) :].encode("ascii").upper()
        data = b32decode(digits + b"=" * (-len(digits) % _BASE32_CHARS))
        whole = b32encode(data).rstrip(b"=") == digits  # nothing in the last character's spare bits
    except ValueError:  # which binascii.Error and UnicodeEncodeError are
        data, whole = b"", False
    packed = data[:-INVITE_CHECKSUM_BYTES]
    if not whole or data[-INVITE_CHECKSUM_BYTES:] != _checksum(packed):
        raise UsageError(
            "this invite is damaged: a character is missing or mistyped", remedy="copy the invite again"
        )
    return packed


def _problem(fields: Any) -> str | None:
    """What keeps `fields`, decoded or about to be encoded, from being an invite."""
    kinds = [bytes, str, bytes, bytes, list]
    if type(fields) is not list or len(fields) != 6 or [type(item) for item in fields[:5]] != kinds:
        return "it does not hold what an invite holds"
    common_id, name, secret, token, hints, floor = fields
    if len(common_id) != ID_BYTES or len(secret) != NETWORK_SECRET_BYTES:
        return "its Common id or its network secret is not 32 bytes"
    if problem := name_problem(name):
        return f"its Common has {problem}"
    if len(token) > INVITE_TOKEN_BYTES_MAX:
        return f"its token has more than {INVITE_TOKEN_BYTES_MAX} bytes"
    if len(hints) > INVITE_HINTS_MAX:
        return f"it has more than {INVITE_HINTS_MAX} addresses"
    for hint in hints:
        if type(hint) is not list or [type(item) for item in hint] != [str, int] or not _is_address(*hint):
            return "one of its addresses is not a host and a port"
    return None if floor is None else _floor_problem(floor)


def _floor_problem(floor: Any) -> str | None:
    if type(floor) is not list or [type(item) for item in floor] != [int, bytes]:
        return "its floor is not a height and an id"
    if not 1 <= floor[0] <= UINT_MAX or len(floor[1]) != ID_BYTES:
        return "its floor is out of bounds"
    return None


def _is_address(host: str, port: int) -> bool:
    """Whether a resolver may be asked about `host`: it is one ASCII word."""
    printable = all("!" <= character <= "~" for character in host)
    return 1 <= len(host) <= HOST_BYTES_MAX and printable and 1 <= port <= 2**16 - 1
