"""`asl metrics`: this machine's state in Prometheus' text format, for a scraper or a textfile collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import click

from aslp2p import __version__
from aslp2p.cli.group import Command
from aslp2p.cli.settings import Settings, pass_settings
from aslp2p.cli.source import open_source


class Metric(NamedTuple):
    """One gauge: what it means, and its value in each Common (or in none, for the machine)."""

    name: str
    help: str
    values: list[tuple[dict[str, str], float]]


@click.command("metrics", cls=Command)
@pass_settings
def metrics_command(settings: Settings) -> None:
    """This machine's state in Prometheus' text format (version 0.0.4).

    `asl_up` is 0 where no daemon runs; the rest is then what its stores say. For the node exporter let a
    timer write it to a file beside, and move that into place.
    """
    with open_source(settings) as source:
        answer = source.status()
    metrics = list(gauges(answer))
    if settings.json:
        from aslp2p.cli.output import say_json

        say_json({"metrics": [_json(one) for one in metrics]})
    else:
        click.echo("".join(map(exposition, metrics)), nl=False)


def gauges(answer: Mapping[str, Any]) -> Iterator[Metric]:
    """The metrics of what `status` answers."""
    daemon, commons = answer["daemon"], answer["commons"]
    yield Metric("asl_up", "Whether the daemon runs.", [({}, float(daemon is not None))])
    yield Metric("asl_build_info", "Which version this is.", [({"version": __version__}, 1.0)])
    if daemon is not None:
        yield Metric(
            "asl_start_time_seconds", "When the daemon started.", [({}, daemon["started_ms"] / 1000)]
        )
        yield Metric("asl_notices_unseen", "Notices that nobody has seen.", [({}, float(daemon["unseen"]))])
    asked = Counter(one["id"] for one in answer["conditions"] if one["asks"])
    rows = [({"common": one["name"], "id": one["id"][:16]}, _values(one, asked)) for one in commons]
    for name, words in _GAUGES.items():
        values = [(labels, found[name]) for labels, found in rows if name in found]
        if values:
            yield Metric(f"asl_{name}", words, values)


_GAUGES = {
    "readable": "Whether the store of the Common can be read.",
    "height": "Version of the newest snapshot.",
    "final_height": "Version up to which the history is final.",
    "audited_height": "Version up to which every signature was verified.",
    "snapshot_time_seconds": "When the newest snapshot was made, by its witness's clock.",
    "members": "Machines that are in.",
    "links": "Machines that are linked now.",
    "pending_proposals": "Proposals that wait for the witness.",
    "refused_proposals": "Proposals of this machine that were refused.",
    "attention": "What a person has to decide.",
    "is_witness": "Whether this machine is the witness.",
    "is_authority": "Whether this machine is an authority.",
    "witness_silence_seconds": "How long the witness has been silent, where that is counted.",
    "grace_period_seconds": "After how long a silent witness may be replaced.",
    "behind": "Snapshots still to be fetched.",
    "fetching": "Pieces of content still to be fetched.",
    "read_only": "Whether nothing can be written.",
    "stopped": "Whether the node was stopped and signs nothing.",
    "conflict": "Whether two final histories exclude each other.",
    "key_marked": "Whether this machine's key promises nothing any more.",
}


def _values(common: Mapping[str, Any], asked: Mapping[str, int]) -> dict[str, float]:
    found = {"readable": float(not common.get("fault")), "attention": float(asked.get(common["id"], 0))}
    if common["height"] is None:
        return found
    live: Mapping[str, Any] = common.get("live") or {}
    roles = common["roles"]
    found |= {
        "height": float(common["height"]),
        "final_height": float(common["final"]),
        "audited_height": float(common["audited"]),
        "snapshot_time_seconds": common["created_ms"] / 1000,
        "members": float(common["members"]),
        "pending_proposals": float(common["pending"]),
        "refused_proposals": float(common["rejected"]),
        "is_witness": float("witness" in roles),
        "is_authority": float("authority" in roles),
        "grace_period_seconds": common["grace_period_ms"] / 1000,
        "key_marked": float(bool(common["stale"])),
    }
    if live:
        target = (live.get("catch_up") or {}).get("target", common["height"])
        found |= {
            "links": float(len(live["links"])),
            "behind": float(max(0, target - common["height"])),
            "fetching": float(sum((live.get("fetching") or {}).values())),
            "read_only": float(bool(live["read_only"])),
            "stopped": float(bool(live["stopped"])),
            "conflict": float(bool(live["conflict"])),
        }
        if silence := live.get("silence"):
            found["witness_silence_seconds"] = silence["silent_ms"] / 1000
    return found


def exposition(metric: Metric) -> str:
    """One metric in the text format, with a newline at its end."""
    lines = [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
    for labels, value in metric.values:
        shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        number = str(int(value)) if value == int(value) else repr(value)
        lines.append(f"{metric.name}{f'{{{shown}}}' if shown else ''} {number}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _json(metric: Metric) -> dict[str, Any]:
    values = [{"labels": labels, "value": value} for labels, value in metric.values]
    return {"name": metric.name, "help": metric.help, "values": values}
