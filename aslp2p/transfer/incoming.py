"""Taking a bundle in: read to its end first, then judged like anything that comes over a link (section 10).

How it works. `taking` is a generator: it yields commands and questions for the Common's node and is sent
their answers, so a daemon and a stopped home carry out the same import.

1. The file is read from beginning to end. A bundle that is cut off, damaged or out of bounds is refused as a
   whole here, and nothing has changed. Its artifacts are in memory now, its contents not.
2. All artifacts, and what waited from earlier bundles (`waiting.py`), go to the node in one command: one
   step, one commit. A proposal that a waiting snapshot lists waits with it.
3. Contents follow piece by piece, and only those that the history or an open proposal wants, so a bundle
   cannot fill a disk with what nobody asked for. Those of what waits are kept with it, in its bounds. A
   crash in between leaves the rest wanted: import it again.

The file may be read several times, so it has to be a copy that nobody pulls out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from aslp2p.artifacts.bundle import BundleReader
from aslp2p.artifacts.envelope import Signed
from aslp2p.artifacts.invite import GivenFloor
from aslp2p.artifacts.types import Endorsement, Genesis, Proposal, Snapshot, Statement
from aslp2p.core.inputs import Import
from aslp2p.core.intake import Imported
from aslp2p.errors import ArtifactError, UserError
from aslp2p.ledger.gate import AUTHORITY_ACTIONS
from aslp2p.ledger.history import META_GENESIS
from aslp2p.ledger.reader import Reader
from aslp2p.limits import CHUNK_BYTES, VIEW_PAGE_MAX
from aslp2p.transfer.waiting import WAITING_NAME, contents_in, keep_waiting, open_waiting

BATCH_BYTES = 4 * CHUNK_BYTES
_WANTED_PAGE = 10_000
REFUSED_SHOWN_MAX = 400

Question = Callable[[Reader], Any]
Steps = Generator[Import | Question, Any, dict[str, Any]]


class Checked(NamedTuple):
    """A bundle that was read to its end."""

    common_id: bytes
    floor: GivenFloor | None
    """What it gives to whoever follows its Common with it."""
    artifacts: dict[bytes, Signed[Statement]]
    contents: int
    content_bytes: int

    @property
    def genesis(self) -> Signed[Genesis] | None:
        """The genesis, if it is in the bundle."""
        found = self.artifacts.get(self.common_id)
        return None if found is None else cast("Signed[Genesis]", found)


def check_bundle(file: IO[bytes]) -> Checked:
    """Read a bundle from its beginning to its end. Raises `UserError`, citing the rule that it breaks."""
    file.seek(0)
    artifacts: dict[bytes, Signed[Statement]] = {}
    contents = size = 0
    try:
        reader = BundleReader(file)
        for record in reader.records():
            if record.artifact is not None:
                artifacts[record.id] = record.artifact
            else:
                contents += 1
                size += len(record.data)
    except ArtifactError as error:
        raise UserError(
            f"this is no whole bundle: {error.message}", remedy="copy it again from where it was made"
        ) from None
    return Checked(reader.common_id, reader.floor, artifacts, contents, size)


def taking(file: IO[bytes], folder: Path, common_id: bytes) -> Steps:
    """The steps of an import into the Common whose folder is `folder`; what it returns is the report, whose
    `subjects` are to be asked about with `bundle.summary`.

    Where there is no genesis yet, everything waits for it. Raises `UserError` (not whole, another Common's);
    nothing has changed then.
    """
    bundle = check_bundle(file)
    if bundle.common_id != common_id:
        raise UserError(
            f"this bundle is of another Common, {bundle.common_id.hex()[:12]}",
            remedy="choose with --common, or follow that one: asl bundle import --follow",
        )
    with open_waiting(folder, common_id) as (waited, kept):
        offered = {**waited, **bundle.artifacts}
        sources = [file, *kept]
        founded = yield lambda reader: reader.meta(META_GENESIS) is not None
        if not founded and common_id not in offered:
            left_out = keep_waiting(folder, common_id, offered.values(), sources)
            return _report(bundle, Imported(waiting=list(offered)), offered, left_out, 0)
        imported: Imported = yield Import(tuple(one.raw for one in offered.values()))
        left_out = keep_waiting(folder, common_id, _left(imported, offered), sources)
        taken = 0
        for manifests in (True, False):
            wanted = yield _wanted
            ids = {id_ for id_, manifest in wanted if manifest == manifests}
            for batch in _batches(contents_in(sources, ids)):
                yield Import((), () if manifests else batch, batch if manifests else ())
                taken += len(batch)
        return _report(bundle, imported, offered, left_out, taken)


def taking_again(folder: Path, common_id: bytes) -> Steps:
    """The steps of judging again what waits, without a new bundle; the report is empty if nothing does.

    A file that is damaged is removed: what it held can be imported once more. Raises as `taking` does.
    """
    path = folder / WAITING_NAME
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return {}
    with file:
        try:
            check_bundle(file)
        except UserError:
            path.unlink(missing_ok=True)
            return {}
        return (yield from taking(file, folder, common_id))


def _report(
    bundle: Checked,
    imported: Imported,
    offered: dict[bytes, Signed[Statement]],
    left_out: int,
    contents_taken: int,
) -> dict[str, Any]:
    return {
        "common": bundle.common_id.hex(),
        "new": imported.new,
        "known": imported.known,
        "useless": imported.useless,
        "waiting": len(imported.waiting),
        "not_kept": left_out,
        "refused": [
            {
                "id": one.id.hex(),
                "what": offered[one.id].type,
                "rule": one.rule,
                "reason": one.reason,
                "against": one.against.hex(),
            }
            for one in imported.refused[:REFUSED_SHOWN_MAX]
        ],
        "refused_count": len(imported.refused),
        "height_before": imported.height_before,
        "height": imported.height_after,
        "contents": {"in_bundle": bundle.contents, "taken": contents_taken},
        "gap": _gap(imported, offered),
        "subjects": [id_.hex() for id_ in _subjects(bundle.artifacts)],
    }


def _left(imported: Imported, offered: dict[bytes, Signed[Statement]]) -> list[Signed[Statement]]:
    """What waits, with the proposals that waiting snapshots list: each is kept with what it belongs to."""
    ids = dict.fromkeys(imported.waiting)
    for id_ in imported.waiting:
        statement = offered[id_].statement
        if isinstance(statement, Snapshot):
            ids.update(dict.fromkeys(one for one in statement.proposals if one in offered))
    return [offered[id_] for id_ in ids]


def _gap(imported: Imported, offered: dict[bytes, Signed[Statement]]) -> list[int] | None:
    """The first and last height that lack below the lowest snapshot that waits; None if none waits."""
    statements = [offered[id_].statement for id_ in imported.waiting]
    heights = [one.height for one in statements if isinstance(one, Snapshot)]
    if not heights:
        return None
    lowest = min(heights)
    first = min(imported.height_after + 1, lowest)  # what is missing may be a proposal of `lowest` itself
    return [first, max(first, lowest - 1)]


def _subjects(artifacts: dict[bytes, Signed[Statement]]) -> list[bytes]:
    """The successions and policy changes that a bundle is about."""
    found: dict[bytes, None] = {}
    for id_, one in artifacts.items():
        if isinstance(one.statement, Endorsement):
            found[one.statement.proposal] = None
        elif isinstance(one.statement, Proposal) and isinstance(one.statement.action, AUTHORITY_ACTIONS):
            found[id_] = None
    return list(found)[:VIEW_PAGE_MAX]


def _wanted(reader: Reader) -> list[tuple[bytes, bool]]:
    found: list[tuple[bytes, bool]] = []
    while page := reader.wanted(_WANTED_PAGE, len(found)):
        found += page
    return found


def _batches(contents: Iterable[bytes]) -> Iterator[tuple[bytes, ...]]:
    """The contents in batches of bounded size."""
    batch: list[bytes] = []
    size = 0
    for data in contents:
        if batch and size + len(data) > BATCH_BYTES:
            yield tuple(batch)
            batch, size = [], 0
        batch.append(data)
        size += len(data)
    if batch:
        yield tuple(batch)
