"""What is shown while a run goes on: a live view of the machines, or a bar (rich is loaded only then)."""

from __future__ import annotations

from contextlib import AbstractContextManager

from simulations.play import Play
from simulations.scenario import Scenario
from simulations.story import shown_time

WATCHED_MAX = 40


class Watch(AbstractContextManager["Watch"]):
    """A table of the machines in the terminal, on standard error, while a run goes on."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), auto_refresh=False)
        self._live.start()

    def __call__(self, play: Play) -> None:
        from rich.table import Table

        table = Table(title=f"{play.scenario.name}, seed {play.seed}, {shown_time(play.world.now_ms)}")
        for column in ("machine", "is", "head", "role", "links", "sent"):
            table.add_column(column)
        witness = play.witness()
        for name, node in list(play.world.nodes.items())[:WATCHED_MAX]:
            head = play.head_of(name)
            state = "gone" if name in play.gone else "on" if node.on else "asleep" if node.core else "off"
            height = "" if head is None else f"@{head.height} {head.id.hex()[:6]}"
            role = "witness" if name == witness else ""
            table.add_row(name, state, height, role, str(len(node.links)), str(node.sent))
        table.caption = "\n".join(text for _, text in play.story.lines[-4:])
        self._live.update(table, refresh=True)

    def __exit__(self, *_: object) -> None:
        self._live.stop()


class Bar(AbstractContextManager["Bar"]):
    """How much of a long run's time is over, on standard error."""

    def __init__(self, scenario: Scenario) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(scenario.name, total=scenario.lasts_ms + scenario.heals_ms)
        self._progress.start()

    def __call__(self, play: Play) -> None:
        self._progress.update(self._task, completed=play.world.now_ms)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
