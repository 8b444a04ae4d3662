"""What an event costs when one, two or four workers share the work."""

from __future__ import annotations

from bench.load import Load
from bench.produce import fill
from bench.recount import recount
from bench.seed import write_past
from bench.workers import catch_up, rest, running, stop
from bench.world import PACE, World, load_start

COUNTS = (1, 2, 4)


def workers(world: World) -> None:
    """The same backlog of 100,000 accounts three times, each time with a fresh group on fresh outputs."""
    accounts, events = world.size(100_000, 10_000), world.size(3_000_000, 400_000)
    start = load_start(events / PACE)
    with world.stage("workers", accounts, past_until=start) as at:
        fill(at.settings, Load(events, accounts, start, PACE), at.fleet, at.tally)
        for count in COUNTS:
            settings = world.settings("workers", group=f"workers-{count}")
            if count > 1:
                world.fresh_outputs(settings)
                write_past(settings, at.fleet, at.past, start)
            with running(settings, world.directory, count) as processes:
                window = catch_up(processes, at.tally.events)
                rest(processes)
                stop(processes)
            world.figures.load[f"workers-{count}"] = recount(settings, at.tally)
            name = f"{count} worker{'s' * (count > 1)}, 100 k accounts, uniform: CPU"
            world.figures.add({name: window.us})
