"""The facts of a state: what is asked of them, and that nobody else knows how they are kept."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from aslp2p.artifacts.types import Expel, Remove, Rename, RevokeInvite
from aslp2p.ledger import facts
from aslp2p.ledger.facts import Entry, Held, Member
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.reader import BranchRow, PutBranch, PutFacts, Reader
from aslp2p.store.memory import MemoryStore
from tests.ledger.builder import BEN, DAN, Node, World, feed

ROOT = Path(__file__).parents[2]
KINDS = {value for name, value in vars(facts).items() if name.isupper() and isinstance(value, bytes)} - {
    facts.SEVERAL, facts.RESERVED,
}  # fmt: skip
OTHER, THIRD = bytes(31) + b"\x01", bytes(31) + b"\x02"


@pytest.fixture(scope="module")
def told() -> tuple[World, Node, Reader]:
    """@1 puts a, b/c and b/d, @2 removes a, @3 calls ben otherwise and ends two invites, @4 expels dan."""
    world = World()
    node = world.after(world.root, *(world.put(path) for path in ("a", "b/c", "b/d")))
    node = world.after(node, world.propose(Remove("a", None)))
    ended = world.propose(RevokeInvite(OTHER), BEN), world.propose(RevokeInvite(THIRD), DAN)
    node = world.after(node, world.propose(Rename(BEN.key, "benjamin")), *ended)
    node = world.after(node, world.propose(Expel(DAN.key)))
    ledger: Ledger = world.ledger()
    feed(ledger, node)
    return world, node, ledger._store


def at(node: Node, height: int) -> Node:
    return node.line()[height - 1]


def test_every_kind_is_one_byte_of_its_own() -> None:
    assert len(KINDS) == 14
    assert all(len(kind) == 1 for kind in KINDS)


def test_what_is_listed(told: tuple[World, Node, Reader]) -> None:
    _, node, store = told
    first, last = at(node, 1).proposals[2].id, at(node, 4).proposals[0].id
    assert facts.listed_at(store, 0, 4, first) == 2
    assert facts.listed_at(store, 0, 3, last) is None
    row = facts.snapshot_listing(store, 0, 4, last)
    assert row is not None and row.height == 4
    assert facts.snapshot_listing(store, 0, 3, last) is None
    assert facts.listed_with(store, 0, 4, first[:3], 10) == {first}
    assert len(facts.listed_with(store, 0, 4, b"", 3)) == 3


def test_what_paths_hold(told: tuple[World, Node, Reader]) -> None:
    _, node, store = told
    entry = facts.entry_at(store, 0, 1, "a")
    assert entry is not None and entry.proposal == at(node, 1).proposals[0].id
    assert facts.entry_at(store, 0, 2, "a") is None
    assert facts.path_changes(store, 0, 4, "a") == [(2, False), (1, True)]
    assert facts.path_changes(store, 0, 4, "a", 1) == [(2, False)]
    assert facts.is_folder(store, 0, 4, "b/") and not facts.is_folder(store, 0, 4, "b/c")
    assert [(path, height) for path, _, height in facts.entries_below(store, 0, 4, "")] == [
        ("b/c", 1),
        ("b/d", 1),
    ]
    assert [path for path, *_ in facts.entries_below(store, 0, 4, "b", "b/c")] == ["b/d"]


def test_what_contents_are_held(told: tuple[World, Node, Reader]) -> None:
    _, _, store = told
    ((content, held, height),) = facts.contents_held(store, 0, 4, b"", 10)
    assert held == facts.held_at(store, 0, 4, content) and (held.paths, height) == (2, 2)
    assert facts.contents_held(store, 0, 4, content, 10) == []
    assert [(height, one.paths) for height, one in facts.held_changes(store, 0, 4, content) if one] == [
        (2, 2),
        (1, 3),
    ]
    assert facts.held_at(store, 0, 0, content) is None


def test_who_is_a_member(told: tuple[World, Node, Reader]) -> None:
    world, _, store = told
    assert facts.member_at(store, 0, 4, OTHER) is None
    known = facts.member_changes(store, 0, 4, DAN.key)
    assert [(one.status, one.kept) for one in known] == [
        ("expelled", True),
        ("admitted", True),
        ("admitted", False),
    ]
    assert known[-1].by == world.id
    assert facts.member_at(store, 0, 4, DAN.key) == known[0] == facts.load_members(store, 0, 4)[DAN.key]
    assert facts.key_named(store, 0, 4, "benjamin") == BEN.key
    assert facts.key_named(store, 0, 4, "ben") is None and facts.key_named(store, 0, 2, "ben") == BEN.key
    assert facts.key_named(store, 0, 4, "\udcff") is None, "no name, but a person can type it"


def test_a_name_that_an_authority_gives_is_nobodys() -> None:
    store = MemoryStore()
    reserved = {facts.name_key("dan"): facts.RESERVED, facts.name_key("eve"): OTHER}
    store.apply([PutBranch(BranchRow(0, -1, 0, 0, OTHER, 0)), PutFacts(0, 0, reserved)])
    assert facts.key_named(store, 0, 0, "eve") == OTHER
    assert facts.key_named(store, 0, 0, "dan") is None


def test_what_became_of_an_invite(told: tuple[World, Node, Reader]) -> None:
    _, _, store = told
    assert facts.invite_uses(store, 0, 4, OTHER) == 0
    assert facts.is_invite_revoked(store, 0, 4, OTHER, ()), "ben is an authority"
    assert not facts.is_invite_revoked(store, 0, 2, OTHER, (BEN.key,))
    assert facts.is_invite_revoked(store, 0, 4, THIRD, (DAN.key,))
    assert not facts.is_invite_revoked(store, 0, 4, THIRD, (BEN.key,)), "dan ends his own only"


def test_standings_from_the_newest_down_to_genesis(told: tuple[World, Node, Reader]) -> None:
    _, _, store = told
    changes = list(facts.standing_changes(store, 0, -1, 4))
    assert [height for height, _ in changes][-1] == 0
    assert changes[0][1] == facts.standing_at(store, 0, 4)
    assert list(facts.standing_changes(store, 0, 0, 4)) == changes[:-1]
    with pytest.raises(LookupError):
        facts.standing_at(store, 7, 0)


def test_a_key_in_words() -> None:
    assert facts.shown(facts.path_key("a/b")) == "path 'a/b'"
    assert facts.shown(facts.proposal_key(bytes(32))) == "proposal '000000000000'"
    assert facts.shown(facts.STANDING) == "standing"
    assert facts.shown(facts.tile_key(8, 0)).startswith("key '")
    assert facts.shown(b"") == "b''"


def test_values_come_back_as_they_were_packed() -> None:
    entry = Entry(OTHER, 1, "", False, 0, OTHER, OTHER, 2)
    for record in (entry, Member("ann", "admitted", OTHER, True), Held(1, b"", 0, b"")):
        assert facts.unpack(type(record), facts.pack(record)) == record
    assert facts.number(facts.packed_index(7)) == facts.number(facts.packed_count(7)) == 7
    assert facts.number(facts.packed_children(7)) == 7 and facts.packed_children(0) is None
    assert facts.number(None) == 0


def _raw_keys(tree: ast.AST) -> Iterator[int]:
    """Lines where a kind is joined with something, or read or written as it is."""
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [node.left]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("fact", "facts", "fact_changes", "set", "get", "startswith"):
                parts = node.args
        elif isinstance(node, ast.Assign):
            parts = [node.value]
        yield from (part.lineno for part in parts if isinstance(part, ast.Constant) and part.value in KINDS)


def test_nobody_else_makes_a_key() -> None:
    """The announcement's TXT record has keys of one letter too, and is none of these."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("aslp2p", "simulations", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name not in ("facts.py", "announcement.py")
        for line in _raw_keys(ast.parse(path.read_text()))
    ]
    assert found == []
    assert list(_raw_keys(ast.parse('reader.fact(branch, b"p" + id_, height)')))
    assert list(_raw_keys(ast.parse('reader.facts(branch, b"u", height)')))
