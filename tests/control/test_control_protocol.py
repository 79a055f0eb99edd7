"""Lines of the control socket: whatever the bytes, a value or a parse error."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.control import protocol
from aslp2p.errors import DiskFault, NoDaemon, Rejected, UsageError
from aslp2p.limits import CONTROL_LINE_BYTES_MAX

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_encoded_decodes_to_itself_on_one_line(value: object) -> None:
    line = protocol.encode(value)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert protocol.decode(line) == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_parse_error(line: bytes) -> None:
    problem = None
    try:
        protocol.decode(line)
    except protocol.ProtocolError as error:
        problem = error
    assert problem is None or problem.code == protocol.PARSE_ERROR


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"[" * 1_000_000, "nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
        (b'"a\x00b"', "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"NaN", "no JSON number"),
        (b"-Infinity", "no JSON number"),
        (b"1e999", "beyond"),
        (b"1" * 5000, "not JSON"),
        (b'{"a":1,"a":2}', "twice"),
        (b"{} {}", "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_hostile_lines_are_parse_errors(line: bytes, says: str) -> None:
    with pytest.raises(protocol.ProtocolError, match=says) as caught:
        protocol.decode(line)
    assert caught.value.code == protocol.PARSE_ERROR


def test_a_file_name_that_is_no_unicode_survives() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert protocol.decode(protocol.encode([name])) == [name]


def test_a_line_is_bounded_and_what_is_no_json_is_refused() -> None:
    fits = "x" * (CONTROL_LINE_BYTES_MAX - 3)
    assert len(protocol.encode(fits)) == CONTROL_LINE_BYTES_MAX
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for wrong in (fits + "x", {1, 2}, b"bytes", float("nan"), deep):
        with pytest.raises(protocol.ProtocolError) as caught:
            protocol.encode(wrong)
        assert caught.value.code == protocol.INTERNAL_ERROR
    while deep:  # a list this deep is not freed by recursion either
        deep = deep.pop()  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (UsageError("no such file", remedy="look again"), 2),
        (NoDaemon("gone"), 3),
        (DiskFault("full", remedy="make room"), 1),
        (Rejected("V2", "the parent is another one"), 1),
    ],
)
def test_an_error_arrives_as_it_was_raised(error: UsageError, exit_code: int) -> None:
    answer = json.loads(protocol.encode(protocol.application_failure(7, error)))
    assert answer["id"] == 7 and answer["error"]["code"] == protocol.APPLICATION_ERROR
    arrived = protocol.remote_error(answer["error"], "put")
    assert (arrived.message, arrived.remedy, arrived.code) == (error.message, error.remedy, error.code)
    assert arrived.exit_code == exit_code
    assert str(arrived) == str(error)
    assert arrived.rule == getattr(error, "rule", "")


@given(JSON)
def test_whatever_stands_for_an_error_becomes_one(error: object) -> None:
    arrived = protocol.remote_error(error, "status")
    assert 1 <= arrived.exit_code <= 125
    assert str(arrived)


def test_standard_errors_say_what_to_do() -> None:
    unknown = protocol.remote_error({"code": protocol.METHOD_NOT_FOUND, "message": "x"}, "fly")
    assert "does not know fly" in str(unknown) and "asl up" in unknown.remedy
    wrong = protocol.remote_error({"code": protocol.INVALID_PARAMS, "message": "size: expected int"}, "put")
    assert (str(wrong), wrong.exit_code) == ("put: size: expected int", 2)


def test_the_client_imports_next_to_nothing() -> None:
    """`asl status` starts at once: nothing of this may cost more than json and socket do."""
    script = "import sys; import aslp2p.control.client; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    heavy = {
        "asyncio",
        "trio",
        "typing",
        "dataclasses",
        "pathlib",
        "inspect",
        "hashlib",
        "ssl",
        "msgspec",
        "logging",
    }
    assert heavy & set(ran.stdout.split()) == set()
