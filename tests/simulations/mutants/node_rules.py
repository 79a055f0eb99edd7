"""Mistakes in what a node follows, promises and passes on (F, S, G), and in persist-then-send."""

from __future__ import annotations

from tests.simulations.mutants.plant import Edit, Mutant

RULES = "aslp2p.ledger.stances"
CHOICE = "aslp2p.ledger.choice"
HISTORY = "aslp2p.ledger.history"
FINALITY = "aslp2p.ledger.finality"
PROMISES = "aslp2p.core.promises"
CHAIN = "aslp2p.core.chain"
SUCCESSION = "aslp2p.core.auto_succession"
BEACONS = "aslp2p.core.beacons"
COSIGNER = "aslp2p.core.cosigner"
WITNESS = "aslp2p.core.witness"
RECOVERY = "aslp2p.recovery"

MUTANTS = (
    # --- persist, then send ----------------------------------------
    Mutant(
        "no-journal",
        "S1",
        "promises are not written to the signing journal",
        (Edit(f"{PROMISES}:Promises._journal", "self._context.store.apply(", "id("),),
    ),
    Mutant(
        "lazy-journal",
        "S1",
        "a promise may leave before it is on disk",
        (
            Edit(f"{PROMISES}:Promises._journal", "self._context.must_last()", "pass"),
            Edit(f"{CHAIN}:Chain._moved", "context.must_last()", "pass"),
        ),
    ),
    Mutant(
        "sends-first",
        "persist, then send",
        "nothing is ever durable when its effects are carried out",
        (
            Edit("aslp2p.core.node:NodeCore.step", "durable=isinstance(input_, Command)", "durable=False"),
            Edit("aslp2p.core.context:Context.must_last", "self.out.durable = True", "pass"),
        ),
    ),
    Mutant(
        "forgets-proposals",
        "persist, then send",
        "a person's proposal is acknowledged and not stored",
        (Edit("aslp2p.core.pending:Pending.add", "self._context.store.apply(", "id("),),
    ),
    # --- F ----------------------------------------
    Mutant(
        "final-by-half",
        "F1",
        "one cosignature less than a quorum makes final",
        (
            Edit(
                f"{FINALITY}:_has_quorum",
                "return satisfies_all(",
                "return (lambda policies, keys: len(keys) + 1 >= policies[-1].threshold)(",
            ),
        ),
    ),
    Mutant(
        "final-from-below",
        "F1",
        "a cosignature makes final what stands on what it names",
        (Edit(f"{FINALITY}:_has_quorum", " if at >= height))", "))"),),
    ),
    Mutant(
        "leaves-final",
        "F1",
        "the higher epoch wins before finality",
        (
            Edit(
                f"{CHOICE}:choose",
                "if line.height >= final.final_height and "
                "id_at(line.branch, final.final_height) == final.final_id",
                "",
            ),
        ),
    ),
    Mutant(
        "lower-epoch",
        "F2",
        "the lower epoch wins",
        (Edit(f"{CHOICE}:choose", "epoch = max(", "epoch = min("),),
    ),
    Mutant(
        "longest-wins",
        "F2",
        "the longer branch wins, whatever its epoch",
        (
            Edit(
                f"{CHOICE}:choose",
                "epoch = max(line.epoch for line in holding)",
                "epoch = max(holding, key=lambda line: line.height).epoch",
            ),
        ),
    ),
    Mutant(
        "first-come",
        "F3",
        "of two histories of one witness the one that came first is followed",
        (
            Edit(
                f"{CHOICE}:_better", 'return one if (left or b"") <= (right or b"") else other', "return one"
            ),
        ),
    ),
    Mutant(
        "no-evidence",
        "F3",
        "two histories of one witness are not noticed",
        (
            Edit(
                f"{HISTORY}:Ledger._note_equivocation",
                "if self._cut(parent.branch, parent.height, reign) is not None:",
                "if True:",
            ),
        ),
    ),
    Mutant(
        "superseded-lost",
        "F4",
        "what only superseded snapshots listed is forgotten",
        (
            Edit(
                f"{CHAIN}:Chain._supersede",
                "self._reopen(self._listed(old.branch, change.fork_height, old.height, ()))",
                "0",
            ),
        ),
    ),
    Mutant(
        "aside-lost",
        "F4",
        "what a snapshot beside our line lists is not pending",
        (
            Edit(f"{CHAIN}:Chain._reopen_aside", "self._reopen(one.proposals)", "pass"),
            Edit(
                f"{CHAIN}:Chain._supersede",
                "self._reopen(self._listed(old.branch, change.fork_height, old.height, ()))",
                "0",
            ),
        ),
    ),
    # --- S ----------------------------------------
    Mutant(
        "endorses-twice",
        "S1",
        "two successions of one epoch are endorsed",
        (
            Edit(
                f"{RULES}:classify_endorsement",
                "action.epoch <= endorsed_epoch",
                "action.epoch < endorsed_epoch",
            ),
        ),
    ),
    Mutant(
        "endorses-downwards",
        "S1",
        "a succession of a lower epoch is endorsed",
        (Edit(f"{RULES}:classify_endorsement", "if action.epoch <= endorsed_epoch(ledger):", "if False:"),),
    ),
    Mutant(
        "deposes-at-once",
        "S2",
        "a daemon endorses a recovery without waiting for silence",
        (
            Edit(
                f"{SUCCESSION}:AutoSuccession._endorse_by_itself",
                "not self._was_silent(self._roles.now.grace_ms)",
                "False",
            ),
        ),
    ),
    Mutant(
        "deaf-to-beacons",
        "S2",
        "a beacon does not end the silence",
        (Edit(f"{RECOVERY}:Silence.heard_beacon", "self._silent = 0", "pass"),),
    ),
    Mutant(
        "clock-deposes",
        "S2",
        "a gap counts for all that the wall clock says",
        (Edit(f"{RECOVERY}:gap_counts_ms", "min(gap, GAP_MS_MAX, grace // 10)", "gap"),),
    ),
    Mutant(
        "endorses-behind",
        "S3",
        "a base that leaves out what was cosigned is endorsed",
        (Edit(f"{RULES}:may_stand_on", "return cosigned.id in action.abandons", "return True"),),
    ),
    Mutant(
        "cosigns-below",
        "S4",
        "a lower epoch is cosigned after a succession was endorsed",
        (Edit(f"{RULES}:classify_cosignature", "if row.epoch < endorsed_epoch(ledger):", "if False:"),),
    ),
    Mutant(
        "cosigns-aside",
        "S5",
        "what leaves out the last cosigned snapshot is cosigned",
        (Edit(f"{RULES}:classify_cosignature", "passes(reader, before, row):", "True:"),),
    ),
    Mutant(
        "passes-by-anything",
        "S5",
        "a succession of a lower epoch passes what was cosigned",
        (Edit(f"{RULES}:passes", "change.epoch > old.epoch and ", ""),),
    ),
    Mutant(
        "never-proposes",
        "S7",
        "no authority proposes itself",
        (Edit(f"{SUCCESSION}:AutoSuccession._propose_recovery", "if after is None or", "if True or"),),
    ),
    Mutant(
        "never-again",
        "S7",
        "an attempt that came to nothing is not made again",
        (
            Edit(
                f"{SUCCESSION}:AutoSuccession._propose_recovery",
                "if again is None or context.now.mono < again:",
                "if True:",
            ),
        ),
    ),
    Mutant(
        "crowded-out",
        "S7",
        "old attempts keep out the new ones of their author",
        (Edit("aslp2p.core.certificates:Certificates.room_for", " or min(ranks) < _rank(action)", ""),),
    ),
    Mutant(
        "goes-on",
        "S10",
        "a witness emits on beside a complete certificate of a higher epoch",
        (
            Edit(
                f"{WITNESS}:Witness.idle_reason",
                "if ready is None and self._certificates.is_superseded():",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "trusts-its-journal",
        "S11",
        "a key goes on though others know more than its journal",
        (
            Edit(
                f"{PROMISES}:Promises.hear_own",
                "if self.stale_reason() is None and not self._holds(kind, subject, id_):",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "stale-signs",
        "S11",
        "a key that is known to be stale goes on signing",
        (
            Edit(f"{RULES}:stance_of", "if reader.meta(META_STALE) is not None:", "if False:"),
            Edit(f"{PROMISES}:Promises._require_journal", "if self.stale_reason() is not None:", "if False:"),
            Edit(
                f"{PROMISES}:Promises.stale_reason",
                "return self._context.outdated() if raw is None else raw.decode()",
                "return None",
            ),
        ),
    ),
    Mutant(
        "never-renews",
        "S12",
        "a witness that is well does not renew itself above an attempt",
        (
            Edit(
                f"{SUCCESSION}:AutoSuccession._renew",
                "if at is None or self._context.now.mono < at:",
                "if True:",
            ),
            Edit(
                f"{SUCCESSION}:AutoSuccession._renewal_at", "if not self._witness.is_witness or", "if True or"
            ),
        ),
    ),
    Mutant(
        "never-cosigns",
        "section 7",
        "an authority cosigns nothing",
        (Edit(f"{COSIGNER}:Cosigner._would_cosign", "if not self._context.founded or", "if True or"),),
    ),
    Mutant(
        "forgets-its-counter",
        "section 8",
        "a witness's beacons count from zero after a restart",
        (
            Edit(
                f"{BEACONS}:Beacons.__init__",
                'int.from_bytes(reserved, "big") if reserved else 0',
                "0",
            ),
        ),
    ),
    Mutant(
        "beacons-stay",
        "section 8",
        "beacons are not relayed",
        (Edit(f"{BEACONS}:Beacons.take", "self._spreader.add(verified, source=source)", "pass"),),
    ),
    # --- G ----------------------------------------
    Mutant(
        "no-comparing",
        "G3",
        "what is open is not compared",
        (Edit("aslp2p.core.reconciler:Reconciler._compare", "if buckets:", "if False:"),),
    ),
    Mutant(
        "no-relaying",
        "G3",
        "proposals are not passed on",
        (
            Edit(
                "aslp2p.core.intake:Intake._take_proposals",
                "self._spreader.add(one, content=content, source=link)",
                "pass",
            ),
            Edit("aslp2p.core.reconciler:Reconciler._compare", "if buckets:", "if False:"),
        ),
    ),
    Mutant(
        "no-catching-up",
        "G4",
        "what was missed is not fetched",
        (Edit("aslp2p.core.catchup:Catchup._may_be_better", "peer.height > 0 and", "False and"),),
    ),
    Mutant(
        "no-audit",
        "G4",
        "what came in a range is never audited",
        (
            Edit(
                "aslp2p.artifacts.envelope:Verifier.sift",
                "bad = set(self.failing(signed))",
                "bad: set[bytes] = set()",
            ),
        ),
    ),
    Mutant(
        "honest-blamed",
        "G5",
        "a peer that sends one thing too many is blamed at once",
        (Edit("aslp2p.gossip.peer:Peer.useless", "self._useless < 0", "self._useless < USELESS_TOKENS_MAX"),),
    ),
    Mutant(
        "lists-unseen",
        "G6",
        "a witness lists a put whose content it does not hold",
        (
            Edit(
                f"{WITNESS}:Witness._choose",
                "(lacks := self._contents.missing_of(action)) is not None",
                "(lacks := None)",
            ),
        ),
    ),
    Mutant(
        "content-forgotten",
        "G6",
        "missing content is not asked for",
        (
            Edit(
                "aslp2p.core.contents:Contents._enqueue",
                "for id_, manifest in new:",
                "for id_, manifest in []:",
            ),
        ),
    ),
)
