"""What is in a bundle, told without taking anything in: only the file, no home and no Common is needed."""

from __future__ import annotations

from collections import Counter
from typing import IO, Any

from aslp2p.artifacts.envelope import VERIFIER, Signed
from aslp2p.artifacts.keys import short_key
from aslp2p.artifacts.types import Admit, Endorsement, Proposal, Snapshot, Statement
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.transfer.incoming import Checked, check_bundle
from aslp2p.views.words import describe_action

_BATCH = 1000
PAPERS_SHOWN_MAX = 400
BAD_SHOWN_MAX = 400
_KINDS = ("proposal", "endorsement", "cosignature", "rejection", "beacon")


def show_bundle(file: IO[bytes]) -> dict[str, Any]:
    """What a bundle holds: counts, ranges of snapshots, the paper in it, and whose signatures do not verify.

    Names are those that the bundle's own genesis and admissions claim. Raises `UserError` if it is not whole.
    """
    bundle = check_bundle(file)
    names = _names(bundle)
    counts = Counter(
        one.type.removeprefix("asl.common.").partition("/")[0] for one in bundle.artifacts.values()
    )
    genesis = bundle.genesis
    return {
        "common": bundle.common_id.hex(),
        "name": None if genesis is None else genesis.statement.name,
        "artifacts": len(bundle.artifacts),
        "contents": bundle.contents,
        "content_bytes": bundle.content_bytes,
        "snapshots": _ranges(bundle),
        "counts": {kind: counts[kind] for kind in _KINDS},
        "papers": _papers(bundle, names)[:PAPERS_SHOWN_MAX],
        "bad_signatures": _bad(list(bundle.artifacts.values()))[:BAD_SHOWN_MAX],
    }


def _names(bundle: Checked) -> dict[bytes, str]:
    names = {} if bundle.genesis is None else {one.key: one.name for one in bundle.genesis.statement.anchors}
    for one in bundle.artifacts.values():
        if isinstance(one.statement, Proposal) and isinstance(one.statement.action, Admit):
            names.setdefault(one.statement.action.key, one.statement.action.name)
    return names


def _ranges(bundle: Checked) -> list[list[int]]:
    """The heights of which there are snapshots, as [first, last]."""
    heights = {
        one.statement.height for one in bundle.artifacts.values() if isinstance(one.statement, Snapshot)
    }
    if bundle.genesis is not None:
        heights.add(0)
    ranges: list[list[int]] = []
    for height in sorted(heights):
        if ranges and ranges[-1][1] == height - 1:
            ranges[-1][1] = height
        else:
            ranges.append([height, height])
    return ranges


def _papers(bundle: Checked, names: dict[bytes, str]) -> list[dict[str, Any]]:
    endorsers: dict[bytes, list[str]] = {}
    for one in bundle.artifacts.values():
        if isinstance(one.statement, Endorsement):
            who = names.get(one.key) or short_key(one.key)
            endorsers.setdefault(one.statement.proposal, []).append(who)
    papers = []
    for id_, one in bundle.artifacts.items():
        if isinstance(one.statement, Proposal) and isinstance(one.statement.action, AUTHORITY_ACTIONS):
            words = describe_action(
                one.statement.action, lambda key: names.get(key) or short_key(key), one.key
            )
            author = names.get(one.key) or short_key(one.key)
            signed = sorted(endorsers.pop(id_, []))
            papers.append({"id": id_.hex(), "author": author, "words": words, "endorsed_by": signed})
    unknown = "asks for something that is not in here"
    papers += [
        {"id": id_.hex(), "author": "somebody", "words": unknown, "endorsed_by": sorted(signed)}
        for id_, signed in endorsers.items()
    ]
    return papers


def _bad(artifacts: list[Signed[Statement]]) -> list[str]:
    found: list[str] = []
    for first in range(0, len(artifacts), _BATCH):
        found += [id_.hex() for id_ in VERIFIER.failing(artifacts[first : first + _BATCH])]
    return found
