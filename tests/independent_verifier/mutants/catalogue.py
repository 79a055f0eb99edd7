"""All mutants, and those that no vector can notice, each with the reason.

Where the verifier is written anew, what a mutant replaces is gone: it then says that it does not apply,
and is written again.
"""

from __future__ import annotations

from tests.independent_verifier.mutants.in_bundles import BUNDLES
from tests.independent_verifier.mutants.in_choice import CHOICE
from tests.independent_verifier.mutants.in_encoding import BYTES
from tests.independent_verifier.mutants.in_proofs import PROOFS
from tests.independent_verifier.mutants.in_records import RECORDS
from tests.independent_verifier.mutants.in_verifier import RULES
from tests.independent_verifier.mutants.plant import Mutant

MUTANTS: list[Mutant] = [*BYTES, *RECORDS, *RULES, *CHOICE, *PROOFS, *BUNDLES]

EQUIVALENT: list[Mutant] = [
    Mutant(
        "verifier",
        "(node.epoch, node.signer, node.installed) != (self.epoch, self.signer, self.installed)",
        "(node.epoch, node.installed) != (self.epoch, self.installed)",
        "epochs grow with every succession, so on one line an epoch has one signer",
    ),
    Mutant(
        "verifier",
        '_demand(self.status(self.snapshot.key) == "admitted", "V8")',
        "pass",
        "step 10 cannot be reached: who is appointed is admitted then, cannot be expelled (P6), and a "
        "revocation appoints somebody else (V8)",
    ),
    Mutant(
        "verifier",
        'revoked = {key for key in self.members if self.status(key) == "revoked"}',
        "revoked = self.parent.revoked()",
        "only a takeover revokes, and its settlement is judged without whom it revokes (`gone`)",
    ),
    Mutant(
        "proofs",
        "    many(ARTIFACT, 2048),\n",
        "    many(ARTIFACT, 2049),\n",
        "no canonical array has more than 2,048 items (A4 as well)",
    ),
    Mutant(
        "proofs",
        "path=path_of), 2048)",
        "path=path_of), 2049)",
        "no canonical array has more than 2,048 items (A4 as well)",
    ),
    Mutant(
        "proofs",
        'fields = snapshot.fields\n            _demand(fields["common_id"] == self.common.id, "V1")\n',
        "fields = snapshot.fields\n",
        "the judgement of a snapshot asks the same; only which of two mistakes is named first depends on it",
    ),
    Mutant(
        "proofs",
        'if fields["settlement"] is not None and action["name_of_action"] not in TAKEOVERS:',
        'if fields["settlement"] is not None:',
        "of a takeover the settlement was judged before, without whom it revokes, so it holds with them",
    ),
    Mutant(
        "choice",
        "tips = [node for node in nodes if node.id not in parents]",
        "tips = nodes",
        "what is below a tip gives a shorter line of the same epoch, or one of a lower",
    ),
    Mutant(
        "encoding",
        "    *range(0xD800, 0xE000),\n",
        "",
        "a surrogate is not well-formed UTF-8, so no text that was decoded has one",
    ),
]
