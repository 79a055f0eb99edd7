"""Actions and policies as JSON, both ways: ids as hexadecimal digits, keys as `ed25519:…`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from aslp2p.artifacts.keys import key_text, parse_key
from aslp2p.artifacts.types import (
    Action,
    Admit,
    Erase,
    Expel,
    Forget,
    Policy,
    PolicyChange,
    Put,
    Recovery,
    Remove,
    Rename,
    Revocation,
    RevokeInvite,
    Rotation,
    Shown,
)
from aslp2p.errors import UsageError
from aslp2p.limits import ID_BYTES, UINT_MAX

Uint = Annotated[int, msgspec.Meta(ge=0, le=UINT_MAX)]
"""A height, a size or a place in a list, as a parameter."""
_KINDS: dict[str, type[Action]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        *(Put, Remove, Admit, Expel, Forget, Rename, RevokeInvite, Erase),
        *(PolicyChange, Rotation, Recovery, Revocation),
    )
}
_KEYS = frozenset({"key", "new_witness", "revoked"})
_IDS = frozenset({"content", "expects", "invite", "replaces", "base_id", "abandons", "evidence"})
_DEFAULTS: dict[str, Any] = {
    "expects": None,
    "executable": False,
    "modified_ms": 0,
    "token": None,
    "media_type": "",
    "reason": "",
    "abandons": [],
    "evidence": [],
}
"""What a caller may leave out."""


def action_kind(action: Action) -> str:
    """`put`, `remove`, `admit`, … as the artifact has it."""
    return str(type(action).__struct_config__.tag)


def action_json(action: Action) -> dict[str, Any]:
    """`action` as an object with its `kind` and its fields."""
    fields = {name: _shown(name, getattr(action, name)) for name in action.__struct_fields__}
    return {"kind": action_kind(action), **fields}


def policy_json(policy: Policy) -> dict[str, Any]:
    """`policy` as an object; `witnesses` are `{name, key}` in the order of succession."""
    fields: dict[str, Any] = {name: getattr(policy, name) for name in policy.__struct_fields__}
    fields["witnesses"] = [{"name": one.name, "key": key_text(one.key)} for one in policy.witnesses]
    return fields


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, Policy):
        return policy_json(value)
    if isinstance(value, Shown):
        return {"invite": value.invite.hex(), "signature": value.signature.hex()}
    if isinstance(value, tuple):
        return [_shown(name, item) for item in value]
    if isinstance(value, bytes):
        return key_text(value) if name in _KEYS else value.hex()
    return value


def action_from_json(value: Mapping[str, Any]) -> Action:
    """The action that `action_json` would show as `value`. Raises `UsageError` naming the field at fault."""
    kind = value.get("kind")
    record = _KINDS.get(kind) if isinstance(kind, str) else None
    if record is None:
        raise UsageError("the action has no kind that is known", remedy=f"use one of {', '.join(_KINDS)}")
    names = record.__struct_fields__
    if unknown := sorted(str(name) for name in value if name not in names and name != "kind"):
        raise UsageError(f"{unknown[0]!r} is no field of {kind}", remedy=f"there is {', '.join(names)}")
    fields: list[Any] = []
    for name in names:
        if name not in value and name not in _DEFAULTS:
            raise UsageError(f"{name} of {kind} is missing")
        fields.append(_meant(name, value.get(name, _DEFAULTS.get(name))))
    try:
        return msgspec.convert([kind, *fields], record, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise UsageError(f"this is no {kind}: {_problem(str(error), ('kind', *names))}") from None


def policy_from_json(value: object) -> list[Any]:
    """The positional form of a policy object. Raises `UsageError`."""
    if not isinstance(value, Mapping):
        raise UsageError("policy is an object")
    if set(value) != set(Policy.__struct_fields__):
        raise UsageError(f"policy has exactly the fields {', '.join(Policy.__struct_fields__)}")
    witnesses = value["witnesses"]
    if not isinstance(witnesses, list) or any(
        not isinstance(one, Mapping) or set(one) != {"name", "key"} for one in witnesses
    ):
        raise UsageError("witnesses of a policy is a list of objects with name and key")
    named = [[one["name"], _meant("key", one["key"])] for one in witnesses]
    return [named if name == "witnesses" else value[name] for name in Policy.__struct_fields__]


def _meant(name: str, value: Any) -> Any:
    if name == "policy":
        return policy_from_json(value)
    if name == "token":
        return None if value is None else _token(value)
    if name in ("abandons", "evidence"):
        if not isinstance(value, list):
            raise UsageError(f"{name} is a list of ids")
        return [parse_id(item, name) for item in value]
    if name in _KEYS:
        if not isinstance(value, str):
            raise UsageError(f"{name} is a key, as text")
        return parse_key(value)
    if name == "expects" and value in (None, ""):
        return None if value is None else b""
    return parse_id(value, name) if name in _IDS else value


def _token(value: object) -> list[bytes]:
    """The positional form of the token of an `admit`. Raises `UsageError`."""
    if not isinstance(value, Mapping) or set(value) != set(Shown.__struct_fields__):
        raise UsageError(f"token has exactly the fields {', '.join(Shown.__struct_fields__)}")
    try:
        return [bytes.fromhex(value[name]) for name in Shown.__struct_fields__]
    except (TypeError, ValueError):
        raise UsageError("the fields of a token are bytes in hexadecimal digits") from None


def parse_id(value: object, name: str = "id") -> bytes:
    """The 32 bytes of a whole id in hexadecimal digits; raises `UsageError` calling it `name`."""
    try:
        id_ = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        id_ = b""
    if len(id_) != ID_BYTES:
        raise UsageError(f"{name} is an id of {2 * ID_BYTES} hexadecimal digits")
    return id_


def _problem(message: str, names: tuple[str, ...]) -> str:
    """msgspec's message with the field's name for its position."""
    text, _, where = message.partition(" - at `$[")
    position = where.partition("]")[0]
    name = names[int(position)] + ": " if position.isdigit() and int(position) < len(names) else ""
    return name + text.replace("`", "")
