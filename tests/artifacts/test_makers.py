"""The type is the proof: who makes an artifact that counts, and who says that a stored one was audited.

A `Verified` that is made anywhere else would be a door beside the gate: whoever adds a place argues for it
here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import aslp2p
from aslp2p.artifacts.envelope import Signed, Stored, Verified

PACKAGE = Path(aslp2p.__file__).parent
VERIFIED = {
    ("artifacts/envelope.py", "_vouch"): "what a `Verifier` has checked, or what was audited before",
    ("artifacts/envelope.py", "sign_statement"): "made here",
}
VOUCHING = {
    ("artifacts/envelope.py", "verify_all"): "after `failing`",
    ("artifacts/envelope.py", "sift"): "after `failing`",
}
STORED = {
    ("artifacts/envelope.py", "read_stored"): "what a store says of its bytes",
}
READ = {
    ("artifacts/envelope.py", "read_stored_as"): "the same, of a known type",
    ("core/chain.py", "stored"): "the row says whether it was audited",
    ("core/chain.py", "unanswered"): "the row says whether it was audited",
    ("core/pending.py", "__init__"): "the row says whether it was audited",
    ("core/promises.py", "_promised"): "the journal holds this key's own signatures",
    ("ledger/finality.py", "cosigners"): "`keep_cosignature` takes only what is verified",
    ("ledger/history.py", "read_genesis"): "`found_common` takes only what is verified",
}
NARROWING = {
    ("core/pending.py", "_keep"): "what is `Verified` already, by its statement",
}


SNAPSHOTS = {
    ("ledger/history.py", "found_common"): "verified",
    (
        "ledger/history.py",
        "_placement",
    ): "what the gate passed; what was deferred stays unaudited",
    ("ledger/history.py", "put_back"): "a verified copy",
}
AUDITED = {
    ("ledger/history.py", "found_common"): "the genesis",
    ("ledger/history.py", "_placement"): "only what `judge` gave, on a parent that was audited",
    ("ledger/history.py", "mark_audited"): "by the proof of the highest",
    ("ledger/history.py", "roll_back"): "what is left of it, never above what was",
    ("ledger/history.py", "_make_room"): "a row without snapshots of its own",
    ("store/sqlite.py", "_load"): "as it was written",
    ("store/fsck.py", "make_branches"): "nothing: it is audited again",
}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """(file, function, call) of every call in a function of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call):
                        yield str(path.relative_to(PACKAGE)), function.name, node


CALLS = tuple(calls())


def uses(*names: str) -> set[tuple[str, str]]:
    """Where one of `names` is called."""
    return {(file, function) for file, function, call in CALLS if _called(call.func) in names}


def casts(name: str) -> set[tuple[str, str]]:
    """Where something is cast to a type that names `name`."""
    return {
        (file, function)
        for file, function, call in CALLS
        if _called(call.func) == "cast" and name in ast.unparse(call.args[0])
    }


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Subscript):
        function = function.value
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_only_the_verifier_and_the_signer_make_what_is_verified() -> None:
    assert uses("Verified") == set(VERIFIED)
    assert uses("_vouch") == set(VOUCHING)


def test_each_place_that_says_that_something_stored_was_audited_is_known() -> None:
    assert uses("Stored") == set(STORED)
    assert uses("read_stored", "read_stored_as") == set(READ)


def test_each_place_that_stores_a_snapshot_or_says_how_far_a_branch_was_audited_is_known() -> None:
    """A snapshot's bytes count by the height up to which its branch was audited (G4)."""
    assert uses("PutSnapshot") == set(SNAPSHOTS)
    marks = {
        (file, function)
        for file, function, call in CALLS
        if any(word.arg == "audited_height" for word in call.keywords)
    }
    assert uses("BranchRow") | marks == set(AUDITED)


def test_no_cast_makes_a_proof() -> None:
    assert casts("Verified") == set(NARROWING)
    assert casts("Stored") == {("artifacts/envelope.py", "read_stored_as")}


def test_no_kind_passes_for_another() -> None:
    """A `Stored` is no `Verified`, whatever it says; mypy refuses it where one is asked for."""
    assert issubclass(Stored, Signed) and issubclass(Verified, Signed)
    assert not issubclass(Stored, Verified) and not issubclass(Verified, Stored)


def test_nothing_is_converted_into_another_kind() -> None:
    for file, _, call in CALLS:
        if _called(call.func) in ("convert", "force_setattr", "decode"):
            text = ast.unparse(call)
            assert "Verified" not in text and "Stored" not in text, (file, text)
