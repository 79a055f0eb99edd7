"""One folder and one history, brought together: take the three trees, plan, do, until no step is left.

Where the folder does not hold any more what the plan was made from, nothing is done (`doing`) and the next
round plans anew. A kill between any two calls leaves a folder that the next sync finishes: what was being
written is a file of ours (`PART`), and what was on its way in or out (`SWAP`) is removed only if the history
has its bytes, else it is kept under a name that people see.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress

from aslp2p.errors import UserError
from aslp2p.worktree.aside import Aside, conflict_of
from aslp2p.worktree.base import Base
from aslp2p.worktree.disk import Disk, Status
from aslp2p.worktree.doing import Doer
from aslp2p.worktree.names import HIDDEN, HIDDEN_FILE
from aslp2p.worktree.plan import LACKING, caught_up, plan
from aslp2p.worktree.portable import Traits
from aslp2p.worktree.remote import Remote, Version
from aslp2p.worktree.report import Report, Ways
from aslp2p.worktree.rules import IGNORED, Rules, ignore_file
from aslp2p.worktree.scan import CHANGING, PART, Scan, Scanner, content_of
from aslp2p.worktree.trees import (
    Adopt,
    Entry,
    Forget,
    Found,
    Like,
    Plan,
    Put,
    Remove,
    SetAside,
    Trees,
    TreeStep,
    Write,
)
from aslp2p.worktree.writing import Writer

ROUNDS_MAX = 20
REMOVALS_MAX = 100
"""More removals than this, or of more than half of the files, are asked about first."""
REFUSED = "was refused; see `asl proposals`"
BOTH = "changed here and there; `asl sync` keeps both"


class Sync:
    """One run. `progress` is called before a round with the number of its steps, and with 0 after each.
    `refused` are proposals that are not made again as they were; it grows, and can be given to the next run.
    """

    def __init__(
        self,
        disk: Disk,
        base: Base,
        remote: Remote,
        *,
        hidden: bool = False,
        ways: Ways | None = None,
        progress: Callable[[int], None] = lambda _: None,
        refused: set[TreeStep] | None = None,
    ) -> None:
        self._disk = disk
        self._base = base
        self._remote = remote
        self._hidden = hidden
        self._ways = ways or Ways()
        self._progress = progress
        self._refused = set() if refused is None else refused
        self._entries: dict[str, Entry] = {}
        self._waiting = False
        self._rounds = 0
        self.report = Report()
        self._doer = Doer(disk, base, remote, self._writer(disk), self.report, progress)

    def _writer(self, disk: Disk) -> Writer:
        return Writer(disk)

    def run(self) -> Report:
        """Rounds until nothing is left to do. Raises `OSError` when the folder itself cannot be read, and
        `DiskFault` when the base cannot be written; all that was done until then holds."""
        traits, now_ns = self._probe()
        for _ in range(ROUNDS_MAX):
            failed = self._doer.failed = {}
            self._rounds += 1
            planned = self._planned(traits, now_ns)
            steps = self._meant(planned)
            self._progress(len(steps))
            self._doer.do(steps, self._entries)
            self.report.said = {**planned.said, **failed}
            proposed = any(isinstance(step, Put | Remove) for step in steps)
            if all(step.path in failed for step in steps) and not self._waiting:
                break
            if proposed or self._waiting:
                all_settled = self._remote.settle()
                self._refused |= {step for step in steps if step.path in self._remote.refused}
                if not all_settled:
                    self.report.waits = True
                    break
        self.report.said |= self._remote.problems | self._remote.refused
        self.report.lacking = LACKING in self.report.said.values()
        self.report.again = (
            bool(self._doer.failed or self._remote.problems) or CHANGING in self.report.said.values()
        )
        return self.report

    # --- the trees ----------------------------------------------------------------------------------------

    def _probe(self) -> tuple[Traits, int]:
        """What the file system does with names, and the time by its clock."""
        probe = f"{PART}a"
        self._touch(probe)
        try:
            with self._disk.reading(probe) as file:
                if file.has_writer():  # nobody has
                    self._disk.doubt_writers()
            status = self._disk.status(probe)
            traits = Traits(
                folds=self._disk.status(probe.upper()) is not None,
                drops=self._disk.status(f"{probe}.") is not None,
                refuses=not self._takes(f"{PART}:"),
                name_bytes_max=self._disk.name_bytes_max(),
                keeps_bits=self._keeps_bits(probe),
            )
        finally:
            self._disk.remove(probe)
        return traits, 0 if status is None else max(status.ctime_ns, status.identity.mtime_ns)

    def _touch(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._disk.remove(path)
        self._disk.create(path, (), executable=False, modified_ms=0)

    def _keeps_bits(self, probe: str) -> bool:
        """Whether a file, which was made without the executable bit, has none and gets one."""
        before = self._disk.status(probe)
        with suppress(OSError):  # as some file systems say that they have none
            self._disk.set_executable(probe, True)
        after = self._disk.status(probe)
        return before is not None and after is not None and after.executable > before.executable

    def _takes(self, path: str) -> bool:
        """Whether the file system can hold a file of this name."""
        try:
            self._touch(path)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EPERM, errno.EILSEQ):
                raise
            return False
        self._disk.remove(path)
        return True

    def _planned(self, traits: Traits, now_ns: int) -> Plan:
        rules = self._rules(traits)
        version = self._remote.version()
        self.report.height = version.height
        self._entries = version.entries
        self._waiting = bool(version.waiting)
        base = self._caught_up(version)
        scan = self._scan(Scanner(self._disk, self._base, rules, now_ns), {*base, *version.entries})
        if self._leftovers(scan, base, version):
            scan = self._scan(Scanner(self._disk, self._base, rules, now_ns), {*base, *version.entries})
        local = scan.local
        if not traits.keeps_bits:
            likes = {**base, **{path: entry.like for path, entry in version.entries.items()}}
            local = {path: _with_bit_of(found, likes.get(path)) for path, found in local.items()}
        trees = Trees(
            base=base,
            local=local,
            remote=version.entries,
            waiting=version.waiting,
            out={**scan.out, **rules.out({*base, *scan.local, *version.entries})},
            unseen=scan.unseen,
            folders=scan.folders,
        )
        planned = self._plan(trees, version)
        wanted = {step.path: step.entry for step in planned.steps if isinstance(step, Write)}
        if lacking := self._lacking(wanted):
            planned = self._plan(trees._replace(lacking=lacking), version)
        self.report.conflicts = [
            path for path in sorted(scan.local) if (whole := conflict_of(path)) and whole in scan.local
        ]
        self.report.out = {path: why for path, why in planned.out.items() if why != IGNORED}
        self.report.out |= {path: why for path, why in scan.out.items() if why in (HIDDEN, HIDDEN_FILE)}
        nameless = dict(line.rsplit(": ", 1) for line in scan.nameless)
        blocked = {path: why for path, why in scan.unseen.items() if path not in version.entries}
        return planned._replace(said={**nameless, **blocked, **planned.said})

    def _lacking(self, entries: dict[str, Entry]) -> set[str]:
        return self._remote.lacking(entries)

    def _rules(self, traits: Traits) -> Rules:
        return Rules(ignore_file(self._disk), hidden=self._hidden, traits=traits)

    def _scan(self, scanner: Scanner, paths: set[str]) -> Scan:
        """The folder as it is; `paths` are those of base and history."""
        return scanner.scan()

    def _plan(self, trees: Trees, version: Version) -> Plan:
        return plan(trees, name=self._remote.name, height=version.height)

    def _caught_up(self, version: Version) -> dict[str, Like]:
        before = self._base.agreed()
        after, over = caught_up(before, self._base.offered(), version.entries, version.waiting)
        for path in over:
            self._base.settled(path)
        for path in before.keys() - after.keys():
            self._base.forget(path)
        for path, like in after.items():
            if before.get(path) != like:
                self._base.agree(path, like)
        return after

    def _leftovers(self, scan: Scan, base: dict[str, Like], version: Version) -> bool:
        """Whether a kill had left somebody's file under a name of ours, which it has not any more."""
        kept = {like.content for like in base.values()} | {
            one.like.content for one in version.entries.values()
        }
        names = Aside(
            Trees(base, scan.local, version.entries, folders=scan.folders), self._remote.name, version.height
        )
        found = False
        for path in scan.leftovers:
            status = self._disk.status(path)
            if status is None:
                continue
            folder, slash, name = path.rpartition("/")
            if name.startswith(PART) or self._is_kept(path, status, kept):
                self._disk.remove(path)
            else:
                self._disk.rename(path, names.name(f"{folder}{slash}recovered"))
                found = True
        return found

    def _is_kept(self, path: str, status: Status, kept: set[str]) -> bool:
        try:
            return content_of(self._disk, path, status, 0) in kept
        except (OSError, UserError):
            return False

    def _meant(self, planned: Plan) -> list[TreeStep]:
        """The steps that go a way that is open, and whose removals are no more than a person would make."""
        ways, failed = self._ways, self._doer.failed
        many = planned.removals > REMOVALS_MAX or 2 * planned.removals > planned.held
        braked = ways.send and ways.remove and many and planned.removals > 0 and not ways.approved
        self.report.braked = planned.removals if braked else 0
        self.report.held = planned.held
        meant: list[TreeStep] = []
        for step in planned.steps:
            if step in self._refused:
                failed[step.path] = REFUSED  # unless something changes it would be so again
            elif isinstance(step, Put | Remove) and step.path in self._remote.problems:
                failed[step.path] = self._remote.problems[step.path]  # once in a run is enough
            elif isinstance(step, Put | Remove):
                if ways.send and not (isinstance(step, Remove) and (braked or not ways.remove)):
                    meant.append(step)
            elif ways.receive or isinstance(step, Adopt | Forget):
                meant.append(step)
            elif isinstance(step, SetAside):
                failed[step.path] = BOTH
        return meant


def _with_bit_of(found: Found, like: Like | None) -> Found:
    """A file whose own executable bit says nothing, with that of `like`: so the bit is no change."""
    return found._replace(like=Like(found.like.content, like is not None and like.executable))


def require_same(base: Base, common: str, path: str, folder: str) -> None:
    """Raises `UserError` unless `folder` follows this Common at this path, or nothing yet; it does then."""
    for about, value, words in (("common", common, "another Common"), ("path", path, "another path of it")):
        noted = base.about(about)
        if noted is None:
            base.note(about, value)
        elif noted != value:
            raise UserError(f"{folder} follows {words} ({noted})", remedy="name another folder")
    base.commit()
