"""`erase`: by whom, of what, and what is remembered of a content (section 3, V7)."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aslp2p.artifacts.types import Erase, Remove
from aslp2p.errors import InvariantBroken, Rejected
from aslp2p.ledger.erasure import note_gone
from aslp2p.ledger.facts import SEVERAL, Held, held_at
from aslp2p.ledger.history import Ledger
from tests.ledger.builder import ANN, BEN, CLEO, DAN, LARGE, Key, World, feed

OTHER = b"\x08" * 32


def held(ledger: Ledger, content: bytes = LARGE) -> Held | None:
    return held_at(ledger._store, ledger.head.branch, ledger.head.height, content)


def test_what_is_known_of_a_content() -> None:
    world = World()
    ledger = world.ledger()
    assert held(ledger) is None
    tip = world.after(world.root, world.large("a", DAN), world.large("b", DAN, size=99))
    feed(ledger, tip)
    assert held(ledger) == Held(99, DAN.key, 2, b"", "b")
    again = world.large("a", DAN, executable=True)
    tip = world.after(tip, again, world.large("b", CLEO), world.put("a", DAN, content=OTHER, size=70))
    feed(ledger, tip)
    assert held(ledger) == Held(99, SEVERAL, 1, b"", "b")
    assert held(ledger, OTHER) == Held(70, DAN.key, 1, b"", "a")


def test_erased_once_nothing_holds_it_and_revived_by_whoever_puts_it_again() -> None:
    world = World()
    ledger = world.ledger()
    erase = world.propose(Erase(LARGE, "private"), DAN)
    tip = world.after(world.root, world.large("a", DAN), world.propose(Remove("a", LARGE), BEN), erase)
    feed(ledger, tip)
    assert held(ledger) == Held(64, DAN.key, 0, erase.id, "a")
    revived = world.after(tip, world.large("b", CLEO))
    feed(ledger, revived)
    assert held(ledger) == Held(64, SEVERAL, 1, b"", "b")
    gone = world.after(revived, world.propose(Remove("b", None), CLEO))
    feed(ledger, gone)
    with pytest.raises(Rejected, match="takes a certificate"):
        feed(ledger, world.after(gone, world.propose(Erase(LARGE, ""), DAN)))
    one = world.propose(Erase(LARGE, ""), DAN)
    feed(ledger, last := world.after(gone, one, certificate=world.certificate(one, ANN, CLEO)))
    assert held(ledger) == Held(64, SEVERAL, 0, one.id, "b")
    assert ledger.head.standing.next_witness == ANN.key, "it moves no authority"
    feed(ledger, world.puts(last, "x"))


def test_an_erasure_that_is_rolled_back_erased_nothing() -> None:
    world = World()
    ledger = world.ledger()
    base = world.after(world.root, world.large("a", DAN), world.propose(Remove("a", None), DAN))
    lost = world.after(base, world.propose(Erase(LARGE, ""), DAN))
    feed(ledger, base, lost, world.recover(base, CLEO, BEN, CLEO))
    assert held(ledger) == Held(64, DAN.key, 0, b"", "a")


def test_a_path_less_than_none_is_a_bug() -> None:
    draft = World().ledger().draft()
    with pytest.raises(InvariantBroken):
        note_gone(draft, LARGE)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "remove", "erase"]),
        st.sampled_from(["a", "b", "c/d"]),
        st.sampled_from([LARGE, OTHER]),
        st.sampled_from([DAN, CLEO]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_what_is_counted_is_what_a_naive_tree_holds(steps: list[tuple[str, str, bytes, Key]]) -> None:
    world = World()
    ledger = world.ledger()
    tip = world.root
    tree: dict[str, bytes] = {}
    authors: dict[bytes, set[bytes]] = {}
    erased: set[bytes] = set()
    for kind, path, content, who in steps:
        if kind == "put":
            tree[path] = content
            authors.setdefault(content, set()).add(who.key)
            erased.discard(content)
            proposal = world.large(path, who, content=content)
            good = True
        elif kind == "remove":
            good = tree.pop(path, None) is not None
            proposal = world.propose(Remove(path, None), who)
        else:
            good = (
                authors.get(content) == {who.key} and content not in tree.values() and content not in erased
            )
            erased |= {content} if good else set()
            proposal = world.propose(Erase(content, ""), who)
        node = world.after(tip, proposal)
        if good:
            feed(ledger, node)
            tip = node
        else:
            with pytest.raises(Rejected, match="V7"):
                feed(ledger, node)
    counts = Counter(tree.values())
    for content in (LARGE, OTHER):
        found = held(ledger, content)
        assert (found is None) == (content not in authors)
        if found is not None:
            by = next(iter(authors[content])) if len(authors[content]) == 1 else SEVERAL
            assert (found.by, found.paths, bool(found.erased)) == (by, counts[content], content in erased)
