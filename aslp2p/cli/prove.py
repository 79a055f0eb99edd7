"""`asl prove` and `asl verify-proof`: show somebody who has none of this that a file is in the Common."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aslp2p.artifacts.sizes import size_text
from aslp2p.cli.complete import complete_file, complete_path
from aslp2p.cli.group import Command
from aslp2p.cli.output import count_text, erased_text, note, say, say_json, when
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_source
from aslp2p.cli.versions import at_option, file_meant, split_version
from aslp2p.errors import ArtifactError, Rejected, UsageError, UserError
from aslp2p.limits import PROOF_BYTES_MAX

if TYPE_CHECKING:
    from aslp2p.ledger.proof import Proven

_READ_BYTES = 1024 * 1024
_STEPS = {
    "genesis": "founded; the witness is {witness}",
    "witness-rotation": "the witness handed over to {witness}",
    "witness-recovery": "{witness} took over after silence",
    "witness-revocation": "a key was revoked; the witness is {witness}",
    "policy-change": "another policy was endorsed",
    "policy-settled": "the new policy stands alone",
}


@click.command("prove", cls=Command)
@click.argument("path", metavar="PATH[@N]", shell_complete=complete_path)
@click.option("-o", "--output", metavar="FILE", required=True, help="Where to write the proof.")
@click.option("--brief", is_flag=True, help="Show no more of the history than who had which office.")
@at_option
@pass_settings
def prove_command(settings: Settings, path: str, output: str, brief: bool, at: int | None) -> None:
    """Make a small file that proves that PATH was put into this Common."""
    from aslp2p.home.files import atomic_write, require_replaceable

    if not split_version(path, at)[0]:
        raise UsageError("a proof is about one file", remedy="name its path")
    require_replaceable(output)
    with open_source(settings) as source:
        wanted, version = file_meant(source, path, at)
        answer = source.ask("prove", path=wanted, at=version, brief=brief)
        common_id = source.ask("show", at=0)["id"]
    atomic_write(Path(output).absolute(), base64.b64decode(answer.pop("proof")), mode=0o644)
    if settings.json:
        say_json({**answer, "common": common_id, "written": output})
        return
    final = "not final yet" if answer["final"] is None else f"final at @{answer['final']}"
    say(f"{output}: {wanted} of @{answer['height']}, {final}; {size_text(answer['size'])}")
    say(f"Anybody checks it with: asl verify-proof {output} --common {common_id}")
    if answer["entry"]["erased"] is not None:
        note(f"It is the proof of bytes that exist no more: {erased_text(answer['entry']['erased'])}")
    if answer["kind"] == "whole":
        note(
            f"It holds the history up to there ({count_text(answer['proposals'], 'proposal')}): every path, "
            "name and author, no contents. --brief leaves that out."
        )


@click.command("verify-proof", cls=Command)
@click.argument("file", metavar="FILE", shell_complete=complete_file)
@click.option("--file", "content", metavar="COPY", help="Check that this file is what was put, too.")
@pass_settings
def verify_proof_command(settings: Settings, file: str, content: str | None) -> None:
    """Check the proof FILE for the Common with the id --common ID (all 64 digits); needs no home."""
    from aslp2p.artifacts.proof_file import decode_proof
    from aslp2p.ledger.proof import check_proof

    common_id = _whole_id(settings.common)
    try:
        proven = check_proof(decode_proof(_read(file)), common_id)
    except (Rejected, ArtifactError) as refused:
        raise UserError(
            f"{file} does not hold: {refused.message}", remedy="believe nothing of it; ask for another"
        ) from None
    same = None if content is None else _content_id(content) == proven.content
    if settings.json:
        say_json({**_json(proven), "common": common_id.hex(), "same_content": same})
    else:
        _say(proven, common_id)
        if same is not None:
            say(f"{content} is {'exactly this content' if same else 'ANOTHER CONTENT'}.")
    if same is False:
        raise click.exceptions.Exit(1)


def _whole_id(text: str) -> bytes:
    from aslp2p.artifacts.keys import parse_id_prefix

    if not text:
        raise UsageError("a proof is checked against a Common's id", remedy="say --common ID")
    first, last = parse_id_prefix(text)
    if first != last:
        raise UsageError(
            "the first digits of an id can be forged", remedy="give --common all 64 digits, as you know them"
        )
    return first


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            data = opened.read(PROOF_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file} ({error.strerror})", remedy="name a proof") from None
    if len(data) > PROOF_BYTES_MAX:
        raise UserError(
            f"{file} does not hold: a proof has at most {PROOF_BYTES_MAX} bytes", remedy="ask for another"
        )
    return data


def _content_id(file: str) -> bytes:
    from aslp2p.artifacts.content import ContentBuilder

    builder = ContentBuilder()
    try:
        with open(file, "rb") as opened:
            while data := opened.read(_READ_BYTES):
                builder.feed(data)
    except OSError as error:
        raise UsageError(f"cannot read {file} ({error.strerror})", remedy="name a file") from None
    return builder.finish().id


def _json(proven: Proven) -> dict[str, Any]:
    import msgspec

    said: dict[str, Any] = msgspec.to_builtins(proven, builtin_types=(bytes,))
    said["content"] = proven.content.hex()
    said["proposal"] = proven.proposal.hex()
    said["snapshot"] = proven.snapshot.hex()
    said["author_key"] = f"ed25519:{proven.author_key.hex()}"
    return said


def _say(proven: Proven, common_id: bytes) -> None:
    say(f"It holds. Common {proven.common} ({common_id.hex()})")
    place = f"@{proven.height}" if proven.height is not None else f"@{proven.top} or below it"
    say(f"  {proven.path}, {size_text(proven.size)}, was put by {proven.author}: {place}")
    say(f"  content   {proven.content.hex()}")
    say(f"  put       {when(proven.created_ms)} by the clock of {proven.author}")
    say(f"  snapshot  @{proven.top} {proven.snapshot.hex()}")
    say(f"            signed by {proven.witness}, {when(proven.emitted_ms)} by its clock")
    if proven.cosigned_by:
        say(f"  final     cosigned by {', '.join(proven.cosigned_by)}")
    else:
        say("  NOT FINAL: on the word of the witness alone; it may yet be superseded")
    for step in proven.trace:
        by = f" (endorsed by {', '.join(step.endorsed_by)})" if step.endorsed_by else ""
        say(f"  @{step.height}  {_STEPS[step.by].format(witness=step.witness)}{by}")
    if not proven.whole:
        say("A brief proof: what its cosigners judged is not judged again here.")
    say("It says nothing of what came later: whether the file is still there.")
