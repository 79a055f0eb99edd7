"""Frames and messages: how the byte stream of a TCP connection carries what the two sides say.

    messages --RecordWriter--> plaintexts --FrameCipher--> frames --TCP--> FrameCutter
                                                                               |
    messages <--RecordReader-- plaintexts <--FrameCipher-----------------------'

1. A frame is a 16 bit big-endian length and that many bytes: one Noise message. Its length is judged before
   its bytes are waited for.
2. The plaintexts of the frames, joined, are one stream of records: a 32 bit big-endian length and that many
   bytes, one message. A record may end anywhere: many small messages share a frame, a long one takes several.
3. An empty frame or an empty message says nothing, and is refused.
4. After every `LINK_FRAMES_PER_KEY` frames of one direction both sides replace its key.

Memory: an announced length reserves nothing. What is kept between calls is less than one frame and one
message, and never more than was received.
"""

from __future__ import annotations

import struct

from aslp2p.errors import InvariantBroken, LinkError
from aslp2p.limits import LINK_FRAME_PLAINTEXT_BYTES_MAX, LINK_FRAMES_PER_KEY, MESSAGE_BYTES_MAX
from aslp2p.link.noise import CipherState

_FRAME_HEADER = struct.Struct(">H")
_RECORD_HEADER = struct.Struct(">I")


def frame(*bodies: bytes) -> bytes:
    """Each of `bodies` (at most 65,535 bytes) with its length before it."""
    return b"".join([part for body in bodies for part in (_FRAME_HEADER.pack(len(body)), body)])


class FrameCutter:
    """Cuts frames out of a byte stream, however it was split."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Adds received bytes. Take all whole frames before the next call, or they are kept."""
        if self._at:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data

    def next(self, bytes_min: int, bytes_max: int) -> bytes | None:
        """The body of the next frame, `None` until it is all here.

        Raises `LinkError` as soon as its length is known to be out of bounds.
        """
        here = len(self._buffer) - self._at
        if here < _FRAME_HEADER.size:
            return None
        (size,) = _FRAME_HEADER.unpack_from(self._buffer, self._at)
        if not bytes_min <= size <= bytes_max:
            raise LinkError(f"a frame of {size} bytes where {bytes_min} to {bytes_max} are expected")
        if here < _FRAME_HEADER.size + size:
            return None
        start = self._at + _FRAME_HEADER.size
        self._at = start + size
        with memoryview(self._buffer) as view:  # one copy, not two
            return bytes(view[start : self._at])


class FrameCipher:
    """One direction of an established handshake: seals or opens its frames in order, and rekeys (rule 4)."""

    def __init__(self, cipher: CipherState) -> None:
        self._cipher = cipher

    def seal(self, plaintext: bytes) -> bytes:
        """The body of the next frame, for a plaintext of 1 to `LINK_FRAME_PLAINTEXT_BYTES_MAX` bytes."""
        body = self._cipher.encrypt(plaintext)
        self._count()
        return body

    def open(self, body: bytes) -> bytes:
        """The plaintext of a frame's body; raises `LinkError` if it is not the next authentic one."""
        plaintext = self._cipher.decrypt(body)
        self._count()
        return plaintext

    def _count(self) -> None:
        if self._cipher.nonce % LINK_FRAMES_PER_KEY == 0:
            self._cipher.rekey()


class RecordWriter:
    """Collects messages and seals them into as few frames as hold them."""

    def __init__(self, cipher: FrameCipher) -> None:
        self._cipher = cipher
        self._parts: list[bytes] = []

    def write(self, message: bytes) -> None:
        """Queues `message`; raises `InvariantBroken` if it is empty or longer than `MESSAGE_BYTES_MAX`."""
        if not 0 < len(message) <= MESSAGE_BYTES_MAX:
            raise InvariantBroken(f"a message of {len(message)} bytes, not 1 to {MESSAGE_BYTES_MAX}")
        self._parts += (_RECORD_HEADER.pack(len(message)), message)

    def take(self) -> bytes:
        """The frames of everything queued since the last call (b"" if nothing was)."""
        stream = b"".join(self._parts)
        self._parts.clear()
        step = LINK_FRAME_PLAINTEXT_BYTES_MAX
        return frame(*[self._cipher.seal(stream[at : at + step]) for at in range(0, len(stream), step)])


class RecordReader:
    """Cuts messages out of the plaintexts of successive frames."""

    def __init__(self) -> None:
        self._header = b""
        self._message = bytearray()
        self._missing = 0

    def read(self, plaintext: bytes) -> list[bytes]:
        """The messages that `plaintext` completes.

        Raises `LinkError` for an empty message or one longer than `MESSAGE_BYTES_MAX`, at its header.
        """
        if self._header:
            plaintext = self._header + plaintext
            self._header = b""
        messages: list[bytes] = []
        at, end = 0, len(plaintext)
        while at < end:
            if not self._missing:
                if end - at < _RECORD_HEADER.size:
                    self._header = plaintext[at:]
                    break
                (self._missing,) = _RECORD_HEADER.unpack_from(plaintext, at)
                if not 0 < self._missing <= MESSAGE_BYTES_MAX:
                    raise LinkError(f"a message of {self._missing} bytes, not 1 to {MESSAGE_BYTES_MAX}")
                at += _RECORD_HEADER.size
            part = plaintext[at : at + self._missing]
            at += len(part)
            self._missing -= len(part)
            if not self._missing and not self._message:
                messages.append(part)
                continue
            self._message += part
            if not self._missing:
                messages.append(bytes(self._message))
                self._message = bytearray()
        return messages
