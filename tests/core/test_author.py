"""A proposal that is refused has changed nothing."""

from __future__ import annotations

import pytest

from aslp2p.artifacts.content import content_id
from aslp2p.artifacts.types import Put
from aslp2p.core.inputs import Propose
from aslp2p.errors import UserError
from aslp2p.ledger.reader import Staged
from simulations.world import World


def test_a_put_without_its_content_keeps_nothing_of_what_came_with_it() -> None:
    made = World(7)
    made.found("you", ["you"])
    made.start("you")
    missing, other = b"missing", b"something else"
    put = Put("a", content_id(missing), len(missing), "", False, 0, None)
    with pytest.raises(UserError, match="the content of that put is not here"):
        made.command("you", Propose(put, ((content_id(other), other),)))
    assert made.nodes["you"].store.content_size(content_id(other)) is None
    made.command("you", Propose(put, ((content_id(missing), missing),)))
    assert made.nodes["you"].store.content_size(content_id(missing)) == len(missing)


def test_a_put_keeps_what_was_taken_in_of_it_beside_the_store() -> None:
    made = World(7)
    made.found("you", ["you"])
    made.start("you")
    data = b"a film"
    put = Put("film", content_id(data), len(data), "", False, 0, None)
    made.command("you", Propose(put, staged=(Staged(content_id(data), len(data), data),)))
    assert made.nodes["you"].store.content(content_id(data)) == data
