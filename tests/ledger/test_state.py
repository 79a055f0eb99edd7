"""What actions do to the state, every refusal of each, and that a refused action changes nothing (V7, P6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.types import Action, Admit, Erase, Expel, Forget, Put, Remove, Rename
from aslp2p.errors import InvariantBroken
from aslp2p.ledger import members as ledger_members
from aslp2p.ledger.actions import apply_action
from aslp2p.ledger.facts import Member, folder_key, pack, unpack
from aslp2p.ledger.history import Ledger
from aslp2p.ledger.state import ADMITTED, EXPELLED, Draft, NotApplicable, is_admitted, revoked_keys
from tests.ledger.builder import ANN, BEN, CLEO, DAN, EVE, FAY, GUS, Key, World, feed, named, policy

ID = bytes(32)
OTHER = b"\x01" * 32


def put(path: str, content: bytes = ID, expects: bytes | None = None) -> Put:
    return Put(path, content, 1, "", False, 0, expects)


class Bench:
    """A draft on a small tree, and members: ann, ben, cleo (authorities), dan, gus; fay is expelled."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.ledger: Ledger = self.world.ledger()
        tip = self.world.after(
            self.world.root,
            self.world.put("file"),
            self.world.put("d/x"),
            self.world.put("d/e/f/g"),
            self.world.admit(FAY),
            self.world.admit(GUS),
            self.world.propose(Expel(FAY.key), BEN),
        )
        feed(self.ledger, tip)
        self.draft = self.ledger.draft()
        self.members = dict(self.ledger.head.members)

    def apply(self, action: Action, author: Key = ANN) -> None:
        apply_action(self.draft, self.members, self.ledger.head.standing, self.world.propose(action, author))

    def refused(self, action: Action, author: Key = ANN) -> NotApplicable:
        before = (self.draft._changes.copy(), self.members.copy())
        with pytest.raises(NotApplicable) as caught:
            self.apply(action, author)
        assert (self.draft._changes, self.members) == before
        return caught.value


REFUSED: list[tuple[str, str, Action, Key]] = [
    ("not-admitted", "V7", put("new"), EVE),
    ("not-admitted", "V7", put("new"), FAY),
    ("changed-meanwhile", "V7", put("file", expects=b""), ANN),
    ("changed-meanwhile", "V7", put("file", expects=OTHER), ANN),
    ("changed-meanwhile", "V7", put("new", expects=ID), ANN),
    ("path-conflict", "V7", put("d"), ANN),
    ("path-conflict", "V7", put("d/e"), ANN),
    ("path-conflict", "V7", put("file/x"), ANN),
    ("path-conflict", "V7", put("file/x/y/z"), ANN),
    ("nothing-there", "V7", Remove("new", None), ANN),
    ("nothing-there", "V7", Remove("d", None), ANN),
    ("nothing-there", "V7", Remove("new", b""), ANN),
    ("changed-meanwhile", "V7", Remove("file", OTHER), ANN),
    ("changed-meanwhile", "V7", Remove("file", b""), ANN),
    ("already-admitted", "V7", Admit(DAN.key, "other", None), ANN),
    ("name-taken", "V7", Admit(EVE.key, "dan", None), ANN),
    ("expelled", "P6", Admit(FAY.key, "fay", None), DAN),
    ("not-authority", "P6", Expel(GUS.key), DAN),
    ("is-authority", "P6", Expel(BEN.key), BEN),
    ("not-authority", "P6", Forget(FAY.key), DAN),
    ("not-expelled", "P6", Forget(DAN.key), BEN),
    ("not-expelled", "P6", Forget(EVE.key), BEN),
    ("not-authority", "P6", Rename(GUS.key, "Gus"), DAN),
    ("not-a-member", "P6", Rename(FAY.key, "Fay"), BEN),
    ("not-a-member", "P6", Rename(EVE.key, "Eve"), BEN),
    ("name-taken", "V7", Rename(DAN.key, "gus"), DAN),
    ("name-taken", "V7", Rename(DAN.key, f"dan-{GUS.key.hex()[:16]}"), BEN),
    ("nothing-there", "V7", Erase(OTHER, ""), ANN),
    ("too-small", "V7", Erase(ID, ""), ANN),
    ("is-authority", "P6", Expel(CLEO.key), BEN),
    ("not-a-member", "P6", Expel(EVE.key), BEN),
    ("not-a-member", "P6", Expel(FAY.key), BEN),
]


@pytest.mark.parametrize(
    ("code", "rule", "action", "author"), REFUSED, ids=[f"{c}-{n}" for n, (c, *_) in enumerate(REFUSED)]
)
def test_what_does_not_apply_changes_nothing(code: str, rule: str, action: Action, author: Key) -> None:
    error = Bench().refused(action, author)
    assert (error.reason_code, error.rule) == (code, rule)


def test_paper_is_not_applied_without_its_certificate() -> None:
    bench = Bench()
    rotation = bench.world.rotation(bench.world.root, BEN).statement.action
    assert bench.refused(rotation).reason_code == "no-certificate"


def test_a_proposal_is_listed_once() -> None:
    bench = Bench()
    proposal = bench.world.put("new")
    standing = bench.ledger.head.standing
    bench.draft.set(b"p" + proposal.id, bytes(8))
    with pytest.raises(NotApplicable) as caught:
        apply_action(bench.draft, bench.members, standing, proposal)
    assert caught.value.reason_code == "listed-already"


def test_where_only_authorities_admit() -> None:
    bench = Bench(World(policy((ANN, BEN, CLEO), 2, participants="authorities")))
    assert bench.refused(Admit(EVE.key, "eve", None), DAN).reason_code == "not-authority"
    bench.apply(Admit(EVE.key, "eve", None), CLEO)
    assert is_admitted(bench.members, EVE.key)


def test_the_witness_is_replaced_before_it_is_expelled() -> None:
    """Neither the one that signs nor the one that is appointed, authorities or not (P6)."""
    world = World(members=(ANN, BEN, CLEO, DAN, EVE))
    ledger = world.ledger()
    tip = world.rotate(world.puts(world.rotate(world.root, DAN), "x"), EVE, BEN, CLEO)
    feed(ledger, tip)
    standing = ledger.head.standing
    assert (standing.witness, standing.next_witness) == (DAN.key, EVE.key)
    for key in (DAN.key, EVE.key):
        with pytest.raises(NotApplicable) as caught:
            apply_action(ledger.draft(), dict(ledger.head.members), standing, world.propose(Expel(key), BEN))
        assert caught.value.reason_code == "is-witness"


def test_an_expelled_key_comes_back_by_an_authority_under_any_free_name() -> None:
    bench = Bench()
    assert bench.members[FAY.key].status == EXPELLED
    bench.apply(Admit(EVE.key, "fay", None))  # its name is free: names are of living members
    assert bench.refused(Admit(FAY.key, "fay", None), BEN).reason_code == "name-taken"
    bench.apply(Admit(FAY.key, "fay2", None), BEN)
    assert bench.members[FAY.key].name == "fay2"
    bench.apply(Expel(EVE.key), BEN)
    assert bench.draft.get(b"nfay") is None
    assert bench.draft.get(b"nfay2") == FAY.key


def test_a_name_that_passed_on_stays_with_its_new_owner() -> None:
    draft = Bench().draft
    members: dict[bytes, Member] = {}
    ledger_members.set_member(draft, members, DAN.key, Member("x", ADMITTED, ID, False))
    draft.set(b"nx", EVE.key)
    ledger_members.set_member(draft, members, DAN.key, Member("x", EXPELLED, ID, False))
    assert draft.get(b"nx") == EVE.key


def test_what_an_entry_holds() -> None:
    bench = Bench()
    proposal = bench.world.propose(Put("new", OTHER, 7, "text/plain", True, 0, b""), DAN)
    apply_action(bench.draft, bench.members, bench.ledger.head.standing, proposal)
    entry = bench.draft.entry("new")
    assert entry is not None
    assert (entry.content, entry.size, entry.media_type, entry.executable) == (OTHER, 7, "text/plain", True)
    assert (entry.proposal, entry.author) == (proposal.id, DAN.key)
    assert entry.created_ms == proposal.statement.created_ms
    bench.apply(put("new", ID, expects=OTHER))  # what an author expects is the content, whoever put it
    bench.apply(Remove("new", ID))
    assert bench.draft.entry("new") is None


def test_facts_come_back_and_a_count_below_nothing_is_a_bug() -> None:
    member = Member("ann", ADMITTED, ID, True)
    assert unpack(Member, pack(member)) == member
    assert revoked_keys({OTHER: Member("x", "revoked", ID, False), ID: member}) == {OTHER}
    draft = Bench().draft
    with pytest.raises(InvariantBroken):
        draft.count("nowhere", -1)


def test_a_draft_seals_what_changed_since() -> None:
    draft = Bench().draft
    draft.set(b"x", b"1")
    assert draft.seal() == {b"x": b"1"}
    assert draft.get(b"x") == b"1"
    draft.set(b"y", None)
    assert draft.seal() == {b"y": None}


# --- folders ------------------------------------------------------------------------------------------

PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join)


def model_put(tree: dict[str, int], path: str, number: int) -> bool:
    """A naive tree: a dict of files; a folder is what is a prefix of a file."""
    folder = any(other.startswith(path + "/") for other in tree)
    parts = path.split("/")
    inside_file = any("/".join(parts[:cut]) in tree for cut in range(1, len(parts)))
    if folder or inside_file:
        return False
    tree[path] = number
    return True


def model_children(tree: dict[str, int], folder: str) -> int:
    inside = [path[len(folder) + 1 :] for path in tree if path.startswith(folder + "/")]
    return len({rest.split("/")[0] for rest in inside})


@given(st.lists(st.tuples(st.sampled_from(["put", "remove"]), PATHS), max_size=40))
def test_folders_hold_what_a_naive_tree_holds(steps: list[tuple[str, str]]) -> None:
    world = World()
    ledger = world.ledger()
    draft = Draft(ledger._store, 0, 0)
    members, standing = dict(ledger.head.members), ledger.head.standing
    tree: dict[str, int] = {}
    for number, (kind, path) in enumerate(steps):
        content = number.to_bytes(32, "big")
        if kind == "put":
            expected = model_put(tree, path, number)
            action: Action = put(path, content)
        else:
            expected = tree.pop(path, None) is not None
            action = Remove(path, None)
        try:
            apply_action(draft, members, standing, world.propose(action))
            applied = True
        except NotApplicable:
            applied = False
        assert applied == expected
    for path, number in tree.items():
        entry = draft.entry(path)
        assert entry is not None
        assert entry.content == number.to_bytes(32, "big")
    folders = {path[:cut] for _, path in steps for cut, letter in enumerate(path) if letter == "/"}
    for folder in folders | {path for _, path in steps}:
        assert draft.children(folder) == model_children(tree, folder)
        assert (draft.get(folder_key(folder)) is None) == (model_children(tree, folder) == 0)
        assert (draft.entry(folder) is not None) == (folder in tree)


def test_an_anchor_is_a_member_under_its_own_name() -> None:
    world = World(anchors=(*named((ANN, BEN, CLEO)), named((DAN,))[0]))
    ledger = world.ledger()
    assert {member.name for member in ledger.head.members.values()} == {"ann", "ben", "cleo", "dan"}
    assert all(member.by == world.id for member in ledger.head.members.values())
