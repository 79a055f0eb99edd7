"""F5 and what follows from it, dropped at each place apart; where one is left out, the others still hold."""

from __future__ import annotations

from tests.simulations.mutants.plant import Edit, Mutant

OUTLOOK = "aslp2p.ledger.outlook"
HISTORY = "aslp2p.ledger.history"
ABANDONMENT = "aslp2p.ledger.abandonment"
PROMISED = "aslp2p.ledger.stances"
CERTIFICATES = "aslp2p.core.certificates"
GENESIS = "__import__('aslp2p.ledger.floor').ledger.floor.GENESIS_FLOOR"

MUTANTS = (
    # --- F5 ---------------------------------------
    Mutant(
        "floor-unwritten",
        "F5",
        "a floor that moves is not written",
        (Edit(f"{HISTORY}:Ledger._set_floor", "self._write([put_floor(floor)])", "pass"),),
    ),
    Mutant(
        "two-floors-at-once",
        "F5",
        "the floor moves to the newest change below the final, whatever lies between",
        (
            Edit(
                f"{OUTLOOK}:next_floor",
                "change = first_change(reader, tips[0].branch, floor.height, tips[0].height)",
                "change = first_change(reader, tips[0].branch, floor.height, tips[0].height)\n"
                "    while change is not None and (\n"
                "        above := first_change(reader, tips[0].branch, change.height, tips[0].height)\n"
                "    ):\n"
                "        change = above",
            ),
        ),
    ),
    Mutant(
        "retired-endorsed",
        "F5",
        "an authority endorses on a base that leaves out the floor",
        (Edit(f"{PROMISED}:classify_endorsement", "not ledger.on_floor(base.id)", "False"),),
    ),
    Mutant(
        "retired-cosigned",
        "F5",
        "an authority cosigns what leaves out the floor",
        (Edit(f"{PROMISED}:classify_cosignature", "if not ledger.on_floor(row.id):", "if False:"),),
    ),
    Mutant(
        "retired-emitted-on",
        "F5",
        "a witness signs on what leaves out the floor",
        (Edit(f"{PROMISED}:classify_emission", "if not ledger.on_floor(parent.id):", "if False:"),),
    ),
    Mutant(
        "retired-evidence-stays",
        "F3",
        "evidence that leaves out the floor is kept when the floor moves",
        (
            Edit(
                f"{HISTORY}:Ledger._note_again",
                " if self.on_floor(one.one) and self.on_floor(one.other)]",
                "]",
            ),
        ),
    ),
    Mutant(
        "retired-raise-epochs",
        "F5b",
        "what was endorsed on bases that leave out the floor is kept, and counts for epochs (S1, S12)",
        (
            Edit(
                f"{CERTIFICATES}:Certificates.is_below_floor",
                "return not context.ledger.on_floor(action.base_id)",
                "return False",
            ),
            Edit(
                f"{CERTIFICATES}:Certificates.endorsed_epochs",
                "or not self._context.ledger.on_floor(action.base_id):",
                "or False:",
            ),
            Edit(
                f"{CERTIFICATES}:Certificates.reached_epochs",
                "and self._context.ledger.on_floor(action.base_id):",
                "and True:",
            ),
        ),
    ),
    Mutant(
        "retired-fill-places",
        "A4",
        "lines that leave out the floor have as many places as any",
        (
            Edit(
                f"{HISTORY}:Ledger._require_place",
                "full = len(beside) >= BRANCHES_BELOW_MAX",
                "full = False",
            ),
        ),
    ),
    Mutant(
        "lines-of-any-length",
        "A4",
        "a line that leaves out the floor is kept however long it is",
        (
            Edit(
                f"{HISTORY}:Ledger._require_short",
                "snapshot.statement.height - fork > BELOW_SNAPSHOTS_MAX or ",
                "",
            ),
        ),
    ),
    Mutant(
        "lines-of-any-number-of-proposals",
        "A4",
        "a line that leaves out the floor is kept however much it lists",
        (Edit(f"{HISTORY}:Ledger._require_short", " or proposals > BELOW_PROPOSALS_MAX", ""),),
    ),
    # --- F5a --------------------------------------
    Mutant(
        "own-part-forgotten",
        "F5a",
        "the floor moves to a change in which this key took no part, though it took part in another",
        (
            Edit(
                f"{OUTLOOK}:next_floor",
                "return change if not mine or change in mine else None",
                "return change",
            ),
        ),
    ),
    Mutant(
        "own-part-decides-nothing",
        "F5a",
        "of finals that exclude each other none is chosen by what this key cosigned",
        (
            Edit(
                f"{OUTLOOK}:next_floor",
                "tips = [tip for tip in tips if any(_contains(reader, tip, change) for change in mine)]",
                "return None",
            ),
        ),
    ),
    # --- F5b --------------------------------------
    Mutant(
        "old-endorsements-forbid",
        "F5b",
        "an endorsement that leaves out the floor forbids others (S1)",
        (
            Edit(
                f"{PROMISED}:classify_endorsement",
                "if action.epoch <= endorsed_epoch(ledger):",
                f"if (last := ledger.journal.last_endorsed({GENESIS})) and action.epoch <= last.epoch:",
            ),
        ),
    ),
    Mutant(
        "old-endorsements-stop",
        "F5b",
        "after an endorsement that leaves out the floor nothing below is cosigned (S4)",
        (
            Edit(
                f"{PROMISED}:classify_cosignature",
                "if row.epoch < endorsed_epoch(ledger):",
                f"if (last := ledger.journal.last_endorsed({GENESIS})) and row.epoch < last.epoch:",
            ),
        ),
    ),
    Mutant(
        "old-cosignatures-hold",
        "F5b",
        "a cosignature that leaves out the floor has to be contained in a base (S3)",
        (
            Edit(
                f"{PROMISED}:may_stand_on",
                "last = last_cosigned(ledger)",
                f"last = ledger.journal.last_cosigned({GENESIS})",
            ),
        ),
    ),
    Mutant(
        "old-cosignatures-stop",
        "F5b",
        "a cosignature that leaves out the floor has to be contained in the next (S5)",
        (
            Edit(
                f"{PROMISED}:classify_cosignature",
                "last = last_cosigned(ledger)",
                f"last = ledger.journal.last_cosigned({GENESIS})",
            ),
        ),
    ),
    # --- S9 ---------------------------------------
    Mutant(
        "abandons-beside",
        "S9",
        "a certificate that leaves out the floor takes finality",
        (
            Edit(
                f"{ABANDONMENT}:effective",
                " if stands_on(reader, one.branch, one.height, floor)]",
                "]",
            ),
        ),
    ),
    Mutant(
        "abandons-unasked",
        "S9",
        "a certificate takes finality from what its endorsers had no say in",
        (
            Edit(
                f"{ABANDONMENT}:takes_finality",
                "return satisfies_all(policies, _without_revoked(reader, branch, height, one.endorsers))",
                "return True",
            ),
        ),
    ),
    # --- P4 ---------------------------------------
    Mutant(
        "proves-nothing",
        "P4",
        "a takeover never carries the proof that the change below it is final: both policies judge it",
        (
            Edit(
                f"{CERTIFICATES}:Certificates._ready_takeover",
                "in (self._deciding(parent, action), (parent.standing, None)):",
                "in ((parent.standing, None),):",
            ),
        ),
    ),
    Mutant(
        "proof-in-vain",
        "P4",
        "both policies judge a takeover, whatever proof it carries",
        (
            Edit(
                "aslp2p.ledger.gate:certify",
                "parent = replace(parent, standing=settled(parent.standing))",
                "pass",
            ),
        ),
    ),
    # --- S2 ---------------------------------------
    Mutant(
        "fetches-for-ever",
        "S2",
        "a witness that fetches content is waited for without end",
        (
            Edit(
                "aslp2p.core.unanswered:Unanswered.hides_a_silence",
                "fetching = self._fetches() and now - since < FETCHING_GRACES * grace",
                "fetching = self._fetches()",
            ),
        ),
    ),
    Mutant(
        "no-room-for-ever",
        "S2",
        "a witness that says that it has no room is waited for without end",
        (
            Edit(
                "aslp2p.core.silence_monitor:SilenceMonitor.heard_no_room",
                "if now - self.no_room_since_ms < FETCHING_GRACES * self._roles.now.grace_ms:",
                "if True:",
            ),
        ),
    ),
    # --- guests -----------------------------------
    Mutant(
        "guests-are-heard",
        "G3",
        "what whoever is no member tells of its history holds up the others",
        (
            Edit(
                "aslp2p.core.catchup:Catchup.consider", "if not self._context.is_guest(best.key):", "if True:"
            ),
            Edit(
                "aslp2p.core.catchup:Catchup._came_true",
                "if peer is None or not self._context.is_guest(peer.key):",
                "if True:",
            ),
        ),
    ),
)
