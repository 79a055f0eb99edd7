"""What a control method is, and how its parameters are checked before it runs.

A method takes the `params` object and gives back a JSON value. `typed` makes one from an ordinary annotated
function: names, types and defaults come from its signature, so a wrong parameter is a -32602 that names the
field and the function never sees it. Constraints go into annotations (`Annotated[int, msgspec.Meta(ge=0)]`).
What no method can mean is refused for all of them: text that is none (half of a surrogate pair, which JSON
can escape and UTF-8 cannot write) and integers that not every language reads exactly.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec

from aslp2p.limits import UINT_MAX

Method = Callable[[dict[str, Any]], Awaitable[Any]]


class InvalidParams(Exception):
    """Parameters that the method does not take. `field` names the one at fault, where it is one."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def typed(function: Callable[..., Awaitable[Any]]) -> Method:
    """The method that calls `function` with its checked parameters.

    Every parameter of `function` has to be passable by name and annotated (`TypeError` otherwise); one
    without a default is required, any other name is refused.
    """
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{parameter.name} of {function.__qualname__} cannot be passed by name")
        if parameter.name not in hints:
            raise TypeError(f"{parameter.name} of {function.__qualname__} has no type")
        required = parameter.default is parameter.empty
        field = (parameter.name, hints[parameter.name])
        fields.append(field if required else (*field, parameter.default))
    struct = msgspec.defstruct("Params", fields, kw_only=True, forbid_unknown_fields=True)
    names = tuple(field[0] for field in fields)

    async def method(params: dict[str, Any]) -> Any:
        _require_plain(params)
        try:
            checked = msgspec.convert(params, struct)
        except msgspec.ValidationError as error:
            raise _invalid(str(error), names) from None
        return await function(**{name: getattr(checked, name) for name in names})

    return method


def _require_plain(params: dict[str, Any]) -> None:
    """Raises `InvalidParams` for text or a number that no method can mean, however deep it is inside."""
    left: list[tuple[str, Any]] = [("", params)]
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            for name, inside in value.items():
                _require_text(name, path)
                left.append((f"{path}.{name}".lstrip("."), inside))
        elif isinstance(value, list):
            left += [(f"{path}[{place}]", inside) for place, inside in enumerate(value)]
        elif isinstance(value, str):
            _require_text(value, path)
        elif isinstance(value, int) and abs(value) > UINT_MAX:
            raise InvalidParams(f"{path}: expected an integer of at most {UINT_MAX}", path)


def _require_text(text: str, path: str) -> None:
    if not text.isascii() and (found := _HALF.search(text)):
        field = f"{path}: " if path else ""
        raise InvalidParams(f"{field}U+{ord(found[0]):04X} is half of a character, and no text", path)


_HALF = re.compile("[\ud800-\udfff]")
_WHERE = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>.*)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*)`$", re.DOTALL)


def _invalid(message: str, names: tuple[str, ...]) -> InvalidParams:
    """msgspec's message as ours: the field first, then what is wrong with it."""
    where = _WHERE.search(message)
    path = where["path"] if where else ""
    text = message[: where.start()] if where else message
    if missing := _MISSING.match(text):
        field = f"{path}.{missing['name']}".lstrip(".")
        return InvalidParams(f"{field} is missing", field)
    if unknown := _UNKNOWN.match(text):
        field = f"{path}.{unknown['name']}".lstrip(".")
        allowed = "" if path else f"; there is {', '.join(names) or 'none'}"
        return InvalidParams(f"{field!r} is no parameter{allowed}", field)
    text = text.replace("`", "")
    return InvalidParams(f"{path}: {text[:1].lower()}{text[1:]}" if path else text, path)
