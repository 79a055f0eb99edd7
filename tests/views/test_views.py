"""What people are told about a history is what is in it, at every version."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace

from aslp2p.artifacts.envelope import sign_statement
from aslp2p.artifacts.types import (
    Admit,
    Cosignature,
    Endorsement,
    Erase,
    Expel,
    Put,
    Remove,
    Rotation,
    Snapshot,
)
from aslp2p.errors import UsageError, UserError
from aslp2p.ledger.facts import path_key
from aslp2p.ledger.finality import keep_cosignature
from aslp2p.ledger.joining import META_NAME_CHOSEN
from aslp2p.ledger.reader import (
    BranchRow,
    DropArtifacts,
    PutArtifacts,
    PutBranch,
    PutFacts,
    PutMeta,
    PutSnapshot,
    SnapshotRow,
)
from aslp2p.limits import CONTROL_LINE_BYTES_MAX, MIB, VIEW_PAGE_MAX
from aslp2p.store.memory import MemoryStore
from aslp2p.views.content import NotHere
from aslp2p.views.queries import QUERIES
from aslp2p.views.verify import SLICE
from aslp2p.views.view import NothingHere, View
from tests.views.histories import History, Key


def ask(history: History, name: str, asker: Key | None = None, **params: Any) -> dict[str, Any]:
    """The answer as a client gets it: through JSON, within a control line."""
    text = json.dumps(QUERIES[name](history.view(asker), **params))
    assert len(text) < CONTROL_LINE_BYTES_MAX - 1024
    answer: dict[str, Any] = json.loads(text)
    return answer


@pytest.fixture
def history() -> History:
    made = History()
    made.emit(
        made.put("photos/cat.jpg", b"cat"),
        made.put("photos/sub/dog.jpg", b"dog"),
        made.put("photos.txt", b"t"),
    )
    made.emit(
        made.put("photos/cat.jpg", b"another cat", made.ben),
        made.propose(Remove("photos.txt", None), made.cleo),
    )
    return made


def paths(answer: dict[str, Any]) -> list[str]:
    return [entry["path"] for entry in answer["entries"]]


def test_ls_lists_each_version_as_it_was(history: History) -> None:
    assert paths(ask(history, "ls")) == ["photos/cat.jpg", "photos/sub/dog.jpg"]
    assert paths(ask(history, "ls", at=1)) == ["photos.txt", "photos/cat.jpg", "photos/sub/dog.jpg"]
    assert paths(ask(history, "ls", at=0)) == []


@pytest.mark.parametrize("prefix", ["photos", "photos/"])
def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_word(history: History, prefix: str) -> None:
    assert paths(ask(history, "ls", prefix=prefix, at=1)) == ["photos/cat.jpg", "photos/sub/dog.jpg"]


def test_a_prefix_may_be_one_file(history: History) -> None:
    answer = ask(history, "ls", prefix="photos/cat.jpg")
    assert paths(answer) == ["photos/cat.jpg"] and answer["entries"][0]["height"] == 2
    assert paths(ask(history, "ls", prefix="photos/cat.jpg", after="photos/cat.jpg")) == []


def test_long_lists_come_in_pages_that_make_the_whole() -> None:
    """With the longest paths that there may be, escaped: a page is still a control line."""
    history = History()
    names = [
        f"{'é' * 120}/{'é' * 120}/{'é' * 120}/{'é' * 120}/{number:04}" for number in range(VIEW_PAGE_MAX + 7)
    ]
    for start in range(0, len(names), 300):
        history.emit(*(history.put(name, b"x") for name in names[start : start + 300]))
    first = ask(history, "ls")
    second = ask(history, "ls", after=first["next"])
    assert paths(first) + paths(second) == names and second["next"] is None
    assert first["snapshot"] == second["snapshot"]
    changes: list[str] = []
    after: str | None = ""
    while after is not None:
        page = ask(history, "diff", first=0, after=after)
        changes += [change["path"] for change in page["changes"]]
        after = page["next"]
    assert changes == names


def test_an_entry_says_who_put_it_and_when(history: History) -> None:
    entry = ask(history, "entry", history.ben, path="photos/cat.jpg")
    assert entry["author"]["shown"] == "you" and entry["author"]["name"] == "ben"
    assert (entry["size"], entry["height"], entry["at"], entry["here"]) == (11, 2, 2, True)
    assert ask(history, "entry", path="photos/cat.jpg", at=1)["size"] == 3


@pytest.mark.parametrize(
    ("path", "at", "says"),
    [
        ("photos", None, "photos is a folder; list it with `asl ls photos`"),
        ("photos.txt", None, "photos.txt is not there at @2; it is there at @1: photos.txt@1"),
        ("nothing", None, "nothing is not there at @2; see what is with `asl ls`"),
        ("photos/cat.jpg", 3, "@3 does not exist yet: the newest here is @2; wait for it"),
        ("photos/cat.jpg", -1, "@-1 is no version; versions begin at @0"),
    ],
)
def test_what_is_not_there_is_explained(history: History, path: str, at: int | None, says: str) -> None:
    with pytest.raises(UserError) as caught:
        ask(history, "entry", path=path, at=at)
    assert str(caught.value).startswith(says)


def test_diff_names_what_was_added_changed_and_removed(history: History) -> None:
    history.emit(history.put("new", b"n"))
    answer = ask(history, "diff", first=1)
    assert [(one["path"], one["change"]) for one in answer["changes"]] == [
        ("new", "added"),
        ("photos.txt", "removed"),
        ("photos/cat.jpg", "changed"),
    ]
    assert (answer["from"], answer["to"], answer["next"]) == (1, 3, None)
    back = ask(history, "diff", first=3, second=1)
    assert [one["change"] for one in back["changes"]] == ["removed", "added", "changed"]
    assert ask(history, "diff", first=2, second=2)["changes"] == []


def test_log_is_newest_first_and_pages(history: History) -> None:
    answer = ask(history, "log")
    assert [one["height"] for one in answer["snapshots"]] == [2, 1, 0] and answer["next"] is None
    assert [one["words"] for one in answer["snapshots"][0]["actions"]] == [
        "puts photos/cat.jpg (11 B)",
        "removes photos.txt",
    ]
    page = ask(history, "log", limit=2)
    assert [one["height"] for one in page["snapshots"]] == [2, 1] and page["next"] == 1
    assert [one["height"] for one in ask(history, "log", before=page["next"])["snapshots"]] == [0]


@pytest.mark.parametrize(
    ("path", "heights"),
    [
        ("photos/cat.jpg", [2, 1]),
        ("photos", [2, 1]),
        ("photos/sub/", [1]),
        ("photos.txt", [2, 1]),
        ("none", []),
    ],
)
def test_log_of_a_path(history: History, path: str, heights: list[int]) -> None:
    answer = ask(history, "log", path=path)
    assert [one["height"] for one in answer["snapshots"]] == heights and answer["next"] is None


def test_log_of_a_path_that_changed_often_pages() -> None:
    history = History()
    for number in range(70):
        history.emit(history.put("f", b"%d" % number))
    first = ask(history, "log", path="f")
    rest = ask(history, "log", path="f", before=first["next"])
    assert [one["height"] for one in (*first["snapshots"], *rest["snapshots"])] == list(range(70, 0, -1))


def test_show_tells_what_a_snapshot_holds(history: History) -> None:
    answer = ask(history, "show", at=1)
    assert (answer["height"], answer["count"], answer["next"], answer["certificate"]) == (1, 3, None, None)
    assert answer["witness"]["name"] == "ann" and len(answer["proposals"]) == 3
    genesis = ask(history, "show", at=0)
    assert genesis["kind"] == "genesis" and genesis["policy"]["threshold"] == 2
    assert [anchor["name"] for anchor in genesis["anchors"]] == ["ann", "ben", "cleo"]


def test_show_pages_a_full_snapshot() -> None:
    history = History()
    count = 2 * VIEW_PAGE_MAX + 3
    history.emit(*(history.put(f"f{number}", b"x") for number in range(count)))
    shown = 0
    after: int | None = 0
    while after is not None:
        page = ask(history, "show", after=after)
        shown, after = shown + len(page["proposals"]), page["next"]
    assert shown == count


def test_find_takes_the_first_digits_of_an_id(history: History) -> None:
    head = ask(history, "log")["snapshots"][0]
    assert ask(history, "find", id=head["id"][:10])["height"] == 2
    listed = head["actions"][0]["id"]
    for digits in (listed, listed[:9], listed[:10]):
        found = ask(history, "find", id=digits)
        assert (found["id"], found["height"], found["action"]["path"]) == (listed, 2, "photos/cat.jpg")
    with pytest.raises(UserError, match="nothing here has an id that begins with 00000"):
        ask(history, "find", id="00000")
    with pytest.raises(UsageError, match="is not an id"):
        ask(history, "find", id="xyz")


def test_find_refuses_an_ambiguous_prefix() -> None:
    """Proposals until two ids share their first four digits."""
    history = History()
    seen: dict[str, bytes] = {}
    while True:
        proposal = history.put("f", b"")
        if (prefix := proposal.id.hex()[:4]) in seen:
            break
        seen[prefix] = proposal.id
    with pytest.raises(UsageError, match=r"2 ids begin with [0-9a-f]{4}; write more digits"):
        ask(history, "find", id=prefix)


def test_the_log_says_what_is_erased_and_what_revives_it(history: History) -> None:
    data = b"private" * 10
    put = history.put("diary", data)
    action = put.statement.action
    assert isinstance(action, Put)
    history.emit(put, history.propose(Remove("diary", None)))
    history.emit(history.propose(Erase(action.content, "it was private")))
    history.emit(history.put("again", data, history.ben))
    snapshots = ask(history, "log")["snapshots"]
    (revived,), (erased,) = snapshots[0]["actions"], snapshots[1]["actions"]
    assert erased["words"] == f"ERASES the content {action.content.hex()[:12]} everywhere: it was private"
    assert revived["revives"] and not erased["revives"]
    assert not any(one["revives"] for one in snapshots[2]["actions"])


def test_members_and_roles(history: History) -> None:
    dan = Key(9)
    history.emit(history.propose(Admit(dan.key, "dan", None)))
    history.emit(history.propose(Expel(dan.key)))
    answer = {one["name"]: (one["status"], one["roles"]) for one in ask(history, "members")["members"]}
    assert answer == {
        "ann": ("admitted", ["witness", "authority"]),
        "ben": ("admitted", ["authority"]),
        "cleo": ("admitted", ["authority"]),
        "dan": ("expelled", []),
    }
    before = {one["name"]: one["status"] for one in ask(history, "members", at=3)["members"]}
    assert before["dan"] == "admitted"


def test_the_policy_says_what_it_survives(history: History) -> None:
    answer = ask(history, "policy", history.ben)
    assert not answer["joint"] and len(answer["in_force"]) == 1
    policy = answer["in_force"][0]
    assert policy["words"] == "2 of 3 (ann, you, cleo), silence 30d, participants invited"
    assert policy["survives"] == {
        "silent": 1,
        "lying": 0,
        "replaceable": {"ann": True, "ben": True, "cleo": True},
    }
    assert policy["yaml"].startswith("common_policy:\n")


def test_summary_calls_this_machine_you_unless_its_owner_chose_a_name(history: History) -> None:
    assert ask(history, "summary", history.ann)["witness"]["shown"] == "you"
    assert ask(history, "summary", history.ben)["witness"]["shown"] == "ann"
    history.store.apply([PutMeta(META_NAME_CHOSEN, b"1")])
    assert ask(history, "summary", history.ann)["witness"]["shown"] == "ann"
    chosen = View(history.store, own_key=history.ann.key, name_chosen=True)
    assert QUERIES["summary"](chosen)["witness"]["shown"] == "ann"


def test_summary_notes_the_last_change_of_witness(history: History) -> None:
    assert ask(history, "summary")["note"] == ""
    height = history.rotate(history.cleo, 1, "moving out")
    answer = ask(history, "summary")
    assert (answer["witness"]["name"], answer["note"]) == ("cleo", f"witness rotated at home@{height}")
    shown = ask(history, "show", at=height)
    assert shown["certificate"]["words"] == "hands the witness's office to cleo: moving out"
    assert {one["name"] for one in shown["certificate"]["endorsed_by"]} == {"ann", "ben", "cleo"}


def test_summary_counts_members_and_what_waits(history: History) -> None:
    history.put("waiting", b"w", history.ben)
    refused = history.put("refused", b"r", history.ben)
    history.reject(refused, "path-conflict", "refused is a folder")
    answer = ask(history, "summary", history.ben)
    assert (answer["name"], answer["height"], answer["members"]) == ("home", 2, 3)
    assert (answer["pending"], answer["rejected"]) == (1, 1)
    assert (answer["standing"], answer["roles"]) == ("admitted", ["authority"])
    stranger = ask(history, "summary", Key(50))
    assert (stranger["standing"], stranger["roles"], stranger["rejected"]) == ("unknown", [], 0)


def test_proposals_show_own_first_with_the_reason_of_a_refusal(history: History) -> None:
    history.put("from/ann", b"")
    history.put("from/ben", b"", history.ben)
    refused = history.put("refused", b"", history.ben)
    history.reject(refused, "path-conflict", "refused is a folder")
    answer = ask(history, "proposals", history.ben)
    assert [(one["state"], one["author"]["shown"]) for one in answer["proposals"]] == [
        ("rejected", "you"),
        ("pending", "you"),
        ("pending", "ann"),
    ]
    first = answer["proposals"][0]
    assert (first["code"], first["reason"]) == ("path-conflict", "refused is a folder")
    assert (answer["pending"], answer["rejected"]) == (2, 1)
    assert [one["state"] for one in ask(history, "proposals", state="rejected")["proposals"]] == ["rejected"]
    assert len(ask(history, "proposals", state="pending")["proposals"]) == 2


def test_content_is_read_by_chunk(history: History) -> None:
    big = bytes(range(256)) * 4096 * 2 + b"end"
    history.emit(history.put("big", big), history.put("empty", b""))
    entry = ask(history, "entry", path="big")
    chunks = [
        base64.b64decode(
            ask(history, "content.read", id=entry["content"], size=entry["size"], index=index)["data"]
        )
        for index in range(3)
    ]
    assert b"".join(chunks) == big and [len(chunk) for chunk in chunks] == [MIB, MIB, 3]
    empty = ask(history, "entry", path="empty")
    assert ask(history, "content.read", id=empty["content"], size=0)["data"] == ""
    with pytest.raises(UsageError, match="has no chunk 3"):
        ask(history, "content.read", id=entry["content"], size=entry["size"], index=3)
    with pytest.raises(UsageError, match="is not of 2 bytes"):
        ask(history, "content.read", id=empty["content"], size=2)
    with pytest.raises(UsageError, match="id is an id of 64"):
        ask(history, "content.read", id="12", size=2)


def test_content_that_has_not_come_is_said_to_be_missing(history: History) -> None:
    history.emit(history.put("f", b"abc", stored=False), history.put("g", bytes(MIB + 1), stored=False))
    for path, missing in (("f", 1), ("g", 3)):
        entry = ask(history, "entry", path=path)
        assert not entry["here"]
        assert ask(history, "content.missing", id=entry["content"], size=entry["size"])["missing"] == missing
        with pytest.raises(NotHere, match="not all arrived"):
            ask(history, "content.read", id=entry["content"], size=entry["size"])
    there = ask(history, "entry", path="photos/cat.jpg")
    assert ask(history, "content.missing", id=there["content"], size=there["size"])["missing"] == 0


def test_a_joined_common_without_history_says_so() -> None:
    with pytest.raises(NothingHere, match="nothing of this Common has arrived yet; start `asl up`"):
        View(MemoryStore())


def test_cosignatures_make_final_what_they_contain(history: History) -> None:
    """Section 7: a quorum's cosignatures make a snapshot and all before it final."""
    assert ask(history, "summary")["final"] == 0
    for key in (history.ben, history.cleo):
        statement = Cosignature(history.id, 0, 2, history.tip.id, 1)
        history.store.apply([keep_cosignature(0, sign_statement(statement, key))])
    history.put("x", b"")
    history.emit()
    assert ask(history, "summary")["final"] == 2
    for height, final in ((1, True), (2, True), (3, False)):
        shown = ask(history, "show", at=height)
        assert shown["final"] is final
        assert {one["name"] for one in shown["cosigned_by"]} == ({"ben", "cleo"} if final else set())


def test_verify_judges_everything_again_in_slices(history: History) -> None:
    for number in range(SLICE + 3):
        history.emit(history.put("f", b"%d" % number))
    height = history.rotate(history.cleo, 1, "")
    first = ask(history, "verify")
    assert (first["checked"], first["next"], first["failure"]) == (SLICE - 1, SLICE, None)
    rest = ask(history, "verify", first=SLICE)
    assert (rest["checked"], rest["next"], rest["failure"]) == (height, None, None)
    assert [(one["height"], one["by"], one["witness"]["name"]) for one in rest["trace"]] == [
        (0, "genesis", "ann"),
        (height, "witness-rotation", "cleo"),
    ]
    assert ask(history, "verify", at=1)["of"] == 1


def test_verify_finds_state_that_the_history_does_not_make(history: History) -> None:
    history.store.apply(
        [PutFacts(0, 2, {path_key("photos/cat.jpg"): history.store.fact(0, path_key("photos/cat.jpg"), 1)})]
    )
    failure = ask(history, "verify")["failure"]
    assert (failure["height"], failure["rule"]) == (2, "V7") and "state that is stored" in failure["reason"]


def test_verify_finds_a_forged_snapshot(history: History) -> None:
    """A5, V3: what somebody else signed is named with the rule, its id and its parent's."""
    tip = history.tip
    forged = sign_statement(
        Snapshot(history.id, 3, tip.id, 0, 1, (), tip.frontier.size, tip.frontier.root(), None, None), Key(66)
    )
    row = SnapshotRow(forged.id, 0, 3, tip.id, 0, forged.key, tip.frontier.size, forged.raw)
    history.store.apply(
        [PutSnapshot(row), PutBranch(BranchRow(0, -1, -1, 3, forged.id, 3)), PutMeta("head", forged.id)]
    )
    answer = ask(history, "verify")
    failure = answer["failure"]
    assert (failure["height"], failure["rule"]) == (3, "V3")
    assert (failure["subject"], failure["against"]) == (forged.id.hex(), tip.id.hex())
    assert [one["witness"]["name"] for one in answer["trace"]] == ["ann"]


def test_verify_finds_a_missing_proposal(history: History) -> None:
    listed = ask(history, "show", at=1)["proposals"][0]["id"]
    history.store.apply([DropArtifacts([bytes.fromhex(listed)])])
    failure = ask(history, "verify")["failure"]
    assert (failure["height"], failure["rule"]) == (1, "V9") and "1 of its proposals" in failure["reason"]


def test_a_put_with_conditions_in_words(history: History) -> None:
    history.propose(Put("x", bytes(32), 2048, "", True, 0, b""), history.ben)
    history.propose(Remove("photos/cat.jpg", bytes(32)), history.ben)
    words = {one["words"] for one in ask(history, "proposals")["proposals"]}
    assert words == {
        "puts x (2.0 KiB, executable), if nothing is there",
        "removes photos/cat.jpg, if it is still 000000000000",
    }


def test_many_small_contents_come_in_one_answer_as_far_as_it_holds_them(history: History) -> None:
    sizes = (0, 5, 400_000, 400_000, 400_000, MIB)
    data = {f"{number}": bytes([number]) * size for number, size in enumerate(sizes)}
    history.emit(*(history.put(name, one) for name, one in data.items()))
    entries = {name: ask(history, "entry", path=name) for name in data}
    contents = [[entries[name]["content"], entries[name]["size"]] for name in data]
    read: list[bytes] = []
    while len(read) < len(contents):
        answer = ask(history, "contents.read", contents=contents[len(read) :])["contents"]
        assert answer, "at least one"
        read += map(base64.b64decode, answer)
    assert read == [*data.values()]
    nowhere = ["12" * 32, 5]
    assert ask(history, "contents.read", contents=[nowhere, contents[1]])["contents"] == [
        None,
        base64.b64encode(data["1"]).decode(),
    ]
    assert ask(history, "contents.missing", contents=[nowhere, *contents])["missing"] == [1] + [0] * len(
        contents
    )
    for question in ("contents.read", "contents.missing"):
        with pytest.raises(UsageError, match=f"more than {VIEW_PAGE_MAX}"):
            ask(history, question, contents=[nowhere] * (VIEW_PAGE_MAX + 1))


def test_waiting_names_the_askers_own_puts_and_removals_and_all_of_them(history: History) -> None:
    count = VIEW_PAGE_MAX + 5
    own = {history.put(f"mine/{number}", b"x", history.ben).id for number in range(count)}
    own.add(history.propose(Remove("photos/cat.jpg", None), history.ben).id)
    history.put("hers", b"x", history.cleo)
    history.reject(history.put("refused", b"x", history.ben), "full", "too much")
    waiting: list[list[str]] = []
    after: str | None = ""
    while after is not None:
        page = ask(history, "waiting", history.ben, after=after)
        waiting += page["waiting"]
        after = page["next"]
    assert {id_ for id_, _ in waiting} == {id_.hex() for id_ in own} and len(waiting) == len(own)
    assert "photos/cat.jpg" in {path for _, path in waiting}


def test_settled_tells_what_became_of_proposals(history: History) -> None:
    listed = ask(history, "show", at=2)["proposals"][0]["id"]
    waiting, refused = history.put("a", b"").id.hex(), history.put("b", b"")
    history.reject(refused, "full", "too much")
    ids = [listed, waiting, refused.id.hex(), "00" * 32]
    assert ask(history, "settled", ids=ids)["settled"] == [
        {"id": listed, "state": "witnessed", "height": 2},
        {"id": waiting, "state": "pending"},
        {"id": refused.id.hex(), "state": "rejected", "code": "full", "text": "too much"},
        {"id": "00" * 32, "state": "unknown"},
    ]
    with pytest.raises(UsageError, match="more than 400 ids"):
        ask(history, "settled", ids=ids * 101)


def test_summary_tells_up_to_where_signatures_were_verified(history: History) -> None:
    """G4: along the whole line of branches."""
    assert ask(history, "summary")["audited"] == 2
    fork = [
        PutBranch(BranchRow(0, -1, -1, 2, history.tip.id, 1)),
        PutBranch(BranchRow(1, 0, 1, 2, history.tip.id, 1)),
    ]
    history.store.apply(fork)
    assert ask(history, "summary")["audited"] == 1
    row = history.store.snapshot(history.tip.id)
    assert row is not None
    moved = SnapshotRow(bytes([9] * 32), 1, 2, row.previous, 0, row.signer, row.log_size, row.raw)
    history.store.apply([PutSnapshot(moved), PutMeta("head", moved.id)])
    for audited in (1, 2):
        history.store.apply([PutBranch(BranchRow(1, 0, 1, 2, moved.id, audited))])
        assert ask(history, "summary")["audited"] == audited


def test_what_authorities_have_endorsed_is_shown_while_it_is_pending(history: History) -> None:
    action = Rotation(1, history.tip.height, history.tip.id, history.cleo.key, "tired")
    proposal = history.propose(action)
    endorsement = sign_statement(Endorsement(history.id, proposal.id, 1, 5), history.ben)
    history.store.apply([PutArtifacts([endorsement], open=True)])
    (one,) = ask(history, "proposals")["proposals"]
    assert one["words"] == "hands the witness's office to cleo: tired"
    assert [party["name"] for party in one["endorsed_by"]] == ["ben"]


def test_a_superseded_snapshot_is_found_and_called_so(history: History) -> None:
    """F4: what is left behind is kept."""
    tip = history.tip
    left = sign_statement(
        Snapshot(history.id, 2, history.view().row(1).id, 0, 7, (), 3, tip.frontier.root(), None, None),
        history.ann,
    )
    row = SnapshotRow(left.id, 1, 2, history.view().row(1).id, 0, left.key, 3, left.raw)
    history.store.apply([PutSnapshot(row), PutBranch(BranchRow(1, 0, 1, 2, left.id, 2))])
    found = ask(history, "find", id=left.id.hex())
    assert (found["kind"], found["height"], found["witness"]["name"]) == ("superseded", 2, "ann")


def test_a_folders_log_is_looked_through_in_bounded_steps(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aslp2p.views.log._SCANNED_MAX", 5)
    for _ in range(12):
        history.emit(history.put("other", b""))
    heights: list[int] = []
    before: int | None = None
    questions = 0
    while True:
        page = ask(history, "log", path="photos", before=before)
        questions += 1
        heights += [one["height"] for one in page["snapshots"]]
        if (before := page["next"]) is None:
            break
    assert heights == [2, 1] and questions == 3
    assert ask(history, "log", before=0)["snapshots"] == []


def test_verify_tells_of_policy_changes(history: History) -> None:
    standing = history.view().standing(2)
    joint = replace(standing, installed=(*standing.installed, *standing.installed), change_height=3)
    history.store.apply([PutFacts(0, 1, {b"s": joint.encode()}), PutFacts(0, 2, {b"s": standing.encode()})])
    trace = ask(history, "verify", first=3, at=2)["trace"]
    assert [(one["height"], one["by"]) for one in trace] == [
        (0, "genesis"),
        (1, "policy-change"),
        (2, "policy-settled"),
    ]
