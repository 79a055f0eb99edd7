"""Mistakes in how bundles are read (10.1), and the vector that notices each."""

from __future__ import annotations

from tests.independent_verifier.mutants.plant import Mutant

BUNDLES = [
    Mutant(
        "bundles",
        "if magic[:7] != MAGIC[:7]:",
        "if False:",
        "bundles: not a bundle",
    ),
    Mutant(
        "bundles",
        "if magic != MAGIC:",
        "if False:",
        "bundles: a later version",
    ),
    Mutant(
        "bundles",
        "if self.floor[0] > 2**53 - 1:",
        "if False:",
        "bundles: a floor above 2^53 - 1",
    ),
    Mutant(
        "bundles",
        "if kind not in MOST:",
        'if kind not in b"ABC":',
        "bundles: an unknown kind of record",
    ),
    Mutant(
        "bundles",
        "if length > MOST[kind]:",
        "if False:",
        "bundles: an artifact longer than any",
    ),
    Mutant(
        "bundles",
        "if (kind, id_) <= before:",
        "if id_ <= before[1]:",
        "bundles: years",
    ),
    Mutant(
        "bundles",
        'before, size = (b"A", b""), 0',
        'before, size = (b"C", b""), 0',
        "bundles: paper",
    ),
    Mutant(
        "bundles",
        "if self.take(32) != digest or self.at != len(data):",
        "if self.take(32) != digest:",
        "bundles: bytes behind the trailer",
    ),
    Mutant(
        "bundles",
        "if self.take(32) != digest or self.at != len(data):",
        "if (self.take(32), self.at)[1] != len(data):",
        "bundles: a flipped bit in a content",
    ),
    Mutant(
        "bundles",
        'if (found.id if found.kind == "genesis" else found.fields["common_id"]) != self.common_id:',
        'if found.kind != "genesis" and found.fields["common_id"] != self.common_id:',
        "bundles: another Common's genesis",
    ),
    Mutant(
        "bundles",
        'if (found.id if found.kind == "genesis" else found.fields["common_id"]) != self.common_id:',
        'if found.kind == "genesis" and found.id != self.common_id:',
        "bundles: another Common's proposal",
    ),
]
