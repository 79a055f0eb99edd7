"""What a content consists of, and which pieces of it something else needs.

A large content is its manifest and the chunks that this lists; a chunk may be of several contents, or a
content of its own. So before pieces go, everything is looked through that is to stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from aslp2p.artifacts.content import decode_manifest
from aslp2p.core.context import Context
from aslp2p.core.lacking import Items, manifest_size
from aslp2p.errors import ArtifactError, Damaged
from aslp2p.ledger.facts import Held, contents_held
from aslp2p.limits import CHUNK_BYTES

PAGE = 400
"""Contents that are looked at in one go."""


def chunk_ids(context: Context, manifest: bytes) -> Sequence[bytes]:
    """What a manifest lists; nothing where it is not here, or none."""
    try:
        data = context.store.content(manifest) or b""
        return decode_manifest(data, manifest_size(data))
    except (ArtifactError, Damaged):
        return ()


def pieces_of(context: Context, content: bytes, *, large: bool) -> Sequence[bytes]:
    """The content itself, and the chunks of a large one as far as its manifest is here."""
    return (content, *chunk_ids(context, content)) if large else (content,)


def held_pages(context: Context, branch: int, height: int) -> Iterator[list[tuple[bytes, Held, int]]]:
    """Everything that the history names at (branch, height) and that is not erased, a page at a time: its id,
    what is known of it, and the height at which that changed last."""
    after = b""
    while rows := contents_held(context.store, branch, height, after, PAGE):
        yield [row for row in rows if not row[1].erased]
        after = rows[-1][0]


def is_large(held: Held) -> bool:
    """Whether it has a manifest."""
    return held.size > CHUNK_BYTES


def needed_by(context: Context, items: Items, pieces: Collection[bytes]) -> Iterable[bytes]:
    """Those of `pieces` that `items` (content id, whether it has a manifest) consist of."""
    for content, large in items:
        if content in pieces:
            yield content
        if large:
            yield from (id_ for id_ in chunk_ids(context, content) if id_ in pieces)
