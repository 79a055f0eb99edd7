"""What this machine keeps of a Common, and which members have confirmed an erasure."""

from __future__ import annotations

from typing import Any

from aslp2p.core.holders import erased_by
from aslp2p.ledger.facts import held_at
from aslp2p.ledger.joining import META_ERASED_BY
from aslp2p.ledger.keeping import META_KEEP, META_PINS, Keep, decode_keep, decode_pins, versions_text
from aslp2p.views.actions import parse_id
from aslp2p.views.people import members
from aslp2p.views.view import View


def keep_json(keep: Keep) -> dict[str, Any]:
    """`versions` as it is typed, `only`, `except`, `copies`."""
    return {
        "versions": versions_text(keep.versions_ms),
        "only": list(keep.only),
        "except": list(keep.excluded),
        "copies": keep.copies,
    }


def keeping(view: View) -> dict[str, Any]:
    """`typed`: what people decided for this Common, or null where the configuration counts; `pins`."""
    typed = view.reader.meta(META_KEEP)
    pins = decode_pins(view.reader.meta(META_PINS))
    return {
        "typed": None if typed is None else keep_json(decode_keep(typed)),
        "pins": [{"path": pin.path, "at": pin.height or None} for pin in pins],
    }


def erasure_status(view: View, id: str) -> dict[str, Any]:
    """`members`, each with whether they have said that the content `id` is `gone` there; of this machine,
    whether it is."""
    content = parse_id(id)
    held = held_at(view.reader, view.branch, view.height, content)
    erased = b"" if held is None else held.erased
    said = set(erased_by(view.reader.meta(META_ERASED_BY + erased.hex()))) if erased else set()
    here = view.reader.content_size(content) is not None
    return {
        "members": [
            {
                **{part: one[part] for part in ("key", "name", "shown", "self")},
                "gone": not here if one["self"] else bytes.fromhex(one["key"][-64:]) in said,
            }
            for one in members(view)["members"]
            if one["status"] == "admitted"
        ]
    }
