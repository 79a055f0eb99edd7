"""Mistakes in how bytes are read (2.1 to 2.5), and the vector that notices each."""

from __future__ import annotations

from tests.independent_verifier.mutants.plant import Mutant

BYTES = [
    Mutant(
        "encoding",
        "if self.at + count > len(self.data):",
        "if self.at + count > len(self.data) + 1:",
        "canonical: nothing",
    ),
    Mutant(
        "encoding",
        "if count < max([least, *shorter]):",
        "if count < least:",
        "canonical: bytes with a longer header",
    ),
    Mutant(
        "encoding",
        "shorter = [1 << 8 * other for other in sizes if other < size]",
        "shorter = [1 << 8 * other for other in sizes[:1] if other < size]",
        "canonical: a string of 256 bytes in 32 bits",
    ),
    Mutant(
        "encoding",
        "if head >= 0xE0:\n            return head - 256",
        "if head >= 0xE1:\n            return head - 256",
        "canonical: e0",
    ),
    Mutant(
        "encoding",
        "(128 if size == 1 else 1 << 4 * size)",
        "(128 if size == 1 else 256)",
        "canonical: 65535 in 32 bits",
    ),
    Mutant(
        "encoding",
        "(-32 if size == 1 else -(1 << 4 * size - 1))",
        "(-31 if size == 1 else -(1 << 4 * size - 1))",
        "canonical: -32 in 8 bits",
    ),
    Mutant(
        "encoding",
        "self.number(size, signed=True)",
        "self.number(size)",
        "canonical: d0df",
    ),
    Mutant(
        "encoding",
        "self.counted(head, 0xD9, (1, 2, 4), 32)",
        "self.counted(head, 0xD9, (1, 2, 4), 0)",
        "canonical: a string with a longer header",
    ),
    Mutant(
        "encoding",
        "self.counted(head, 0xDC, (2, 4), 16)",
        "self.counted(head, 0xDC, (2, 4), 0)",
        "canonical: an array with a longer header",
    ),
    Mutant(
        "encoding",
        '.decode("utf-8")',
        '.decode("utf-8", "surrogatepass")',
        "canonical: UTF-8 for a surrogate",
    ),
    Mutant(
        "encoding",
        "if depth >= 8:",
        "if depth >= 9:",
        "canonical: nine arrays inside each other",
    ),
    Mutant(
        "encoding",
        "if count > 2048:",
        "if count >= 2048:",
        "canonical: dc0800c0c0c0c0c0c0c0c0c0",
    ),
    Mutant(
        "encoding",
        "if len(data) > bytes_max:",
        "if len(data) >= bytes_max:",
        "canonical: c50ffd000000000000000000",
    ),
    Mutant(
        "encoding",
        "if reader.at != len(data):",
        "if False:",
        "canonical: a trailing byte",
    ),
    Mutant(
        "encoding",
        "str(len(body)).encode(), body",
        "str(len(body)).encode(), name",
        "bounds: genesis 0: good 0",
    ),
    Mutant(
        "encoding",
        "    *range(0x7F, 0xA0),\n",
        "    *range(0x7F, 0x9F),\n",
        "bounds: genesis 0: bad 32",
    ),
    Mutant(
        "encoding",
        "    *range(0x2028, 0x202F),\n",
        "    *range(0x2028, 0x202E),\n",
        "bounds: genesis 0: bad 37",
    ),
    Mutant(
        "encoding",
        "    0x061C,\n",
        "",
        "bounds: genesis 0: bad 33",
    ),
    Mutant(
        "encoding",
        "    *range(0x2066, 0x206A),\n",
        "    *range(0x2067, 0x206A),\n",
        "bounds: genesis 0: bad 38",
    ),
    Mutant(
        "encoding",
        "    0xFEFF,\n",
        "",
        "bounds: genesis 0: bad 40",
    ),
    Mutant(
        "encoding",
        "return _is_text(value, 0, 512)",
        "return _is_text(value, 0, 511)",
        "bounds: rejection 3: good 1",
    ),
    Mutant(
        "encoding",
        "least <= len(value.encode()) <= most",
        "least <= len(value) <= most",
        "bounds: genesis 0: bad 5",
    ),
    Mutant(
        "encoding",
        "*range(0xFE00, 0xFE10)",
        "*range(0xFE00, 0xFE0F)",
        "bounds: genesis 0: bad 25",
    ),
    Mutant(
        "encoding",
        "*range(0xE0100, 0xE01F0)",
        "*range(0xE0101, 0xE01F0)",
        "bounds: genesis 0: bad 26",
    ),
    Mutant(
        "encoding",
        'if not _is_text(value, 1, 64) or value in (".", "..")',
        'if not _is_text(value, 1, 64) or value == "."',
        "bounds: genesis 0: bad 7",
    ),
    Mutant(
        "encoding",
        'value == value.strip(" ")',
        'value == value.rstrip(" ")',
        "bounds: genesis 0: bad 11",
    ),
    Mutant(
        "encoding",
        "1 <= len(part.encode()) <= 255",
        "1 <= len(part) <= 255",
        "bounds: put 1: bad 13",
    ),
    Mutant(
        "encoding",
        'part not in (".", "..")',
        'part != ".."',
        "bounds: put 1: bad 8",
    ),
    Mutant(
        "encoding",
        "return len(value) <= 128 and",
        "return len(value) <= 129 and",
        "bounds: put 4: bad 3",
    ),
    Mutant(
        "encoding",
        '" " <= letter <= "~"',
        '" " < letter <= "~"',
        "bounds: put 4: good 2",
    ),
    Mutant(
        "encoding",
        "value[0] not in ALPHANUMERIC",
        "False",
        "bounds: rejection 2: bad 5",
    ),
    Mutant(
        "encoding",
        'ALPHANUMERIC + "-."',
        'ALPHANUMERIC + "-._"',
        "bounds: rejection 2: bad 7",
    ),
    Mutant(
        "encoding",
        "while 2 * left < len(leaves):",
        "while 2 * left <= len(leaves):",
        "merkle: root of 2",
    ),
    Mutant(
        "encoding",
        "if index < left:",
        "if index <= left:",
        "merkle: proof 1",
    ),
    Mutant(
        "encoding",
        "return 0 <= index < size and climb",
        "return climb",
        "merkle: proof 15",
    ),
]
