"""What `asl help TOPIC` says beside the commands: what several of them share."""

from __future__ import annotations

TOPICS = {
    "versions": (
        "How a version is written.",
        """
        @42 is version 42 of the Common, PATH@42 what was at PATH then; without one, the newest is
        meant. A path that itself ends in @42 is written ./PATH@42.

        `asl log` lists versions, `asl diff @40 @42` compares two, `asl get notes.txt@41` reads an old
        file, and `asl restore notes.txt@41` or `asl put --from notes.txt@41` makes it the newest again.
        `asl pin @42` keeps reading there.
        """,
    ),
    "exit-codes": (
        "What a command ends with.",
        """
        0 it worked; 1 it did not, or not all of it; 2 it was typed wrongly; 3 no daemon is running; 4 a
        person has to decide something (`asl status`, `asl doctor`); 130 it was interrupted.

        `asl health` ends as monitoring wants it: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. What went
        wrong is one line on standard error: what happened; what to type.
        """,
    ),
    "json": (
        "What scripts get.",
        """
        Every command takes --json and answers with one object on standard output, with "schema": 1.
        When it fails the object has "error" with "code", "message", "remedy" and "exit_code". New
        fields come without a word; a field that changes its meaning raises the schema. `asl events
        --json` prints one object a line.
        """,
    ),
    "environment": (
        "Variables and files.",
        """
        ASL_HOME is the home, as --home. ASL_PASSPHRASE opens a sealed key, ASL_BACKUP_PASSPHRASE one
        that was backed up. NO_COLOR keeps progress plain. In the home, config.toml holds what its owner
        decided; `asl self` shows where the home is.
        """,
    ),
    "keys": (
        "What the key is, and how to keep it.",
        """
        Each machine has one key. Who has it is that machine, so it never leaves its home by itself, and
        a key file that others can read is refused. `asl key backup FILE` and `asl key words` keep it,
        `asl key restore` brings it back; what it signed is not in them, so it promises nothing any more
        (S11). To change machines type `asl move out FILE`, which takes that along. A cold authority is
        made with `asl key new --offline`.
        """,
    ),
    "witness": (
        "Who writes, and how that changes.",
        """
        One machine, the witness, numbers and signs the versions; everybody else proposes. The
        authorities of the policy replace it: `asl rotate NAME` hands the office over, `asl recover`
        asks for a new witness when the old one is silent, `asl revoke NAME` ends a stolen key. `asl
        status` says what waits for whom, and what to type.
        """,
    ),
}
"""Each topic's one line, and its text: paragraphs."""


def topic_text(name: str) -> str:
    """The text of a topic, its paragraphs apart."""
    words, text = TOPICS[name]
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return "\n\n".join([words, *paragraphs])
