"""Frames and messages: how the byte stream of a TCP connection carries what the two sides say.

    messages --RecordWriter--> plaintexts --FrameCipher--> frames --TCP--> FrameCutter
                                                                               |
    messages <--RecordReader-- plaintexts <--FrameCipher-----------------------'

1. A frame is a 16 bit big-endian length and that many bytes: one Noise message. Its length is judged before
   its bytes are waited for.
2. The plaintexts of the frames, joined, are one stream of records: a 32 bit big-endian header, and bytes. The
   lowest 30 bits of the header are how many; a record may end anywhere, so many small ones share a frame.
3. There are two lanes: `TALK`, and `BULK` for contents (the highest bit of the header). A message is one
   record, or several of one lane, of which all but the last say so (the second highest). So what is long is
   cut, and what is short goes between two pieces of it. Nothing is said about the order of the two lanes.
4. An empty frame or an empty record says nothing, and is refused.
5. After every `LINK_FRAMES_PER_KEY` frames of one direction both sides replace its key.

Memory: an announced length reserves nothing. What is kept between calls is less than one frame and one
message of each lane, and never more than was received.
"""

from __future__ import annotations

import struct
from collections import deque

from aslp2p.errors import InvariantBroken, LinkError
from aslp2p.limits import LINK_FRAME_PLAINTEXT_BYTES_MAX, LINK_FRAMES_PER_KEY, MESSAGE_BYTES_MAX
from aslp2p.link.noise import CipherState

_FRAME_HEADER = struct.Struct(">H")
_RECORD_HEADER = struct.Struct(">I")
TALK, BULK = 0, 1
_BULK_BIT, _MORE_BIT = 1 << 31, 1 << 30
_PIECE_BYTES_MAX = LINK_FRAME_PLAINTEXT_BYTES_MAX - _RECORD_HEADER.size
"""Of what is long, in a frame of its own."""
_VIEW_BYTES_MIN = 4096


def frame(*bodies: bytes) -> bytes:
    """Each of `bodies` (at most 65,535 bytes) with its length before it."""
    return b"".join([part for body in bodies for part in (_FRAME_HEADER.pack(len(body)), body)])


class FrameCutter:
    """Cuts frames out of a byte stream, however it was split."""

    def __init__(self) -> None:
        self._whole = b""
        """A frame that began in what came before."""
        self._buffer = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Adds received bytes. Take all whole frames before the next call, or they are kept."""
        rest = self._whole + self._buffer[self._at :]
        missing = _missing(rest)
        if 0 < missing <= len(data):  # of a long read only this is copied
            self._whole = rest + data[:missing]
            self._buffer, self._at = data, missing
        else:
            self._whole = b""
            self._buffer, self._at = rest + data if rest else data, 0

    def next(self, bytes_min: int, bytes_max: int) -> bytes | None:
        """The body of the next frame, `None` until it is all here.

        Raises `LinkError` as soon as its length is known to be out of bounds.
        """
        if self._whole:
            whole, self._whole = self._whole, b""
            _check(len(whole) - _FRAME_HEADER.size, bytes_min, bytes_max)
            return whole[_FRAME_HEADER.size :]
        here = len(self._buffer) - self._at
        if here < _FRAME_HEADER.size:
            return None
        (size,) = _FRAME_HEADER.unpack_from(self._buffer, self._at)
        _check(size, bytes_min, bytes_max)
        if here < _FRAME_HEADER.size + size:
            return None
        start = self._at + _FRAME_HEADER.size
        self._at = start + size
        return self._buffer[start : self._at]


def _missing(rest: bytes) -> int:
    """How many bytes the frame lacks that `rest` begins; 0 where that is not known, or nothing."""
    if len(rest) < _FRAME_HEADER.size:
        return 0
    (size,) = _FRAME_HEADER.unpack_from(rest)
    return max(0, _FRAME_HEADER.size + int(size) - len(rest))


def _check(size: int, bytes_min: int, bytes_max: int) -> None:
    if not bytes_min <= size <= bytes_max:
        raise LinkError(f"a frame of {size} bytes where {bytes_min} to {bytes_max} are expected")


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
    """Collects messages and seals them: talk in as few frames as hold it, and before bulk."""

    def __init__(self, cipher: FrameCipher) -> None:
        self._cipher = cipher
        self._talk: list[bytes] = []
        self._bulk: deque[memoryview] = deque()

    def write(self, message: bytes | bytearray, lane: int = TALK) -> None:
        """Queues `message`; raises `InvariantBroken` if it is empty or longer than `MESSAGE_BYTES_MAX`."""
        if not 0 < len(message) <= MESSAGE_BYTES_MAX:
            raise InvariantBroken(f"a message of {len(message)} bytes, not 1 to {MESSAGE_BYTES_MAX}")
        if lane == BULK:
            self._bulk.append(memoryview(message))
        else:
            self._talk += (_RECORD_HEADER.pack(len(message)), bytes(message))

    def take(self, bulk_bytes_max: int | None = None) -> bytes:
        """The frames of all talk that was queued since the last call, and of bulk up to about so many bytes
        (None: all of it); b"" if there is nothing."""
        stream = b"".join(self._talk)
        self._talk.clear()
        step = LINK_FRAME_PLAINTEXT_BYTES_MAX
        bodies = [self._cipher.seal(stream[at : at + step]) for at in range(0, len(stream), step)]
        room = MESSAGE_BYTES_MAX * len(self._bulk) if bulk_bytes_max is None else bulk_bytes_max
        while self._bulk and room > 0:
            piece = self._next_piece()
            room -= len(piece)
            bodies.append(self._cipher.seal(piece))
        return frame(*bodies)

    @property
    def has_bulk(self) -> bool:
        """Whether some of it was not taken yet."""
        return bool(self._bulk)

    def _next_piece(self) -> bytes:
        rest = self._bulk.popleft()
        piece = rest[:_PIECE_BYTES_MAX]
        header = _BULK_BIT | len(piece)
        if len(piece) < len(rest):
            header |= _MORE_BIT
            self._bulk.appendleft(rest[_PIECE_BYTES_MAX:])
        return b"".join((_RECORD_HEADER.pack(header), piece))


class RecordReader:
    """Cuts messages out of the plaintexts of successive frames."""

    def __init__(self) -> None:
        self._header = b""
        self._parts: tuple[list[memoryview | bytearray], list[memoryview | bytearray]] = ([], [])
        """Of the message of each lane that is not all here."""
        self._sizes = [0, 0]
        """Of those messages, as far as records of them have begun."""
        self._lane = TALK
        self._missing = 0
        self._more = False

    def read(self, plaintext: bytes) -> list[bytes]:
        """The messages that `plaintext` completes.

        Raises `LinkError` for an empty record or a message longer than `MESSAGE_BYTES_MAX`, at its header.
        """
        if self._header:
            plaintext = self._header + plaintext
            self._header = b""
        messages: list[bytes] = []
        at, end = 0, len(plaintext)
        view = memoryview(plaintext)
        while at < end:
            if not self._missing:
                if end - at < _RECORD_HEADER.size:
                    self._header = plaintext[at:]
                    break
                self._begin(*_RECORD_HEADER.unpack_from(plaintext, at))
                at += _RECORD_HEADER.size
            part = view[at : at + self._missing]
            at += len(part)
            self._missing -= len(part)
            parts = self._parts[self._lane]
            _keep(parts, part, end)
            if not self._missing and not self._more:
                messages.append(b"".join(parts))
                parts.clear()
                self._sizes[self._lane] = 0
        return messages

    def _begin(self, header: int) -> None:
        """A record begins. Raises `LinkError` for one that is empty, or makes its message too long."""
        size = header & (_MORE_BIT - 1)
        self._lane = BULK if header & _BULK_BIT else TALK
        self._more = bool(header & _MORE_BIT)
        whole = self._sizes[self._lane] + size
        if not size or whole > MESSAGE_BYTES_MAX:
            raise LinkError(f"a message of {whole} bytes, not 1 to {MESSAGE_BYTES_MAX}")
        self._missing = size
        self._sizes[self._lane] = whole


def _keep(parts: list[memoryview | bytearray], part: memoryview, plaintext_bytes: int) -> None:
    """Adds `part` of a plaintext of so many bytes: as it is where it is long and most of it, else as a copy
    that grows, so that what is kept is little more than what came."""
    if len(part) >= _VIEW_BYTES_MIN and 2 * len(part) >= plaintext_bytes:
        parts.append(part)
    elif parts and isinstance(parts[-1], bytearray):
        parts[-1] += part
    else:
        parts.append(bytearray(part))
