"""What names, paths and short texts may be (A3, A4): rules on which all nodes agree for ever.

So nothing here asks a Unicode table, which changes between versions: the ranges below are fixed code
points. They hold what can make a line on a terminal or a page read differently from what it is:

* C0 and C1 controls and DEL: escape sequences, line breaks;
* U+2028, U+2029: line breaks outside ASCII;
* U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069: they turn the direction of what follows;
* U+FEFF: shows as nothing, and a byte order mark to some readers;
* surrogates: not text at all (a `str` may hold them, UTF-8 may not).

Everything else is allowed in paths and texts, unassigned code points too. Joiners (U+200C, U+200D) stay
there: scripts and emoji need them in the names of files. In the name of a member or a Common nothing may be
that shows as nothing, or two members could be called the same to every eye: zero-width spaces and joiners,
the soft hyphen, the fillers of Hangul, variation selectors. Letter case and normalization are the CLI's
business: two names that look alike are two.

A path is what a POSIX tree can hold. A backslash is an ordinary character in it (systemd writes
`dev-disk-by\\x2duuid.swap`), as are a colon, trailing dots and spaces: what one platform cannot write is
for its checkout to refuse, which needs a list of its own anyway (device names, letter case).

Every `…_problem` answers None, or what is wrong in words that follow on "it is", for any `str`.
"""

from __future__ import annotations

import re

from aslp2p.limits import (
    CODE_BYTES_MAX,
    MEDIA_TYPE_BYTES_MAX,
    NAME_BYTES_MAX,
    PATH_BYTES_MAX,
    PATH_COMPONENT_BYTES_MAX,
    TEXT_BYTES_MAX,
)

_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)  # U+2028 to U+202E: the line breaks and the direction characters adjoin
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)  # the forbidden ones; Unicode's default ignorable code points; the blank letter of Braille
_NOT_IN_NAMES = re.compile("[/:@]")
_UNSEEN_IN_NAMES = re.compile(
    "[\u00ad\u115f\u1160\u180b-\u180d\u180f\u200b-\u200d\u2060\u3164\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
WORDS_OF_OURS = frozenset({"self", "you", "nobody", "nothing", "everybody", "all"})
"""What people type or read in the place of a name: a machine that is called so would be taken for it."""
_MEDIA_TYPE = re.compile("[\x20-\x7e]*")
_CODE = re.compile("[A-Za-z0-9][A-Za-z0-9.-]*")


def _problem(text: str, kind: str, bytes_min: int, bytes_max: int) -> str | None:
    if found := _FORBIDDEN.search(text):
        return f"a {kind} with the character U+{ord(found[0]):04X}, which cannot be shown as it is"
    size = len(text) if text.isascii() else len(text.encode())
    if size > bytes_max:
        return f"a {kind} of {size} bytes; at most {bytes_max} are allowed"
    if size < bytes_min:
        return f"an empty {kind}"
    return None


def name_problem(text: str) -> str | None:
    """Whether `text` can name a Common or a key: 1 to 64 bytes, usable before `@42` and in a file name."""
    if problem := _problem(text, "name", 1, NAME_BYTES_MAX):
        return problem
    if found := _NOT_IN_NAMES.search(text):
        return f"a name with {found[0]!r} in it"
    if found := _UNSEEN_IN_NAMES.search(text):
        return f"a name with the character U+{ord(found[0]):04X}, which nobody can see"
    if text[0] == " " or text[-1] == " ":
        return "a name that begins or ends with a space"
    if text in (".", ".."):
        return "a name that means a folder"
    return None


def path_problem(text: str) -> str | None:
    """Whether `text` can be a path: 1 to 1,024 bytes in components of 1 to 255, none of them `.` or `..`."""
    if problem := _problem(text, "path", 1, PATH_BYTES_MAX):
        return problem
    for component in text.split("/"):
        if not component:
            return "a path with a slash at an end, or two in a row"
        if component in (".", ".."):
            return f"a path with {component!r} in it"
        if len(component.encode()) > PATH_COMPONENT_BYTES_MAX:
            return f"a path with a component of more than {PATH_COMPONENT_BYTES_MAX} bytes"
    return None


def media_type_problem(text: str) -> str | None:
    """Whether `text` can be a media type: at most 128 printable ASCII characters; none: it is not known."""
    if not _MEDIA_TYPE.fullmatch(text):
        return "a media type with a character that is not printable ASCII"
    return _problem(text, "media type", 0, MEDIA_TYPE_BYTES_MAX)


def text_problem(text: str) -> str | None:
    """Whether `text` can be a reason given to people: one line of at most 512 bytes, possibly empty."""
    return _problem(text, "text", 0, TEXT_BYTES_MAX)


def code_problem(text: str) -> str | None:
    """Whether `text` can be a reason code: 1 to 32 ASCII letters, digits, `-`, `.`; no `-` or `.` first."""
    if len(text) > CODE_BYTES_MAX or not _CODE.fullmatch(text):
        return f"a code that is not 1 to {CODE_BYTES_MAX} ASCII letters, digits, '-' and '.'"
    return None


def terminal_safe(text: str) -> str:
    """`text` for a line on a terminal: what controls it or shows as nothing becomes `\\u{200b}` and the like.

    So two names that differ look different, as far as fixed lists of code points can see to it: joiners and
    variation selectors in emoji are shown too. For reading only: other text cannot be told from escapes.
    """
    return _INVISIBLE.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)
