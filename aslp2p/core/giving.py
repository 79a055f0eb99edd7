"""How contents are given where no daemon does it: a simulated machine, a test."""

from __future__ import annotations

from collections.abc import Iterator

from aslp2p.core.effects import Give
from aslp2p.gossip.messages import Content, NoContent, encode_message
from aslp2p.ledger.reader import Reader
from aslp2p.limits import CONTENT_BATCH_BYTES_MAX


def messages_of(reader: Reader, give: Give) -> Iterator[bytes]:
    """The messages in which `give` leaves, each read when it is asked for."""
    batch: list[bytes] = []
    size = 0
    for id_, _ in give.contents:
        data = reader.content(id_)
        if data is None:
            yield encode_message(NoContent((id_,)))
            continue
        if batch and size + len(data) > CONTENT_BATCH_BYTES_MAX:
            yield encode_message(Content(tuple(batch)))
            batch, size = [], 0
        batch.append(data)
        size += len(data)
    if batch:
        yield encode_message(Content(tuple(batch)))
