"""What can be done to machines, networks, clocks, disks and keys: one table, by the words of scenario files.

Each begins on the machines chosen; where it lasts, it gives back how it ends. `play.Stage` decides when. The
deeds of people (`people.py`) and liars (`liars.py`) are in the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from simulations import fillers, forgers, generations, liars, lingering, newcomers, people, pushers, retired
from simulations.network import Weather

if TYPE_CHECKING:
    from simulations.stage import Stage

Undo = Callable[[], None]
Begin = Callable[["Stage", Sequence[str], Mapping[str, str]], Undo | None]
FUSE_POINTS = 60


@dataclass(frozen=True)
class Fault:
    """`words` complete "NAME …" in the report; `options` says what each may be, `!` what must be given."""

    begin: Begin
    words: str
    on: str = "any"
    lasts: bool = False
    silences: bool = False
    """Whether nobody hears from the machine while it lasts."""
    deed: bool = False
    """People do it, as soon as the first of the machines is on."""
    habit: bool = False
    """People go on doing it in the calm."""
    options: Mapping[str, str] = field(default_factory=dict)


# --- machines -------------------------------------------------------------------------------------


def _crash(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> Undo:
    for name in names:
        play.switch_off(name)
    return lambda: play.switch_on(names)


def _quit(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    for name in names:
        play.gone.add(name)
        play.switch_off(name)


def _power(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> Undo:
    """The power fails inside the coming steps: before a commit, after it, or between two effects."""
    for name in names:
        if play.world.nodes[name].on:
            play.world.nodes[name].store.fuse = play.random.randint(1, FUSE_POINTS)
    return lambda: play.switch_on(names)


def _reset(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    """Off for a while, and back with a clock that is wrong, as a machine without a battery for it."""
    for name in names:
        play.switch_off(name)
        play.world.nodes[name].clock.jump(play.world.now_ms, int(options["by"]))
    return lambda: play.switch_on(names)


def _pause(play: Stage, names: Sequence[str], _options: Mapping[str, str], *, suspend: bool = False) -> Undo:
    for name in names:
        play.world.pause(name, suspend=suspend)

    def undo() -> None:
        for name in names:
            play.world.resume(name)

    return undo


def _sleep(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    return _pause(play, names, options, suspend=True)


# --- network --------------------------------------------------------------------------------------


def _ways(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> list[tuple[str, str]]:
    """From the chosen machines to the `to` machines (all others), and back unless it is one-way."""
    inside = set(names)
    others = play.choose(options["to"]) if "to" in options else list(play.world.nodes)
    there = [(one, other) for one in names for other in others if other not in inside]
    if options.get("way") == "out":
        return there
    back = [(other, one) for one, other in there]
    return back if options.get("way") == "in" else there + back


def _cut(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    network, ways = play.world.network, _ways(play, names, options)
    for way in ways:
        network.cut(*way)
    play.world.network_changed()

    def undo() -> None:
        for way in ways:
            network.mend(*way)
        play.world.network_changed()

    return undo


def _clog(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    network, ways = play.world.network, _ways(play, names, options)
    for way in ways:
        network.clog(*way)

    def undo() -> None:
        for way in ways:
            network.unclog(*way)
        play.world.network_changed()

    return undo


def _rain(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    network = play.world.network
    delay = int(options.get("delay", "0"))
    low, high = network.weather.delay_ms
    weather = Weather(
        (low, high + delay),
        float(options.get("loss", "0")),
        float(options.get("duplicate", "0")),
        float(options.get("reorder", "0")),
    )
    for name in names:
        network.rain(name, weather)

    def undo() -> None:
        for name in names:
            network.rain(name, None)

    return undo


def _move(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> None:
    play.world.network.move(names, options["to"])
    play.world.network_changed()


# --- clocks ---------------------------------------------------------------------------------------


def _jump(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    by = int(options["by"])
    for name in names:
        play.world.nodes[name].clock.jump(play.world.now_ms, by)

    def undo() -> None:
        for name in names:
            play.world.nodes[name].clock.jump(play.world.now_ms, -by)

    return undo


def _drift(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    for name in names:
        play.set_drift(name, int(options["ppm"]))

    def undo() -> None:
        for name in names:
            play.set_drift(name, 0)

    return undo


# --- disks ----------------------------------------------------------------------------------------


def _disk_full(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> Undo:
    for name in names:
        play.world.nodes[name].store.full = True
    return lambda: _repair(play, names)


def _disk_error(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> Undo:
    for name in names:
        play.world.nodes[name].store.fails_in = play.random.randint(0, FUSE_POINTS)
    return lambda: _repair(play, names)


def _repair(play: Stage, names: Sequence[str]) -> None:
    for name in names:
        play.world.nodes[name].store.repair()


def _backup(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    for name in names:
        play.world.sync(name)
        play.backups[name] = play.world.nodes[name].store.copy()


def _restore(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """A disk is replaced by its last backup (or an empty one): its key must never sign again (S11)."""
    for name in names:
        play.switch_off(name)
        play.replace_disk(name, play.backups.get(name))
        play.switch_on([name])


def _disk_lost(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """The disk is gone; the key comes back from paper words, without its journal."""
    for name in names:
        play.switch_off(name)
        play.replace_disk(name, None)
        play.switch_on([name])


def _copy(play: Stage, names: Sequence[str], _options: Mapping[str, str]) -> None:
    """A second machine starts from a copy of the disk, with the same key (S11)."""
    for name in names:
        play.copy_machine(name)


def _rain_on_all(play: Stage, names: Sequence[str], options: Mapping[str, str]) -> Undo:
    before = play.world.network.weather
    play.world.network.weather = replace(
        before,
        loss=float(options.get("loss", "0")),
        duplicate=float(options.get("duplicate", "0")),
        reorder=float(options.get("reorder", "0")),
    )

    def undo() -> None:
        play.world.network.weather = before

    return undo


_WAY = {"to": "who", "way": "both|out|in"}
_RAIN = {"loss": "chance", "duplicate": "chance", "reorder": "chance"}

FAULTS: dict[str, Fault] = {
    "crash": Fault(_crash, "loses power", lasts=True, silences=True),
    "quit": Fault(_quit, "is switched off for good", silences=True),
    "power": Fault(_power, "is about to lose power in the middle of something", lasts=True),
    "reset": Fault(
        _reset, "loses power and its clock", lasts=True, silences=True, options={"by": "duration!"}
    ),
    "pause": Fault(_pause, "hangs", lasts=True, silences=True),
    "sleep": Fault(_sleep, "falls asleep", lasts=True, silences=True),
    "cut": Fault(_cut, "is cut off", lasts=True, silences=True, options=_WAY),
    "clog": Fault(_clog, "has a clogged line", lasts=True, options=_WAY),
    "rain": Fault(_rain, "has bad reception", lasts=True, options={**_RAIN, "delay": "duration"}),
    "storm": Fault(_rain_on_all, "and everybody have bad reception", on="first", lasts=True, options=_RAIN),
    "move": Fault(_move, "is taken to another house", options={"to": "text!"}),
    "jump": Fault(_jump, "has its clock set wrong", lasts=True, options={"by": "duration!"}),
    "drift": Fault(_drift, "has a clock that runs wrong", lasts=True, options={"ppm": "whole!"}),
    "disk-full": Fault(_disk_full, "has a full disk", lasts=True),
    "disk-error": Fault(_disk_error, "has a failing disk", lasts=True),
    "backup": Fault(_backup, "is backed up"),
    "restore": Fault(_restore, "is restored from a backup"),
    "disk-lost": Fault(_disk_lost, "loses its disk"),
    "copy": Fault(_copy, "is copied to another machine"),
    "put": Fault(people.put, "gets a new file", deed=True, options={"count": "whole"}),
    "join": Fault(people.join, "invites new machines", deed=True, on="witness", options={"count": "whole!"}),
    "expel": Fault(people.expel, "is expelled", on="any-participant"),
    "rotate": Fault(people.rotate, "hands over", deed=True, on="witness", options={"to": "who"}),
    "recover": Fault(people.recover, "asks for a new witness", deed=True, on="any-authority"),
    "revoke": Fault(people.revoke, "is to be revoked", on="witness", options={"by": "who"}),
    "policy": Fault(
        people.change_policy, "proposes another policy", deed=True, on="any-authority",
        options={"authorities": "whole", "threshold": "whole", "keeps": "whole", "without": "who"},
    ),
    "courier": Fault(people.courier, "carries a stick", deed=True, habit=True, options={"to": "who!"}),
    "generation": Fault(
        generations.generation, "and others want another policy", deed=True, on="any-authority",
        options={"authorities": "whole", "threshold": "whole", "keeps": "whole", "liars": "whole"},
    ),
    "heed": Fault(generations.heed, "and others look at what status asks for", on="first"),
    "collude": Fault(
        retired.collude, "and other retired keys sign another history", on="any-retired",
        options={"how": "|".join((*retired.KINDS, *retired.BY_STICK, "any"))},
    ),
    "newcomer": Fault(
        newcomers.newcomer, "invites somebody whom others may reach first", deed=True, lasts=True,
        on="any-authority", options={"floor": "given|none", "first": "den|anybody"},
    ),
    "push": Fault(
        pushers.push, "pushes epochs", on="any-other", options={"leap": "whole", "count": "whole"}
    ),
    "hide": Fault(
        pushers.hide, "has signed its signs of life in advance, and goes", on="witness", silences=True
    ),
    "fill": Fault(
        fillers.fill, "fills places", on="any-participant",
        options={"what": "keys|invite|names|junk|newcomers|any", "count": "whole"},
    ),
    "linger": Fault(lingering.linger, "lists changes and hears nothing of what others sign", on="witness"),
    "equivocate": Fault(
        liars.equivocate, "signs two histories", on="witness", options={"back": "whole"}
    ),
    "double": Fault(liars.double, "signs whatever it is asked", on="any-authority"),
    "invent": Fault(liars.invent, "invents a history", on="any-participant"),
    "garbage": Fault(liars.garbage, "sends garbage", on="any-participant", options={"count": "whole"}),
    "foreign": Fault(liars.foreign, "sends another Common's artifacts", on="any-participant"),
    "forge": Fault(forgers.forge, "forges what nobody may accept", on="any-participant"),
    "tamper": Fault(forgers.tamper, "spoils signatures", on="any-participant", lasts=True),
    "mute": Fault(liars.mute, "passes nothing on", on="any-participant", lasts=True),
    "sybils": Fault(liars.sybils, "brings machines that pass nothing on", options={"count": "whole!"}),
}  # fmt: skip
