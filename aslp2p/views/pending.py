"""What waits for the witness, and what it refused and why (F4)."""

from __future__ import annotations

from typing import Any, NamedTuple

from aslp2p.artifacts.envelope import Signed, decode_artifact, decode_as
from aslp2p.artifacts.types import Endorsement, PolicyChange, Proposal, Put, Rejection, Remove
from aslp2p.errors import UsageError
from aslp2p.ledger.facts import snapshot_listing
from aslp2p.ledger.joining import META_DISMISSED
from aslp2p.limits import ID_BYTES, VIEW_PAGE_MAX
from aslp2p.views.actions import action_json, parse_id
from aslp2p.views.certificates import certificate_json, needs_certificate
from aslp2p.views.log import find as find_listed
from aslp2p.views.log import proposal_json
from aslp2p.views.policy_difference import difference
from aslp2p.views.view import View


class Open(NamedTuple):
    """The open artifacts, sorted by what they are."""

    proposals: dict[bytes, Signed[Proposal]]
    rejections: dict[bytes, Signed[Rejection]]
    """By the proposal that they refuse."""
    endorsers: dict[bytes, set[bytes]]
    """The keys by the proposal that they endorse."""


def open_artifacts(view: View) -> Open:
    """Everything open in this Common: at most what a node keeps open at once."""
    found = Open({}, {}, {})
    for id_, raw in view.reader.open_artifacts():
        statement = decode_artifact(raw).statement
        if isinstance(statement, Proposal):
            found.proposals[id_] = decode_as(Proposal, raw)
        elif isinstance(statement, Rejection):
            found.rejections[statement.proposal] = decode_as(Rejection, raw)
        elif isinstance(statement, Endorsement):
            key = decode_as(Endorsement, raw).key
            found.endorsers.setdefault(statement.proposal, set()).add(key)
    return found


def dismissed(view: View) -> set[bytes]:
    """The refused proposals that people here have read about."""
    ids = view.reader.meta(META_DISMISSED) or b""
    return {ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)}


def proposals(view: View, state: str = "") -> dict[str, Any]:
    """Proposals that are `pending` and `rejected` ones (`state`: only those): own first, then newest first.

    At most `VIEW_PAGE_MAX`; `pending` and `rejected` count all of them.
    """
    found = open_artifacts(view)
    waiting = [one for id_, one in found.proposals.items() if id_ not in found.rejections]
    refused: list[tuple[Signed[Proposal], Signed[Rejection]]] = []
    read = dismissed(view)
    for id_, rejection in found.rejections.items():
        if id_ in read:
            continue
        raw = view.reader.artifact(id_)
        if raw is not None:
            refused.append((decode_as(Proposal, raw), rejection))
    answer = []
    if state != "rejected":
        answer += [_pending(view, one, found) for one in waiting]
    if state != "pending":
        answer += [_rejected(view, *pair) for pair in refused]
    answer.sort(key=lambda one: (not one["author"]["self"], -one["created_ms"], one["id"]))
    return {"pending": len(waiting), "rejected": len(refused), "proposals": answer[:VIEW_PAGE_MAX]}


def _pending(view: View, proposal: Signed[Proposal], found: Open) -> dict[str, Any]:
    endorsers = found.endorsers.get(proposal.id, set())
    paper = certificate_json(view, proposal, endorsers) if needs_certificate(view, proposal) else None
    words = {}
    if isinstance(action := proposal.statement.action, PolicyChange):
        differs = difference(view.standing(view.height).policies[-1], action.policy)
        words = {"words": f"changes the policy: {', '.join(differs)}"}
    return {
        **proposal_json(view, proposal),
        **words,
        "state": "pending",
        "action": action_json(proposal.statement.action),
        "endorsed_by": [view.party(key) for key in sorted(endorsers)],
        "paper": paper,
    }


def find(view: View, id: str) -> dict[str, Any]:
    """What `log.find` finds; a proposal that is still open with its `state`, as `proposals` has it."""
    answer = find_listed(view, id)
    if answer["kind"] != "proposal" or answer["height"] is not None:
        return answer
    found = open_artifacts(view)
    id_ = parse_id(answer["id"])
    if id_ in found.proposals:
        return _pending(view, found.proposals[id_], found)
    raw = view.reader.artifact(id_)
    if id_ in found.rejections and raw is not None:
        return _rejected(view, decode_as(Proposal, raw), found.rejections[id_])
    return answer


def open_certified(view: View, found: Open) -> list[dict[str, Any]]:
    """The open successions, policy changes and erasures of what others put too, as `proposals` has them,
    oldest first."""
    special = [one for one in found.proposals.values() if needs_certificate(view, one)]
    special.sort(key=lambda one: (one.statement.created_ms, one.id))
    return [_pending(view, one, found) for one in special]


def _rejected(view: View, proposal: Signed[Proposal], rejection: Signed[Rejection]) -> dict[str, Any]:
    return {
        **proposal_json(view, proposal),
        "state": "rejected",
        "code": rejection.statement.code,
        "reason": rejection.statement.text,
        "by": view.party(rejection.key),
        "rejected_ms": rejection.statement.created_ms,
    }


def settled(view: View, ids: list[str]) -> dict[str, Any]:
    """What has become of the proposals `ids` (at most `VIEW_PAGE_MAX`), in their order: `state` is
    `witnessed` with a `height`, `rejected` with `code` and `text`, `pending`, or `unknown`.
    """
    if len(ids) > VIEW_PAGE_MAX:
        raise UsageError(f"more than {VIEW_PAGE_MAX} ids")
    states = [_listed(view, parse_id(id_)) for id_ in ids]
    found = (
        open_artifacts(view) if None in states else Open({}, {}, {})
    )  # it is read whole: only if it must be
    return {
        "settled": [
            {"id": id_, **(state or _unlisted(parse_id(id_), found))}
            for id_, state in zip(ids, states, strict=True)
        ]
    }


def _listed(view: View, id_: bytes) -> dict[str, Any] | None:
    row = snapshot_listing(view.reader, view.branch, view.height, id_)
    return None if row is None else {"state": "witnessed", "height": row.height}


def _unlisted(id_: bytes, found: Open) -> dict[str, Any]:
    if rejection := found.rejections.get(id_):
        return {"state": "rejected", "code": rejection.statement.code, "text": rejection.statement.text}
    return {"state": "pending" if id_ in found.proposals else "unknown"}


def waiting(view: View, after: str = "") -> dict[str, Any]:
    """The asker's own puts and removals that wait for the witness, id and path of each, by id above `after`:
    at most `VIEW_PAGE_MAX`."""
    found = open_artifacts(view)
    mine = sorted(
        (id_.hex(), one.statement.action.path)
        for id_, one in found.proposals.items()
        if one.key == view.own_key
        and id_ not in found.rejections
        and isinstance(one.statement.action, Put | Remove)
        and id_.hex() > after
    )
    page = mine[:VIEW_PAGE_MAX]
    return {"waiting": page, "next": page[-1][0] if len(mine) > len(page) else None}
