"""The toy job in Quix Streams: a stateful update, RocksDB with its changelog topic, a checkpoint each second.

`python quix_job.py BOOTSTRAP TOPIC,TOPIC PARTITIONS TOTAL DIRECTORY`, in an environment with quixstreams and msgspec.
A streaming dataframe reads one topic, so it reads the one with five sixths of the events.
"""

from __future__ import annotations

import sys
from typing import Any

import toy
from quixstreams import Application


def run(bootstrap: str, topic: str, total: int, directory: str) -> None:
    """Runs until the meter ends the process."""
    meter = toy.Meter(total)
    seen: dict[str, tuple[int, int]] = {}
    app = Application(
        broker_address=bootstrap, consumer_group="bench-quix", auto_offset_reset="earliest", commit_interval=1.0,
        state_dir=directory, use_changelog_topics=True, loglevel="WARNING", producer_extra_config={"compression.type": "lz4"},
    )  # fmt: skip

    def update(event: dict[str, Any], state: Any) -> None:  # noqa: ANN401 - its State
        account = toy.add(state.get("account"), toy.hour(event["ts"]), event.get("quantity", 0))
        state.set("account", account)
        seen[event["account_id"]] = (account["events"], account["units"])
        if meter.count():
            meter.report(len(seen), sum(n for n, _ in seen.values()), sum(u for _, u in seen.values()))

    stream = app.dataframe(app.topic(topic, value_deserializer="json", key_deserializer="str"))
    stream.update(update, stateful=True)
    app.run()


if __name__ == "__main__":
    address, names, _, count, folder = sys.argv[1:6]
    run(address, names.split(",")[0], int(count), folder)
