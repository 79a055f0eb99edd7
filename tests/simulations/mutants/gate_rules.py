"""Mistakes in what is judged: artifacts, policies, snapshots, certificates, state (A, P, V)."""

from __future__ import annotations

from tests.simulations.mutants.plant import Edit, Mutant

POLICY = "aslp2p.ledger.policy"
GATE = "aslp2p.ledger.gate"
CERTIFICATE = "aslp2p.ledger.certificate"
ACTIONS = "aslp2p.ledger.actions"
MEMBERS = "aslp2p.ledger.members"
INTAKE = "aslp2p.core.intake"
SUCCESSION = "aslp2p.core.auto_succession"
HEARING = "aslp2p.core.votes"
VERIFY = "context.verifier.verify(signed)"
TRUST = "__import__('aslp2p.artifacts.envelope').artifacts.envelope._vouch(signed)"

MUTANTS = (
    # --- A ----------------------------------------
    Mutant(
        "snapshot-unsigned",
        "A5",
        "a snapshot is taken without looking at its signature",
        (
            Edit(f"{GATE}:judge", "proven = verifier.verify(snapshot)", "proven = snapshot"),
            Edit("aslp2p.core.chain:Chain._problem", "self._context.verifier.verify_all([snapshot])", "pass"),
        ),
    ),
    Mutant(
        "proposal-unsigned",
        "A5",
        "a proposal is taken in anybody's name",
        (
            Edit(
                f"{INTAKE}:Intake._take_proposals",
                "context.verifier.verify_all(taken)",
                "list(map(__import__('aslp2p.artifacts.envelope').artifacts.envelope._vouch, taken))",
            ),
        ),
    ),
    Mutant(
        "cosignature-unsigned",
        "A5",
        "a cosignature counts without its signature",
        (Edit(f"{HEARING}:Votes.take_cosignature", VERIFY, TRUST),),
    ),
    Mutant(
        "endorsement-unsigned",
        "A5",
        "an endorsement counts without its signature",
        (Edit(f"{HEARING}:Votes.take_endorsement", f"verified = {VERIFY}", f"verified = {TRUST}"),),
    ),
    Mutant(
        "certificate-unsigned",
        "A5",
        "the signatures in a certificate are not looked at",
        (Edit(f"{CERTIFICATE}:_embedded", "return verifier.verify_all(signed)", "return signed"),),
    ),
    Mutant(
        "any-common",
        "A1",
        "a proposal of another Common is kept",
        (
            Edit(
                f"{INTAKE}:Intake._take_proposals",
                "if one.statement.common_id != context.common_id:",
                "if False:",
            ),
        ),
    ),
    # --- P ----------------------------------------
    Mutant(
        "half-is-enough",
        "P1",
        "a policy may have two disjoint quorums",
        (Edit(f"{POLICY}:policy_problem", "if 2 * policy.threshold <= n:", "if False:"),),
    ),
    Mutant(
        "quorum-less-one",
        "P1",
        "one signature less than the threshold is a quorum",
        (Edit(f"{POLICY}:satisfies", ">= policy.threshold", ">= policy.threshold - 1"),),
    ),
    Mutant(
        "judged-by-newest",
        "P2",
        "what is final is judged by the newest policies instead of those at it",
        (
            Edit(
                "aslp2p.ledger.finality:final_height",
                "standing_at(reader, branch, candidate)",
                "standing_at(reader, branch, height)",
            ),
        ),
    ),
    Mutant(
        "change-by-the-old",
        "P3",
        "a policy change does not need the new policy's quorum",
        (
            Edit(
                "aslp2p.core.certificates:Certificates.quorum",
                "policies = (*policies, action.policy)",
                "pass",
            ),
            Edit(
                f"{CERTIFICATE}:_require_change",
                "(*standing.policies, action.policy), counted",
                "standing.policies, counted",
            ),
        ),
    ),
    Mutant(
        "change-on-change",
        "P3",
        "a policy change may ride while another is unsettled",
        (
            Edit(f"{CERTIFICATE}:require_applicable", "if standing.joint:", "if False:"),
            Edit("aslp2p.core.certificates:Certificates.is_relevant", "not standing.joint and", ""),
        ),
    ),
    Mutant(
        "either-quorum",
        "P4",
        "while a change is joint, a quorum of one of the two policies is enough",
        (Edit(f"{POLICY}:satisfies_all", "return all(", "return any("),),
    ),
    Mutant(
        "no-joint-phase",
        "P4",
        "a new policy stands alone at once",
        (
            Edit(
                f"{GATE}:next_standing",
                "(*installed, Installed(special.id, action.policy)), statement.height",
                "(Installed(special.id, action.policy),), 0",
            ),
        ),
    ),
    Mutant(
        "settles-unasked",
        "P4",
        "a change is settled by whatever cosignatures there are",
        (
            Edit(
                "aslp2p.ledger.finality:settling",
                "if not satisfies_all(standing.policies, usable.keys()):",
                "if False:",
            ),
            Edit(
                f"{CERTIFICATE}:require_settlement",
                "standing.policies, frozenset(one.key for one in cosignatures)",
                "(), frozenset(one.key for one in cosignatures)",
            ),
        ),
    ),
    Mutant(
        "settles-from-below",
        "P4",
        "cosignatures from below the change settle it",
        (
            Edit("aslp2p.ledger.finality:settling", "height >= standing.change_height and ", ""),
            Edit(
                f"{CERTIFICATE}:require_settlement",
                "not standing.change_height <= at.height <= parent.height or ",
                "",
            ),
        ),
    ),
    Mutant(
        "never-settles",
        "P4",
        "the witness does not settle a change",
        (Edit("aslp2p.ledger.history:Ledger.deciding", "if not standing.joint:", "if True:"),),
    ),
    Mutant(
        "counted-twice",
        "P5",
        "signatures are counted, not keys",
        (
            Edit(
                "aslp2p.core.certificates:Certificates.quorum",
                "return satisfies_all(policies, keys)",
                "return 2 * len(keys) >= max(policy.threshold for policy in policies)",
            ),
            Edit(
                f"{CERTIFICATE}:_require_quorum",
                "if not satisfies_all(policies, keys):",
                "if 2 * len(keys) < max(policy.threshold for policy in policies):",
            ),
        ),
    ),
    Mutant(
        "anybody-expels",
        "P6",
        "any member may expel another",
        (
            Edit(
                f"{MEMBERS}:apply_expel",
                "if proposal.key != action.key and proposal.key not in authorities:",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "anybody-admits",
        "P6",
        "any member may admit where only authorities may",
        (
            Edit(
                f"{MEMBERS}:_require_allowed",
                "if only_authorities and rests_on not in standing.authorities():",
                "if False:",
            ),
        ),
    ),
    Mutant(
        "expelled-stays",
        "P6",
        "whoever was expelled goes on proposing",
        (
            Edit(
                f"{MEMBERS}:apply_expel",
                "member.name, EXPELLED, proposal.id",
                "member.name, ADMITTED, proposal.id",
            ),
        ),
    ),
    # --- V ----------------------------------------
    Mutant(
        "skips-heights",
        "V2",
        "a snapshot may skip heights",
        (Edit(f"{GATE}:_require_place", " or statement.height != parent.height + 1", ""),),
    ),
    Mutant(
        "any-signer",
        "V3",
        "any member may sign the next snapshot",
        (
            Edit(
                f"{GATE}:require_appointed",
                "(snapshot.statement.epoch, snapshot.key) != appointed",
                "snapshot.statement.epoch != appointed[0]",
            ),
            Edit("aslp2p.core.chain:Chain._problem", "(statement.epoch, snapshot.key) != appointed", "False"),
        ),
    ),
    Mutant(
        "any-epoch",
        "V3",
        "the witness may raise the epoch alone",
        (
            Edit(
                f"{GATE}:require_appointed",
                "(snapshot.statement.epoch, snapshot.key) != appointed",
                "snapshot.key != appointed[1]",
            ),
            Edit("aslp2p.core.chain:Chain._problem", "(statement.epoch, snapshot.key) != appointed", "False"),
        ),
    ),
    Mutant(
        "unwilling-successor",
        "V4",
        "a witness is appointed that has not agreed",
        (
            Edit("aslp2p.core.certificates:Certificates.quorum", "action.new_witness not in keys", "False"),
            Edit(f"{CERTIFICATE}:require_certificate", "if not incoming <= keys:", "if False:"),
        ),
    ),
    Mutant(
        "takeover-anywhere",
        "V5",
        "a takeover rides on the head, whatever its base is",
        (
            Edit(
                "aslp2p.core.certificates:Certificates._ready_takeover",
                "parent = context.ledger.tip_at(row.branch, row.height)",
                "parent = context.ledger.head",
            ),
            Edit(
                f"{CERTIFICATE}:_require_takeover",
                "(action.base_height, action.base_id) != (parent.height, parent.id)",
                "False",
            ),
        ),
    ),
    Mutant(
        "certificate-of-nobody",
        "V6",
        "a certificate needs no quorum",
        (Edit(f"{CERTIFICATE}:_require_quorum", "if not satisfies_all(policies, keys):", "if False:"),),
    ),
    Mutant(
        "epoch-again",
        "V6",
        "a succession may be in the epoch that it ends",
        (
            Edit(
                f"{CERTIFICATE}:require_applicable",
                "if not standing.next_epoch < action.epoch",
                "if not standing.next_epoch <= action.epoch",
            ),
            Edit(
                "aslp2p.core.certificates:Certificates.is_relevant",
                "if not standing.next_epoch < action.epoch",
                "if not standing.next_epoch <= action.epoch",
            ),
            Edit(f"{SUCCESSION}:AutoSuccession.next_epoch", "highest + 1", "highest"),
        ),
    ),
    Mutant(
        "listed-again",
        "V7",
        "what is listed may be listed again",
        (
            Edit(
                f"{ACTIONS}:apply_action", "if draft.get(proposal_key(proposal.id)) is not None:", "if False:"
            ),
        ),
    ),
    Mutant(
        "any-root",
        "V7",
        "the log's root is not compared",
        (Edit(f"{GATE}:_outcome", " or statement.log_root != frontier.root()", ""),),
    ),
    Mutant(
        "any-size",
        "V7",
        "the log's size is not compared",
        (Edit(f"{GATE}:_outcome", "statement.log_size != frontier.size or ", ""),),
    ),
    Mutant(
        "inside-a-file",
        "V7",
        "a file may be inside a file",
        (Edit(f"{ACTIONS}:_require_room", "while folder and not draft.children(folder):", "while False:"),),
    ),
    Mutant(
        "over-a-folder",
        "V7",
        "a file may take a folder's place",
        (Edit(f"{ACTIONS}:_require_room", "if draft.children(path):", "if False:"),),
    ),
    Mutant(
        "expects-nothing",
        "V7",
        "what its author expected is not compared",
        (Edit(f"{ACTIONS}:_require_expected", "if there != expects:", "if False:"),),
    ),
    Mutant(
        "paper-without",
        "V7",
        "a succession may be listed without a certificate",
        (
            Edit(
                f"{GATE}:_listed", "if isinstance(proposal.statement.action, AUTHORITY_ACTIONS):", "if False:"
            ),
            Edit(f"{ACTIONS}:apply_action", "        case _:", "        case _ if False:"),
        ),
    ),
    Mutant(
        "revoked-counts",
        "V8",
        "a revoked key counts on",
        (
            Edit(
                "aslp2p.core.certificates:Certificates.signers",
                "return frozenset(self.endorsements(proposal.id)) - gone",
                "return frozenset(self.endorsements(proposal.id))",
            ),
            Edit(
                f"{CERTIFICATE}:require_certificate",
                "gone = revoked_keys(parent.members)",
                "gone = frozenset[bytes]()",
            ),
        ),
    ),
    Mutant(
        "revoked-admitted",
        "V8",
        "a revocation leaves its key what it was",
        (
            Edit(
                f"{GATE}:apply_certified",
                "Member(gone.name, REVOKED,",
                "Member(gone.name, ADMITTED,",
            ),
        ),
    ),
    Mutant(
        "blames-the-incomplete",
        "V9",
        "whoever sends a snapshot whose parent or proposals are not here yet is blamed",
        (
            Edit(
                "aslp2p.core.chain:Chain.offer",
                "self._wait(snapshot, source, incomplete)",
                "self._refuse(snapshot, source, incomplete)",
            ),
        ),
    ),
)
