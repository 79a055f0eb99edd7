"""Mistakes that only years show: retired keys, epochs and places that are used up (F5, S1, S9, S12)."""

from __future__ import annotations

from tests.simulations.mutants.plant import Edit, Mutant

OUTLOOK = "aslp2p.ledger.outlook"
HISTORY = "aslp2p.ledger.history"
ABANDONMENT = "aslp2p.ledger.abandonment"
PROMISED = "aslp2p.ledger.stances"
CERTIFICATES = "aslp2p.core.certificates"
SUCCESSION = "aslp2p.core.auto_succession"
MEMBERS = "aslp2p.ledger.members"
STANDING_AT = "__import__('aslp2p.ledger.facts').ledger.facts.standing_at"
GENESIS = "__import__('aslp2p.ledger.floor').ledger.floor.GENESIS_FLOOR"

MUTANTS = (
    # --- F5 ---------------------------------------
    Mutant(
        "no-floor",
        "F5",
        "the floor never moves from the genesis",
        (Edit(f"{OUTLOOK}:look", "if change is None:", "if True:"),),
    ),
    Mutant(
        "retired-count",
        "F5",
        "lines that leave out the floor are adopted, and make final and contradict",
        (Edit(f"{OUTLOOK}:look", " if stands_on(reader, row.branch, row.tip_height, floor)]", "]"),),
    ),
    Mutant(
        "floor-waits-for-settlement",
        "F5",
        "the floor moves only to a change that has settled",
        (
            Edit(
                f"{OUTLOOK}:next_floor",
                "if change is None:",
                f"if change is None or {STANDING_AT}(reader, tips[0].branch, tips[0].height).joint:",
            ),
        ),
    ),
    Mutant(
        "floor-forgotten",
        "F5",
        "the floor is not read from the disk after a restart",
        (
            Edit(
                f"{HISTORY}:Ledger.__init__",
                "read_floor(store) or Floor(0, genesis.id)",
                "Floor(0, genesis.id)",
            ),
        ),
    ),
    Mutant(
        "given-in-vain",
        "F5",
        "a joiner does not wait for the floor that it was given",
        (Edit(f"{HISTORY}:Ledger.__init__", "self._given = read_given_floor(store)", "self._given = None"),),
    ),
    Mutant(
        "retired-accuse",
        "F3",
        "what leaves out the floor is evidence",
        (
            Edit(
                f"{HISTORY}:Ledger._note_equivocation",
                "if not stands_on(self._store, parent.branch, parent.height, self.floor):",
                "stands_on = lambda *_: True\n        if False:",
            ),
        ),
    ),
    Mutant(
        "retired-paper",
        "S10",
        "successions on bases that leave out the floor are open, and stop a witness",
        (
            Edit(
                f"{CERTIFICATES}:Certificates.is_below_floor",
                "return not context.ledger.on_floor(action.base_id)",
                "return False",
            ),
        ),
    ),
    Mutant(
        "retired-endorse",
        "F5",
        "an authority endorses on a base that leaves out the floor, and cosigns there",
        (
            Edit(f"{PROMISED}:classify_endorsement", "not ledger.on_floor(base.id)", "False"),
            Edit(f"{PROMISED}:classify_cosignature", "if not ledger.on_floor(row.id):", "if False:"),
        ),
    ),
    # --- F5b --------------------------------------
    Mutant(
        "old-endorsements-bind",
        "F5b",
        "an endorsement that leaves out the floor binds (S1, S4)",
        (Edit(f"{PROMISED}:endorsed_epoch", "last_endorsed(ledger.floor)", f"last_endorsed({GENESIS})"),),
    ),
    Mutant(
        "old-cosignatures-bind",
        "F5b",
        "a cosignature that leaves out the floor binds (S3, S5)",
        (Edit(f"{PROMISED}:last_cosigned", "last_cosigned(ledger.floor)", f"last_cosigned({GENESIS})"),),
    ),
    # --- S9 ---------------------------------------
    Mutant(
        "anybody-abandons",
        "S9",
        "a certificate takes finality from what its endorsers had no say in, wherever it stands",
        (
            Edit(
                f"{ABANDONMENT}:takes_finality",
                "return satisfies_all(policies, _without_revoked(reader, branch, height, one.endorsers))",
                "return True",
            ),
            Edit(
                f"{ABANDONMENT}:effective",
                " if stands_on(reader, one.branch, one.height, floor)]",
                "]",
            ),
        ),
    ),
    # --- epochs -----------------------------------
    Mutant(
        "epochs-without-end",
        "V6",
        "a certificate may be of any epoch",
        (
            Edit(
                "aslp2p.ledger.certificate:require_applicable",
                "if not standing.next_epoch < action.epoch <= EPOCH_MAX:",
                "if not standing.next_epoch < action.epoch:",
            ),
        ),
    ),
    Mutant(
        "any-epoch-endorsed",
        "S1",
        "an authority endorses any epoch, however far ahead",
        (Edit(f"{PROMISED}:classify_endorsement", "if action.epoch > ceiling:", "if False:"),),
    ),
    Mutant(
        "left-behind",
        "S1",
        "the ceiling takes no notice of what the others have reached",
        (Edit("aslp2p.ledger.epochs:ceiling", "max(appointed, own, others)", "max(appointed, own)"),),
    ),
    Mutant(
        "joint-ceiling-by-either",
        "S1",
        "while two policies are in force the authorities of either lift everybody's ceiling",
        (
            Edit(
                "aslp2p.ledger.epochs:ceiling",
                "others = min(reached_by_others(",
                "others = max(reached_by_others(",
            ),
        ),
    ),
    Mutant(
        "renews-without-end",
        "S12",
        "a witness renews itself whenever it sees an attempt above its epoch",
        (
            Edit(
                f"{SUCCESSION}:AutoSuccession._renewal_at",
                "return max(due, self._renews_again_ms, self._promises.pace.proposes_at())",
                "return self._context.now.mono",
            ),
        ),
    ),
    Mutant(
        "signs-without-end",
        "S14",
        "a daemon endorses one author as often as asked",
        (
            Edit(
                "aslp2p.core.pace:Pace.may_endorse",
                "if len(own) < PROMISES_PER_AUTHOR_MAX:",
                "if True:",
            ),
        ),
    ),
    Mutant(
        "deaf-to-idleness",
        "S2",
        "signs of life end a silence, however long what was proposed has waited",
        (
            Edit(
                "aslp2p.core.silence_monitor:SilenceMonitor._is_alive",
                "return not self.counts or not self._unanswered.hides_a_silence()",
                "return True",
            ),
        ),
    ),
    # --- places -----------------------------------
    Mutant(
        "any-number-of-guests",
        "A4",
        "a member that is no authority lets in as many as it likes",
        (
            Edit(
                f"{MEMBERS}:_require_place",
                "if not on_authority and number(draft.get(let_in_key(rests_on))) >= ADMITS_PER_MEMBER_MAX:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "members-fill-all",
        "A4",
        "admits that rest on any member go on as far as those that rest on an authority",
        (
            Edit(
                f"{MEMBERS}:_require_place",
                "places = PLACES_OF_AUTHORITIES if on_authority else PLACES_OF_MEMBERS",
                "places = PLACES_OF_AUTHORITIES",
            ),
        ),
    ),
    Mutant(
        "authorities-fill-all",
        "A4",
        "admits that rest on an authority leave no place for policy changes",
        (
            Edit(
                f"{MEMBERS}:_require_place",
                "places = PLACES_OF_AUTHORITIES if on_authority else PLACES_OF_MEMBERS",
                "places = 2048 if on_authority else PLACES_OF_MEMBERS",
            ),
        ),
    ),
    Mutant(
        "used-again",
        "V7",
        "an invite lets in more keys than it says",
        (
            Edit(
                f"{MEMBERS}:_require_live",
                "if number(draft.get(invite_uses_key(invite.id))) >= invite.statement.uses:",
                "if False:",
            ),
        ),
    ),
)
