"""The policy file: what is read, and one error with line, field and remedy for each mistake (P1, P5)."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.artifacts.text import name_problem
from aslp2p.artifacts.types import Named, Policy
from aslp2p.errors import UsageError
from aslp2p.ledger.duration import duration_text, parse_duration
from aslp2p.ledger.policy_file import GRACE_PERIOD_MS_DEFAULT, parse_policy
from aslp2p.ledger.policy_text import dump_policy, policy_words
from aslp2p.limits import GRACE_PERIOD_MS_MAX, GRACE_PERIOD_MS_MIN, YAML_CHARS_MAX

A, B, C = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)


def text(key: bytes) -> str:
    return f"ed25519:{key.hex()}"


THREE = f"""\
common_policy:
  witnesses:                # the authorities; order is the order of succession
    - domain: you
      key: self
    - domain: alice
      key: {text(B)}
    - domain: james
      key: {text(C)}
  threshold: 2
  rotation:
    allowed: true
    grace_period: 30d
  participants: invited
"""


def test_the_documented_policy_is_read() -> None:
    policy = parse_policy(THREE, own_key=A)
    assert policy == Policy(
        witnesses=(Named("you", A), Named("alice", B), Named("james", C)),
        threshold=2,
        rotation_allowed=True,
        grace_period_ms=30 * 86_400_000,
        participants="invited",
        protocol=1,
    )


def test_what_may_be_left_out_has_the_documented_defaults() -> None:
    short = f"common_policy:\n  witnesses:\n  - {{domain: a, key: '{text(A)}'}}\n  threshold: 1\n"
    assert parse_policy(short) == Policy(
        witnesses=(Named("a", A),),
        threshold=1,
        rotation_allowed=True,
        grace_period_ms=GRACE_PERIOD_MS_DEFAULT,
        participants="invited",
        protocol=1,
    )


def test_no_stays_a_word_and_so_does_a_number_for_a_name() -> None:
    """YAML 1.1 would take `no` for false; a name is what is written."""
    policy = parse_policy(THREE.replace("alice", "no").replace("james", "42"), own_key=A)
    assert [witness.name for witness in policy.witnesses] == ["you", "no", "42"]


MISTAKES = {
    "empty": ("", "p.yaml: common_policy is missing: the file is empty; begin the file with common_policy:"),
    "comment only": ("# nothing\n", "common_policy is missing: the file is empty"),
    "no root": (
        "common_policies: {}\n",
        "line 1: 'common_policies' is no field of the file; there is common_policy",
    ),
    "root missing": ("{}\n", "p.yaml: common_policy is missing; begin the file with common_policy:"),
    "not a mapping": ("just words\n", "line 1: the file is not a mapping; write common_policy: under it"),
    "root empty": (
        "common_policy:\n",
        "line 1: common_policy is not a mapping; write witnesses:, threshold:",
    ),
    "not YAML": ("common_policy: [\n", "expected the node content"),
    "not text": ("a: \x00\n", "line 1: this is no YAML: it holds the character U+0000; see"),
    "half a character": ("a: 1\nb: \ud800\n", "line 2: this is no YAML: it holds the character U+D800; see"),
    "another YAML": ("%YAML 1.3\n---\na: 1\n", "this is no YAML: version minor part can only be 2 or 1"),
    "no version": (f"%YAML {'1' * 5000}.1\n", "line 1: this is no YAML: an escape or a number beyond all"),
    "no character": ('a: 1\nb: "\\UFFFFFFFF"\n', "line 2: this is no YAML: an escape or a number beyond all"),
    "names again": ("a: &x 1\nb: &x 2\n", "line 2: this is no YAML: the name &x is given twice"),
    "unknown name": ("a: *x\n", "line 1: this is no YAML: found undefined alias 'x'"),
    "too deep": ("[" * 5000, "line 1: this is no YAML: more than 16 lists and mappings inside each other"),
    "deep by lines": ("".join(" " * n + "a:\n" for n in range(99)), "line 16: this is no YAML: more than 16"),
    "too many": ("- a\n" * 9999, "line 2000: this is no YAML: more than 2000 values"),
    "two documents": ("---\na: 1\n---\nb: 1\n", "line 3: this is no YAML"),
    "too long": ("#" * (YAML_CHARS_MAX + 1), "the file has more than 65536 characters"),
    "unknown field": (
        THREE + "  treshold: 2\n",
        "line 14: 'treshold' is no field of common_policy; there is witnesses,",
    ),
    "list as field name": (
        THREE + "  [a]: 2\n",
        "line 14: common_policy is not one value; write words before each colon",
    ),
    "duplicate key": (THREE + "  threshold: 3\n", "line 14: threshold is given twice; remove one of them"),
    "escape in a field": (THREE + '  "\\e[2J": 2\n', "line 14: '\\u{1b}[2J' is no field of common_policy"),
    "long field": (THREE + f"  {'x' * 90}: 2\n", f"line 14: '{'x' * 60}…' is no field"),
    "missing threshold": (
        THREE.replace("  threshold: 2\n", ""),
        "line 2: threshold is missing; write how many",
    ),
    "threshold a word": (
        THREE.replace("threshold: 2", "threshold: two"),
        "line 9: threshold is 'two', which is no whole",
    ),
    "threshold quoted": (
        THREE.replace("threshold: 2", 'threshold: "2"'),
        "line 9: threshold is '2', which is no whole",
    ),
    "threshold negative": (
        THREE.replace("threshold: 2", "threshold: -2"),
        "line 9: threshold is '-2', which is no whole",
    ),
    "threshold empty": (
        THREE.replace("threshold: 2", "threshold:"),
        "line 9: threshold has no value; write a whole number",
    ),
    "threshold a list": (
        THREE.replace("threshold: 2", "threshold: [2]"),
        "line 9: threshold is not one value",
    ),
    "threshold 0": (
        THREE.replace("threshold: 2", "threshold: 0"),
        "line 9: threshold is 0 of 3 authorities; write 2 to 3",
    ),
    "threshold 4": (
        THREE.replace("threshold: 2", "threshold: 4"),
        "line 9: threshold is 4 of 3 authorities; write 2 to 3",
    ),
    "fork": (
        THREE.replace("threshold: 2", "threshold: 1"),
        "line 9: threshold is 1 of 3: two groups of 1 could each appoint a witness, and that is a fork (P1); "
        "write 2 or more",
    ),
    "witnesses missing": (
        "common_policy:\n  threshold: 2\n",
        "line 2: witnesses is missing; list the authorities",
    ),
    "witnesses a word": ("common_policy: {witnesses: me, threshold: 1}\n", "line 1: witnesses is not a list"),
    "no witnesses": (
        "common_policy: {witnesses: [], threshold: 1}\n",
        "witnesses lists 0 authorities; list 1 to 32",
    ),
    "witness a word": (
        "common_policy: {witnesses: [me], threshold: 1}\n",
        "witnesses, number 1 is not a mapping",
    ),
    "no domain": (
        THREE.replace("domain: alice", "name: alice"),
        "line 5: 'name' is no field of witnesses, number 2",
    ),
    "no name": (
        THREE.replace("    - domain: alice\n      key", "    - key"),
        "line 5: domain is missing; write the auth",
    ),
    "no key": (
        THREE.replace(f"      key: {text(B)}\n", ""),
        "line 5: key is missing; write the key that `asl self` pr",
    ),
    "name with a slash": (
        THREE.replace("alice", "a/b"),
        "line 5: domain is a name with '/' in it; write another name",
    ),
    "name twice": (
        THREE.replace("james", "alice"),
        "line 7: domain says 'alice' twice; give each authority its own",
    ),
    "key twice": (
        THREE.replace(C.hex(), B.hex()),
        "line 8: key is alice's as well; a key counts once (P5); ask james for `asl self`",
    ),
    "key without prefix": (THREE.replace(text(C), C.hex()), "line 8: key cannot be used: "),
    "key too short": (
        THREE.replace(C.hex(), C.hex()[:-1]),
        "is not a key: it has 63 digits; write ed25519: and 64",
    ),
    "rotation a word": (
        "common_policy:\n  witnesses: [{domain: a, key: self}]\n  threshold: 1\n  rotation: 30d\n",
        "line 4: rotation is not a mapping; write allowed:, grace_period: under it",
    ),
    "allowed no": (
        THREE.replace("allowed: true", "allowed: no"),
        "line 11: allowed is 'no'; write true or false",
    ),
    "no unit": (
        THREE.replace("30d", "30"),
        "line 12: grace_period is '30', which is no duration; write a whole number",
    ),
    "months": (THREE.replace("30d", "1 month"), "line 12: grace_period is '1 month', which is no duration"),
    "too short": (
        THREE.replace("30d", "100ms"),
        "line 12: grace_period is 100ms; write a duration between 200ms and 3650d",
    ),
    "too long period": (
        THREE.replace("30d", "99999d"),
        "line 12: grace_period is 99999d; write a duration between",
    ),
    "participants": (
        THREE.replace("invited", "anybody"),
        "line 13: participants is 'anybody'; write invited or authori",
    ),
    "protocol": (THREE + "  protocol: 2\n", "line 14: protocol is '2'; write 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_line_that_names_line_field_and_remedy(name: str) -> None:
    written, expected = MISTAKES[name]
    with pytest.raises(UsageError) as caught:
        parse_policy(written, source="p.yaml", own_key=A)
    message = str(caught.value)
    assert expected in message and message.startswith("p.yaml: ")
    assert "\n" not in message and "\x1b" not in message and caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "a:\n" + ("  - " + "[" * 300 + "]" * 300 + "\n") * 100,
        "a:\n" + ("  - " + "[" * 14 + "]" * 14 + "\n") * 1900,
        "[" * 60_000,
        "[" + "a," * 32_000,
        "{a: [[[[[[[[" + "],[],[],[" * 7_000,
        "- a\n" * 16_000,
        "? " * 30_000,
        "- &a x\n" + "- *a\n" * 12_000,
    ],
)
def test_no_text_costs_much_more_than_the_largest_policy(text: str) -> None:
    """What ruamel does grows with the square of the depth: two minutes for the first of these, unbounded."""
    many = Policy(
        witnesses=tuple(Named(f"a{n:063}", bytes([n]) * 32) for n in range(32)),
        threshold=17,
        rotation_allowed=True,
        grace_period_ms=1000,
        participants="invited",
        protocol=1,
    )
    largest = dump_policy(many)
    parse_policy(largest)
    start = time.process_time()
    parse_policy(largest)
    usual = time.process_time() - start
    with pytest.raises(UsageError):
        parse_policy(text)
    assert time.process_time() - start < 40 * usual


def test_an_error_shows_no_escape_of_the_file_s_name() -> None:
    for text in ("", "a: [", "#" * (YAML_CHARS_MAX + 1)):
        with pytest.raises(UsageError) as caught:
            parse_policy(text, source="a\x1b[2J")
        assert str(caught.value).startswith("a\\u{1b}[2J: ")


def test_self_needs_a_home() -> None:
    with pytest.raises(UsageError, match="line 4: key is `self`, and no home is here"):
        parse_policy(THREE)


def test_one_of_one_is_told_to_write_one() -> None:
    with pytest.raises(UsageError, match=r"threshold is 2 of 1 authorities; write 1$"):
        parse_policy("common_policy: {witnesses: [{domain: a, key: self}], threshold: 2}", own_key=A)


NAMES = st.text(min_size=1, max_size=16).filter(lambda name: not name_problem(name))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    names = draw(
        st.lists(
            NAMES | st.sampled_from(["no", "true", "2", "~", "a'b", 'a"b', "a\\b", "\ufffe"]),
            min_size=1,
            max_size=7,
            unique=True,
        )
    )
    n = len(names)
    return Policy(
        witnesses=tuple(Named(name, bytes([number] * 32)) for number, name in enumerate(names)),
        threshold=draw(st.integers(n // 2 + 1, n)),
        rotation_allowed=draw(st.booleans()),
        grace_period_ms=draw(st.integers(GRACE_PERIOD_MS_MIN, GRACE_PERIOD_MS_MAX)),
        participants=draw(st.sampled_from(["invited", "authorities"])),
        protocol=1,
    )


@given(policies())
def test_what_is_written_is_read_back(policy: Policy) -> None:
    assert parse_policy(dump_policy(policy)) == policy


@given(st.text(max_size=300) | st.text("ab: -[]{}'\"&*!|>\n#", max_size=120))
def test_any_text_is_a_policy_or_a_usage_error(written: str) -> None:
    for file in (written, f"common_policy:\n  {written}", THREE.replace("james", written)):
        with suppress(UsageError):
            parse_policy(file, own_key=A)


@given(st.integers(0, 10**12))
def test_a_duration_is_read_back(milliseconds: int) -> None:
    assert parse_duration(duration_text(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    "written", ["", "30", "d", "-1d", "1.5h", "1d12h", "30 d", "٣d", "1y", "9" * 13 + "d", "30D"]
)
def test_other_durations_are_none(written: str) -> None:
    assert parse_duration(written) is None


@pytest.mark.parametrize(
    ("written", "shown"),
    [("0ms", "0ms"), ("90m", "90m"), ("120m", "2h"), ("2w", "14d"), ("1500ms", "1500ms")],
)
def test_durations_are_shown_short(written: str, shown: str) -> None:
    milliseconds = parse_duration(written)
    assert milliseconds is not None and duration_text(milliseconds) == shown


def test_a_policy_in_words() -> None:
    policy = parse_policy(THREE.replace("allowed: true", "allowed: false"), own_key=A)
    assert policy_words(policy) == (
        "2 of 3 (you 01010101, alice 02020202, james 03030303), no rotation, "
        "silence 30d, participants invited"
    )
    assert policy_words(parse_policy(THREE, own_key=A), lambda key: key.hex()[:2]).startswith(
        "2 of 3 (01, 02, 03), silence"
    )


@pytest.mark.parametrize(
    "written", ["rotation: {}", "rotation: {allowed: false}", "rotation: {grace_period: 1s}", "protocol: 1"]
)
def test_parts_of_the_rotation_may_be_left_out(written: str) -> None:
    policy = parse_policy(
        f"common_policy:\n  witnesses: [{{domain: a, key: self}}]\n  threshold: 1\n  {written}\n", own_key=A
    )
    assert policy.rotation_allowed == ("false" not in written)
    assert policy.grace_period_ms == (1000 if "1s" in written else GRACE_PERIOD_MS_DEFAULT)
