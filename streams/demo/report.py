"""What the demo prints, in plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from alerts.model import Phase
from alerts.render import Notification
from scoring.record import ScoreRecord
from streams.demo.run import Outcome

BANDS = ("green", "amber", "red", "insufficient_data", "ended")
AT_RISK = 8


def alert_lines(told: Notification) -> Iterator[str]:
    """An alert as it fires: when, what, and its reasons."""
    yield f"{told.at[:16].replace('T', ' ')}  {told.title}"
    if told.phase == Phase.FIRING:
        for item in told.evidence:
            yield f"{'':18}- {item.text}" + (f" [{', '.join(item.events[:3])}]" if item.events else "")


def summary_lines(outcome: Outcome) -> Iterator[str]:
    """Scores by band, who is at risk and why, which alert told which story, how fast it was."""
    scores = list(outcome.scores.values())
    bands = Counter(record.band for record in scores)
    yield f"{len(scores)} accounts: " + ", ".join(f"{bands[band]} {band}" for band in BANDS if bands[band])
    yield ""
    yield "at risk by MRR (red and amber):"
    worst = [record for record in scores if record.band in ("red", "amber")]
    worst.sort(key=lambda record: -(record.mrr_at_risk or 0))
    yield from (_risk_line(record) for record in worst[:AT_RISK])
    yield ""
    yield "planted stories:"
    for told in outcome.told:
        if told.alert is None:
            verdict = "nothing fired, as it should be" if told.as_expected else "NOT TOLD"
        else:
            verdict = f"{told.alert.rule} on {told.alert.at[:10]}" + (
                "" if told.as_expected else ": UNEXPECTED"
            )
        yield f"  {told.story.account_name:24} {told.story.title}: {verdict}"
    yield ""
    how = (
        "delivered by the notifier" if outcome.delivered else "read from the topic (no Redis, so no notifier)"
    )
    yield f"{len(outcome.alerts)} alert messages, {how}"
    rate = outcome.events / outcome.feed_s
    took = f"{outcome.feed_s:.1f} s ({rate:,.0f} a second), {outcome.total_s:.1f} s in all"
    yield f"{outcome.events:,} events in {took}"


def _risk_line(record: ScoreRecord) -> str:
    name = str(record.attributes.get("name") or record.account_id)
    currency = record.attributes.get("currency") or ""
    amount = "MRR unknown" if record.mrr_at_risk is None else f"{record.mrr_at_risk / 100:>9,.0f} {currency}"
    lost = {n: d.weight * (100 - d.score) for n, d in record.dimensions.items()}
    weak = sorted(lost, key=lambda n: -lost[n])[:2]
    reasons = ", ".join(f"{n.replace('_', ' ')} {record.dimensions[n].score:.0f}" for n in weak)
    score = "  - " if record.score is None else f"{record.score:4.1f}"
    return f"  {amount}  {name:24} {score} {record.band:6} {reasons}"
