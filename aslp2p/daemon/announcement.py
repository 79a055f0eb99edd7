"""What an mDNS announcement says, and to whom: tags, TXT records and hints. Pure, for hostile bytes.

An announcement is a service instance of `_aslp2p._tcp.local.` with a TXT record of three strings: `v=1`;
`n=`, a nonce that is random, new in every process and at every change; `t=`, one tag for each Common, where
a tag is a hash of the nonce keyed with the Common's network secret. Who has that secret computes the same
tag and knows a fellow; who has not learns how many Commons there are, and no name, no key, no Common id,
nor which two machines share one (G1): with another nonce every tag is another. `t1=` to `t3=` carry what
does not fit into the 255 bytes of `t=`. While people invite by a code, `p=` holds the codes' numbers, which
are public; it says that somebody here invites, and not into what.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aslp2p.errors import PeerFault
from aslp2p.limits import PAIRING_NUMBER_MAX, PAIRING_OPEN_MAX

SERVICE_TYPE = "_aslp2p._tcp.local."
TAG_BYTES = 8
NONCE_BYTES = 16
TAGS_PER_STRING = 14
"""14 tags of 16 digits with their commas and `t1=` are 240 of the 255 bytes that a TXT string may have."""
TAG_STRINGS_MAX = 4
TAGS_MAX = TAGS_PER_STRING * TAG_STRINGS_MAX
TXT_BYTES_MAX = 1024
ADDRESSES_MAX = 16
"""Of one announcement, ours or another's."""

_PERSON = b"asl.mdns/1"
_INSTANCE = re.compile(r"[0-9a-f]{16}")
_NONCE = re.compile(rb"[0-9a-f]{32}")
_TAGS = re.compile(rb"[0-9a-f]{16}(,[0-9a-f]{16})*")
_NUMBERS = re.compile(rb"[1-9][0-9]{0,2}(,[1-9][0-9]{0,2}){0,%d}" % (PAIRING_OPEN_MAX - 1))
_TAG_KEYS = tuple(b"t" if i == 0 else b"t%d" % i for i in range(TAG_STRINGS_MAX))


@dataclass(frozen=True)
class Announcement:
    """Somebody who seems to share a Common may listen at `host`, `port`. Only a handshake can tell (G1).

    `host` is an IPv4 or IPv6 address, a link-local one with its scope (`fe80::1%3`). `instance` is what
    `on_lost` names when the announcement goes.
    """

    host: str
    port: int
    tags: tuple[bytes, ...]
    nonce: bytes
    instance: str


def make_tag(network_secret: bytes, nonce: bytes) -> bytes:
    """The tag (8 bytes) of the Common with this network secret (1 to 64 bytes) under this nonce.

    Keyed BLAKE2b with the personalization `asl.mdns/1`, so that tags are of no use anywhere else.
    """
    return hashlib.blake2b(nonce, digest_size=TAG_BYTES, key=network_secret, person=_PERSON).digest()


def matching(network_secrets: Iterable[bytes], nonce: bytes, tags: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those of `network_secrets` that an announcement with this nonce and these tags knows, in order."""
    theirs = frozenset(tags)
    return tuple(secret for secret in network_secrets if make_tag(secret, nonce) in theirs)


class Txt(NamedTuple):
    """What a TXT record says."""

    nonce: bytes
    tags: tuple[bytes, ...]
    pairing: tuple[int, ...]
    """The numbers of pairing codes that are open there."""


def encode_txt(nonce: bytes, tags: Iterable[bytes], pairing: Collection[int] = ()) -> bytes:
    """The TXT record. Tags are sorted, so that their order says nothing; above 56 the rest is left out.
    `pairing` are the numbers of open codes, at most `PAIRING_OPEN_MAX`."""
    digits = sorted(tag.hex().encode() for tag in set(tags))[:TAGS_MAX]
    strings = [b"v=1", b"n=" + nonce.hex().encode()]
    for number, key in enumerate(_TAG_KEYS):
        if part := digits[number * TAGS_PER_STRING : (number + 1) * TAGS_PER_STRING]:
            strings.append(key + b"=" + b",".join(part))
    if pairing:
        strings.append(b"p=" + ",".join(map(str, sorted(pairing))).encode())
    return b"".join(bytes([len(string)]) + string for string in strings)


def decode_txt(text: bytes) -> Txt:
    """What a TXT record says. Keys that version 1 does not know are skipped.

    Raises PeerFault for whatever `encode_txt` cannot have made: over 1024 bytes, cut short, a key twice,
    another version, no nonce, anything but lower-case hexadecimal of the right length, numbers of no code.
    """
    if len(text) > TXT_BYTES_MAX:
        raise PeerFault(f"announcement of {len(text)} bytes")
    values: dict[bytes, bytes] = {}
    at = 0
    while at < len(text):
        end = at + 1 + text[at]
        if end > len(text):
            raise PeerFault("announcement is cut short")
        key, _, value = text[at + 1 : end].partition(b"=")
        if values.setdefault(key, value) is not value:
            raise PeerFault("announcement has a key twice")
        at = end
    if values.get(b"v") != b"1":
        raise PeerFault("announcement of another version")
    nonce = values.get(b"n", b"")
    if not _NONCE.fullmatch(nonce):
        raise PeerFault("announcement without a nonce")
    tags: list[bytes] = []
    for key in _TAG_KEYS:
        digits = values.get(key, b"")
        if digits and not _TAGS.fullmatch(digits):
            raise PeerFault("announcement with malformed tags")
        tags += (bytes.fromhex(tag.decode()) for tag in digits.split(b",") if tag)
    return Txt(bytes.fromhex(nonce.decode()), tuple(tags), _numbers(values.get(b"p")))


def _numbers(digits: bytes | None) -> tuple[int, ...]:
    if digits is None:
        return ()
    numbers = tuple(map(int, digits.split(b","))) if _NUMBERS.fullmatch(digits) else (0,)
    if not all(1 <= number <= PAIRING_NUMBER_MAX for number in numbers):
        raise PeerFault("announcement with numbers of no pairing code")
    return numbers


def instance_of(name: str) -> str:
    """The instance in a full service name. Raises PeerFault unless it is 16 lower-case hexadecimal digits."""
    instance, _, kind = name.partition(".")
    if kind != SERVICE_TYPE or not _INSTANCE.fullmatch(instance):
        raise PeerFault("announcement with a name that is none of ours")
    return instance
