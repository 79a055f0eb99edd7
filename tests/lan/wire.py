"""What somebody who records a cable can find in the recording.

`findings(recording, secrets)` looks for each secret raw, in hexadecimal, base64 (both alphabets) and base32,
in any case and at any alignment, in the packets as they are, and in what each TCP direction carried when its
segments are put in order, so that nothing hides across two packets.
"""

from __future__ import annotations

import base64
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

_IPV4, _IPV6, _TCP = 0x0800, 0x86DD, 6


def packets(recording: Path) -> Iterator[bytes]:
    """The Ethernet frames of a pcap file."""
    data = recording.read_bytes()
    assert data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") and data[20] == 1, "no pcap of Ethernet"
    at = 24
    while at + 16 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        yield data[at + 16 : at + 16 + size]
        at += 16 + size


def tcp_streams(recording: Path) -> list[bytes]:
    """What each direction of each TCP connection carried, in order."""
    segments: dict[tuple[bytes, bytes], dict[int, bytes]] = defaultdict(dict)
    for packet in packets(recording):
        (kind,) = struct.unpack_from(">H", packet, 12)
        if kind == _IPV4 and packet[23] == _TCP:
            ends, at, end = packet[26:34], 14 + 4 * (packet[14] & 15), 14 + int.from_bytes(packet[16:18])
        elif kind == _IPV6 and packet[20] == _TCP:
            ends, at, end = packet[22:54], 54, 54 + int.from_bytes(packet[18:20])
        else:
            continue
        payload = packet[at + 4 * (packet[at + 12] >> 4) : end]
        sequence = int.from_bytes(packet[at + 4 : at + 8])
        stream = segments[(ends, packet[at : at + 4])]
        if len(payload) > len(stream.get(sequence, b"")):
            stream[sequence] = payload
    return [b"".join(stream[sequence] for sequence in sorted(stream)) for stream in segments.values()]


def findings(recording: Path, secrets: Mapping[str, bytes]) -> list[str]:
    """The names of those secrets that can be read in the recording, with the form in which they stand."""
    haystacks = [recording.read_bytes(), *tcp_streams(recording)]
    haystacks += [haystack.lower() for haystack in haystacks]
    return [
        f"{name} as {form}"
        for name, secret in secrets.items()
        for form, needle in forms(secret)
        if any(needle in haystack for haystack in haystacks)
    ]


def forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """How a secret may be written; what depends on its neighbours is left out at both ends."""
    yield "raw", secret
    if secret.lower() != secret:
        yield "text", secret.lower()
    yield "hexadecimal", secret.hex().encode()
    for shift in range(3):
        whole = len(secret) + shift - (len(secret) + shift) % 3
        coded = base64.b64encode(bytes(shift) + secret)[(8 * shift + 5) // 6 : whole * 4 // 3]
        yield "base64", coded
        yield "base64url", coded.translate(bytes.maketrans(b"+/", b"-_"))
    for shift in range(5):
        whole = len(secret) + shift - (len(secret) + shift) % 5
        yield "base32", base64.b32encode(bytes(shift) + secret)[(8 * shift + 4) // 5 : whole * 8 // 5].lower()
