"""Stories of one rule: a time line drawn as text is told to a real partition, and what it says is drawn beside it.

    story(
        {"detractor": {"days": 30}},
        '''
        survey   .9...3......
        alert    .....F......
        ''',
        survey={"9": {"kind": "nps", "score": 9}, "3": {"kind": "nps", "score": 3}},
    )

A lane is a type of event, `account/type` for another account than acme, and every character is one step (a day
unless said otherwise): a dot for nothing, any other one an event in the middle of the step, with the fields that the
legend of its type gives it. Lanes of answers are checked: `alert` (or the name of a rule) shows F where the rule
fires, C where it tells again, R where it resolves, * where it does both in one step, + where one item resolves and
the next fires; `band` shows i, r, a, g or e as
of the end of the step. Blanks and bars in a lane only help the eye.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from alerts.model import Alert, Phase, Reason, decode_alert
from scoring.layout import BANDS, ENDED
from scoring.model import Model
from scoring.times import DAY, HOUR
from streams.context import make_context
from streams.pipeline import Partition
from streams.replay import SOURCE_OF
from tests.property.feeds import START, event, record, settle

KNOB = {"goals": {"weight": {"low_touch": 1, "high_touch": 1, "tech_touch": 1},
                  "signals": {"goal_progress": {"weight": 1, "curve": [[0, 0], [100_000, 100_000]]}}}}  # fmt: skip
"""Dimensions of which a milestone `goal_progress` sets the score to its value."""
ANSWERS = {Phase.FIRING: "F", Phase.RESOLVED: "R"}
Legend = Mapping[str, Mapping[str, Any]]
Events = Sequence[Mapping[str, Any]]


def small_model(rules: Mapping[str, Any], **changes: Any) -> Model:
    """The rules of a story on a model whose score is what the story says; no holds, nobody is too young."""
    return Model.model_validate(
        {"name": "story", "minimum_coverage": 0, "lifecycle": {"onboarding_days": 0}, "dimensions": KNOB}
        | {"rules": rules}
        | changes
    )


def lanes(drawing: str) -> dict[str, str]:
    """Lane to its steps."""
    lines = [line.split(maxsplit=1) for line in textwrap.dedent(drawing).strip().splitlines() if line.strip()]
    drawn = {name: steps.replace(" ", "").replace("|", "") for name, steps in lines}
    assert len(drawn) == len(lines), "a lane is drawn twice"
    assert len({len(steps) for steps in drawn.values()}) == 1, {k: len(v) for k, v in drawn.items()}
    return drawn


def story(
    rules: Mapping[str, Any], drawing: str, /, *, model: Model | None = None, step: int = DAY, tick: int = 6 * HOUR,
    start: int = START, at: int | None = None, **legends: Legend,
) -> list[Alert]:  # fmt: skip
    """Tell a drawing, check every lane of answers in it, and return all alerts of acme in the order they were told.

    `at` is where in its step an event lies (default: the middle); a legend is named after a lane's type, or after
    the lane with `_` for the slash.
    """
    drawn = lanes(drawing)
    answers = {n: drawn.pop(n) for n in list(drawn) if n in {"alert", "band"} or n in _rule_names(rules)}
    steps = len(next(iter((drawn | answers).values())))
    partition = Partition(0, make_context(model or small_model(rules), tick_ms=tick, grace_ms=0))
    hand_over(partition, _drawn_events(drawn, legends, start, step, step // 2 if at is None else at))
    bands = ""
    for n in range(1, steps + 1):
        settle(partition, start + n * step)  # every tick before the end of the step
        bands += _band(partition)
    alerts = [decode_alert(value) for key, value in partition.drain_alerts() if key == b"acme"]
    for name, expected in answers.items():
        told = bands if name == "band" else _lane(alerts, name, start, step, steps)
        assert told == expected, f"\n{name}\n  drawn {expected}\n  told  {told}"
    return alerts


def _rule_names(rules: Mapping[str, Any]) -> set[str]:
    return set(rules) | {f"silence_{source}" for source in ("usage", "engagement")}


def _drawn_events(
    drawn: Mapping[str, str], legends: Mapping[str, Legend], start: int, step: int, at: int
) -> Events:
    events = []
    for lane, steps in drawn.items():
        who, _, type_ = lane.rpartition("/")
        legend = legends.get(lane.replace("/", "_"), legends.get(type_, {"x": {}}))
        for n, char in enumerate(steps):
            if char != ".":
                events.append(event(type_, start + n * step + at, who or "acme", **legend[char]))
    return events


def hand_over(partition: Partition, events: Events) -> None:
    """Feed events in the order of their times, each on the topic it is produced to."""
    told: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for e in sorted(events, key=lambda e: e["ts"]):
        told[SOURCE_OF[e["type"]]].append(e)
    for source, some in told.items():
        partition.feed(source, [record(offset, e) for offset, e in enumerate(some)])


def _lane(alerts: list[Alert], rule: str, start: int, step: int, steps: int) -> str:
    cells = [""] * steps
    for alert in alerts:
        if rule in {"alert", alert.rule}:
            told = "C" if alert.reason is Reason.CHANGED else ANSWERS[alert.phase]
            cells[(alert.at - start) // step] += told
    return "".join({"": ".", "FR": "*", "RF": "+"}.get(cell, cell) for cell in cells)


def _band(partition: Partition) -> str:
    row = partition.store.index.get(b"acme")
    hot = partition.store.hot[row] if row is not None else None
    if hot is None:
        return "i"
    return "e" if hot["flags"] & ENDED else BANDS[hot["band"]][0]


def said(alerts: list[Alert]) -> list[str]:
    """The evidence of the first alert that fires, in words."""
    return [item.text for item in next(a for a in alerts if a.phase is Phase.FIRING).evidence]
