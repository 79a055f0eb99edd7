"""Mistakes in what is final and what is followed (sections 5 and 7), and the vector that notices each."""

from __future__ import annotations

from tests.independent_verifier.mutants.plant import Mutant

CHOICE = [
    Mutant(
        "choice",
        "if named and found.key in node.authorities() - node.revoked():",
        "if named and found.key in node.authorities():",
        "branches: a revoked key counts below its revocation",
    ),
    Mutant(
        "choice",
        "if named and found.key in node.authorities() - node.revoked():",
        "if found.key in node.authorities() - node.revoked():",
        "branches: cosignatures that do not count",
    ),
    Mutant(
        "choice",
        "if node in named.line() and",
        "if node is named and",
        "branches: a descendant's cosignature counts",
    ),
    Mutant(
        "choice",
        "return all(policy.satisfied(signers) for policy in node.installed)",
        "return node.installed[0].satisfied(signers)",
        "branches: a joint phase by one policy",
    ),
    Mutant(
        "choice",
        "(other.signer, other.epoch, other.height) == (node.signer, node.epoch, node.height)",
        "(other.epoch, other.height) == (node.epoch, node.height)",
        "branches: one epoch of two witnesses",
    ),
    Mutant(
        "choice",
        "(other.signer, other.epoch, other.height) == (node.signer, node.epoch, node.height)",
        "(other.signer, other.epoch, other.parent) == (node.signer, node.epoch, node.parent)",
        "branches: histories that parted before the witness came",
    ),
    Mutant(
        "choice",
        "if (one.epoch, one.signer) == (tip.epoch, tip.signer)]",
        "if True]",
        "branches: an authority leaves for a higher epoch",
    ),
    Mutant(
        "choice",
        "return line[max(cut, final, here) if cut < tip.height else cut]",
        "return line[max(cut, here) if cut < tip.height else cut]",
        "branches: an authority leaves for what is final",
    ),
    Mutant(
        "choice",
        "return line[max(cut, final, here) if cut < tip.height else cut]",
        "return line[max(cut, final) if cut < tip.height else cut]",
        "branches: an authority stays where it is",
    ),
    Mutant(
        "choice",
        "return line[max(cut, final, here) if cut < tip.height else cut]",
        "return tip",
        "branches: two histories of one witness: the smaller id",
    ),
    Mutant(
        "choice",
        "return self.own is not None and self.own in self.head.authorities()",
        "return self.own is not None",
        "branches: a member does not stay",
    ),
    Mutant(
        "choice",
        "return self.own is not None and self.own in self.head.authorities()",
        "return False",
        "branches: an authority stays where it is",
    ),
    Mutant(
        "choice",
        "lines = [(tip.epoch, self.adopted(tip)) for tip in tips if best in tip.line()]",
        "lines = [(tip.epoch, self.adopted(tip)) for tip in tips]",
        "branches: what is final wins before epochs",
    ),
    Mutant(
        "choice",
        "lines = [(tip.epoch, self.adopted(tip)) for",
        "lines = [(tip.appoints[0], self.adopted(tip)) for",
        "branches: the epoch of the tip, not of whom it appoints",
    ),
    Mutant(
        "choice",
        "tops = [top for epoch, top in lines if epoch == highest]",
        "tops = [top for epoch, top in lines]",
        "branches: a joint phase by one policy",
    ),
    Mutant(
        "choice",
        "smallest = min(line[at].id for line in higher)",
        "smallest = max(line[at].id for line in higher)",
        "branches: two histories of one witness: the smaller id",
    ),
    Mutant(
        "choice",
        "            for node in self.common.accepted.values()\n            if node not in line and self.head not in node.line()",
        "            for node in self.common.accepted.values()\n            if node not in line",
        "branches: two histories of one witness: the smaller id",
    ),
    Mutant(
        "choice",
        "            if one.id not in self.head.log\n            and",
        "            if",
        "branches: what is final wins before epochs",
    ),
    Mutant(
        "choice",
        '            and one.fields["action"]["name_of_action"] not in PAPER\n',
        "",
        "branches: what is final wins before epochs",
    ),
    Mutant(
        "choice",
        '            and self.head.status(one.key) == "admitted"\n',
        "",
        "branches: pending only of members",
    ),
    Mutant(
        "choice",
        'for raw in fields["settlement"] or ():',
        "for raw in ():",
        "branches: a settlement proves finality",
    ),
    Mutant(
        "choice",
        "line = {node.id for node in named.line()}",
        "line = {named.id}",
        "branches: what stands on what is given up",
    ),
    Mutant(
        "choice",
        "            and all(policy.satisfied(self.endorsers[one.id] - at.revoked()) for policy in at.installed)\n",
        "",
        "branches: retired keys abandon the change",
    ),
    Mutant(
        "choice",
        "not self.given_up(named, node)",
        "not self.given_up(node, node)",
        "branches: what is given up is final no more",
    ),
    Mutant(
        "choice",
        "return self.floor in node.line()",
        "return True",
        "branches: retired keys make a second final",
    ),
    Mutant(
        "choice",
        "return change if change is not None and (not part or change in part) else None",
        "return change",
        "branches: who cosigned another change",
    ),
    Mutant(
        "choice",
        "            tops = [top for top in tops if any(change in top.line() for change in part)]\n",
        "            tops = []\n",
        "branches: finals exclude each other, and one is ours",
    ),
    Mutant(
        "choice",
        "change = self.next_change(tops[0]) if len(tops) == 1 else None",
        "change = self.next_change(tops[0])",
        "branches: two finals",
    ),
    Mutant(
        "choice",
        "for key, node in self.cosigned if key == self.own]",
        "for key, node in self.cosigned]",
        "branches: who cosigned another change",
    ),
    Mutant(
        "choice",
        "            return node == self.floor\n        # What",
        "            return False\n        # What",
        "branches: what is final wins before epochs",
    ),
    Mutant(
        "choice",
        "            and self.on_floor(node)\n            and self.on_floor(other)\n",
        "",
        "branches: the old witness signs beside the floor",
    ),
    Mutant(
        "choice",
        "if self.given in self.common.accepted:",
        "if False:",
        "branches: retired keys make a second final",
    ),
    Mutant(
        "choice",
        "for policy in at.installed)",
        "for policy in at.installed[:1])",
        "branches: the change is final before it is settled",
    ),
]
