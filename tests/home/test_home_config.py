"""config.toml: every mistake is one line that names the file, the key and what is allowed."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aslp2p.errors import UsageError, UserError
from aslp2p.home import Home
from aslp2p.home.config import KEYS, Config, load_config, parse_config

EXAMPLE = Path(__file__).parents[2] / "config" / "config.toml"
DEFAULTS = parse_config(b"", "none")


def test_no_file_and_an_empty_one_mean_the_defaults(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert load_config(home) == DEFAULTS
    home.config.write_text("# nothing\n[mdns]\n")
    assert load_config(home) == DEFAULTS
    assert DEFAULTS.listen_addresses == ("0.0.0.0", "::")
    assert (DEFAULTS.listen_port, DEFAULTS.mdns_enabled, DEFAULTS.recovery_mode) == (0, True, "ask")


def test_the_example_is_the_defaults_and_names_every_key() -> None:
    data = EXAMPLE.read_bytes()
    assert parse_config(data, "example") == DEFAULTS
    named, section = set(), ""
    for line in data.decode().splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1]
        elif found := re.match(r"(\w+) = ", line):
            named.add(f"{section}.{found[1]}")
    assert named == set(KEYS)
    assert {field.name for field in fields(Config)} == {key.replace(".", "_") for key in KEYS}


def test_a_full_file_is_read() -> None:
    config = parse_config(
        b"""
        listen.addresses = ["192.0.2.1", "2001:DB8::1"]
        listen.port = 4711
        listen.announce = ["eth0"]
        listen.except = ["wg0"]
        mdns = {enabled = false, interfaces = ["eth0", "192.0.2.1", "eth0"]}
        peers.static = ["alice.local:4711", "192.0.2.7:1", "[2001:db8::7]:65535"]
        recovery.mode = "auto"
        content = {keep = "90d", only = ["letters/"], except = ["*.iso"], copies = 3}
        notify = {desktop = false, command = ["/bin/tell", "x", "x"]}
        log.level = "debug"
        """,
        "file",
    )
    assert config == Config(
        ("192.0.2.1", "2001:db8::1"),
        ("eth0",),
        ("wg0",),
        4711,
        False,
        ("eth0", "192.0.2.1"),
        (("alice.local", 4711), ("192.0.2.7", 1), ("2001:db8::7", 65535)),
        "auto",
        90 * 86_400_000,
        ("letters/",),
        ("*.iso",),
        3,
        False,
        ("/bin/tell", "x", "x"),
        "debug",
    )
    with pytest.raises(FrozenInstanceError):
        config.listen_port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('listen.port = "4711"', "listen.port"),
        ("listen.port = true", "listen.port"),
        ("listen.port = 65536", "listen.port"),
        ("listen.port = -1", "listen.port"),
        ("listen.port = 1.0", "listen.port"),
        ("listen.addresses = []", "listen.addresses"),
        ('listen.addresses = "::"', "listen.addresses"),
        ('listen.addresses = ["localhost"]', "listen.addresses"),
        ("listen.addresses = [0]", "listen.addresses"),
        ("mdns.enabled = 1", "mdns.enabled"),
        ('mdns.enabled = "yes"', "mdns.enabled"),
        ('mdns.interfaces = ["a b"]', "mdns.interfaces"),
        ('peers.static = ["alice"]', "peers.static"),
        ('peers.static = ["alice:0"]', "peers.static"),
        ('peers.static = ["alice:99999999999999"]', "peers.static"),
        ('peers.static = ["alice:-1"]', "peers.static"),
        ('peers.static = [":4711"]', "peers.static"),
        ('peers.static = ["2001:db8::7:4711"]', "peers.static"),
        ('peers.static = ["[zz]:4711"]', "peers.static"),
        ('peers.static = ["http://alice:80"]', "peers.static"),
        ("peers.static = [" + '"a:1",' * 65 + "]", "peers.static"),
        ("recovery.mode = false", "recovery.mode"),
        ("recovery.mode = []", "recovery.mode"),
        ('content.keep = "none"', "content.keep"),
        ("content.keep = 90", "content.keep"),
        ('content.only = "letters/"', "content.only"),
        ('content.except = ["a****b"]', "content.except"),
        ("content.copies = 0", "content.copies"),
        ("content.copies = true", "content.copies"),
        ("content.copies = 17", "content.copies"),
        ("notify.desktop = 1", "notify.desktop"),
        ('notify.command = "/bin/tell"', "notify.command"),
        ('notify.command = ["tell"]', "notify.command"),
        ('notify.command = ["/bin/tell", 1]', "notify.command"),
        ('notify.command = ["/bin/tell", "\\u0000"]', "notify.command"),
        ('log.level = "INFO"', "log.level"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(text: str, key: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_config(text.encode(), "/h/config.toml")
    message = str(caught.value)
    assert message.startswith(f"/h/config.toml: {key}: ") and message.endswith(KEYS[key].allowed)
    assert "\n" not in message and len(message) < 300
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "listen.prot = 1",
            "listen.prot: there is no such key; [listen] has addresses, announce, except, port",
        ),
        ("lissen.port = 1", "lissen: there is no such section; there are listen, mdns"),
        ("port = 1", "port: there is no such section"),
        ("listen = 1", "listen: a section is expected: [listen]"),
        ("[[listen]]", "listen: a section is expected"),
        ('"li\\nsten" = 1', "li sten: there is no such section"),
        ("listen.port =", "not TOML: Invalid value (at end of document)"),
        ("a = 1\na = 2\n", "not TOML: Cannot overwrite a value (at line 2"),
        ("a = " + "[" * 5000, "nested too deep"),
        ("a = " + "9" * 5000, "not TOML"),
    ],
)
def test_what_is_no_configuration_is_refused_by_name(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_config(text.encode(), "config.toml")
    message = str(caught.value)
    assert message.startswith("config.toml: ") and says in message and "\n" not in message


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.config.write_bytes(b"# \xff")
    with pytest.raises(UsageError, match=f"{home.config}: not UTF-8 at byte 2"):
        load_config(home)
    home.config.unlink()
    home.config.mkdir()
    with pytest.raises(UserError, match="cannot read"):
        load_config(home)


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_are_a_configuration_or_one_line(data: bytes) -> None:
    message = ""
    try:
        parse_config(data, "f")
    except UsageError as error:
        message = str(error)
    assert "\n" not in message


VALUES = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=9).map(lambda s: s.encode("ascii", "ignore").decode()),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(sorted(KEYS)), VALUES)
def test_any_value_for_a_key_is_taken_or_refused(key: str, value: object) -> None:
    with suppress(ValueError):
        hash(KEYS[key].read(value))  # whatever is taken is frozen
