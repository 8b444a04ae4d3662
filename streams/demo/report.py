"""What the demo says at the end: the fleet, who is at risk, which alert told which story, and one story in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.text import Text

from alerts.model import Kind, Phase
from alerts.render import Notification
from scoring.record import ScoreRecord
from scoring.times import DAY, iso, parse
from streams.cli.output import printable
from streams.demo import words
from streams.demo.judge import OutageTold, Told
from streams.demo.live import BAND_COLOURS, URGENCY_STYLES
from streams.demo.run import Outcome

AT_RISK: Final = 8
CHAPTER_DAYS: Final = 14
_TELLING: Final = 0.3
"""Points: what moved the score less is not told."""
_EVIDENCE: Final = "evidence came or went"
_DIM: Final = "grey58"


def summary(outcome: Outcome) -> Iterator[Text]:
    """All of it, line by line."""
    yield from _fleet(outcome)
    yield Text()
    yield Text("at risk by MRR (red and amber), a month:", style="bold")
    for record in outcome.picture.at_risk(AT_RISK):
        yield _risk_line(record, words.spark(outcome.picture.spark(record.account_id)))
    yield Text()
    yield Text("planted stories:", style="bold")
    for told in outcome.told:
        yield from _story_lines(told)
    if outcome.outage is not None:
        yield from _outage_lines(outcome.outage)
    yield Text()
    yield from story_in_full(outcome)
    yield from _figures(outcome)


def _fleet(outcome: Outcome) -> Iterator[Text]:
    bands = outcome.picture.bands
    line = Text.assemble((f"{bands.total()} accounts: ", "bold"))
    shown = [code for code in words.BANDS if bands[code]]
    for number, code in enumerate(shown):
        line.append(", " if number else "").append(f"{bands[code]} {words.band(code)}", BAND_COLOURS[code])
    yield line


def _risk_line(record: ScoreRecord, spark: str) -> Text:
    colour = BAND_COLOURS[record.band]
    currency = printable(record.attributes.get("currency") or "")
    return Text.assemble(
        f"  {words.at_risk(record):>7} {currency}  {words.name(record):22} ",
        (f"{words.score(record)} {record.band:6}", colour), f" {spark}  ", (words.weakest(record), _DIM),
    )  # fmt: skip


def _story_lines(told: Told) -> Iterator[Text]:
    yield Text.assemble(f"  {told.story.account_name:22} ", told.story.title)
    for alert in told.alerts:
        unexpected = "" if told.story.rules else "UNEXPECTED "
        urgency = words.urgency(alert)
        yield Text.assemble(
            f"    {unexpected}{alert.at[:10]} ", (f"{urgency:11} ", URGENCY_STYLES[urgency]),
            words.what(alert).removeprefix(told.story.account_name).strip(), (f"  {words.why(alert)}", _DIM),
        )  # fmt: skip
    if told.missing:
        yield Text(f"    NOT TOLD: {', '.join(told.missing)}", style="bold red1")
    elif not told.alerts:
        yield Text("    nothing fired, as it should be", style="green3")


def _outage_lines(told: OutageTold) -> Iterator[Text]:
    yield Text.assemble(f"  {'the whole fleet':22} ", told.outage.title)
    if told.seen is not None:
        since, until = (iso(at)[:16].replace("T", " ") for at in (told.seen.since, told.seen.until))
        yield Text(f"    silent since {since}, seen stale until {until}")
    if told.blamed:
        yield Text(f"    UNEXPECTED: held against {', '.join(told.blamed)}", style="bold red1")
    else:
        yield Text("    no account was told to be silent because of it, as it should be", style="green3")


def story_in_full(outcome: Outcome) -> Iterator[Text]:
    """One account from its drivers: fortnight by fortnight, what moved its score, and what fired."""
    told = next((told for told in outcome.told if told.alerts), None)
    if told is None:
        return
    records = outcome.picture.records(told.account_id)
    alerts = [
        a
        for a in outcome.alerts
        if a.account_id == told.account_id and a.phase is Phase.FIRING and not a.revision
    ]
    yield Text(f"the story of {told.story.account_name} ({told.account_id}), two weeks a line:", style="bold")
    end = parse(records[-1].as_of)
    begin = end - (end - outcome.fleet.start) // (CHAPTER_DAYS * DAY) * CHAPTER_DAYS * DAY
    for since in range(begin, end, CHAPTER_DAYS * DAY):
        chapter = [r for r in records if since < parse(r.as_of) <= since + CHAPTER_DAYS * DAY]
        if chapter and chapter[-1].score is not None:
            fired = [a for a in alerts if since < parse(a.at) <= since + CHAPTER_DAYS * DAY]
            yield _chapter(chapter, fired)
    yield Text()


def _chapter(chapter: Sequence[ScoreRecord], fired: Sequence[Notification]) -> Text:
    last = chapter[-1]
    moved: Counter[str] = Counter()
    for record in chapter:
        for driver in record.drivers:
            evidence = driver.cause in {"reweighted", "evidence_missing", "evidence_returned"}
            moved[_EVIDENCE if evidence else words.dimension(driver.dimension)] += driver.points
    seen = {words.dimension(d.dimension): d.what[0] for r in chapter for d in r.drivers if d.what}
    parts = sorted(moved.items(), key=lambda part: -abs(part[1]))[:3]
    told = [f"{n} {p / 1000:+.1f}{_cause(n, seen)}" for n, p in parts if abs(p) >= _TELLING * 1000]
    line = Text.assemble(
        f"  {last.as_of[:10]}  ", (f"{words.score(last)} {words.band(last.band):8}", BAND_COLOURS[last.band]),
        f" {sum(moved.values()) / 1000:+6.1f}  ", (", ".join(told) or "steady", _DIM),
    )  # fmt: skip
    for alert in fired:
        line.append(f"  {alert.rule.replace('_', ' ')}", URGENCY_STYLES[words.urgency(alert)])
    return line


def _cause(dimension: str, seen: Mapping[str, str]) -> str:
    """The newest event behind it, unless it only says that there was usage."""
    what = seen.get(dimension, "usage")
    return "" if what == "usage" else f" ({printable(what)})"


def _figures(outcome: Outcome) -> Iterator[Text]:
    firing = [a for a in outcome.alerts if a.phase is Phase.FIRING and not a.revision]
    risks = sum(a.kind is Kind.RISK for a in firing)
    how = (
        "delivered by the notifier" if outcome.delivered else "read from the topic (no Redis, so no notifier)"
    )
    over = sum(a.phase is Phase.RESOLVED for a in outcome.alerts)
    yield Text(f"{risks} risks and {len(firing) - risks} opportunities fired, {over} are over; {how}")
    rate = outcome.events / outcome.feed_s
    took = f"{outcome.feed_s:.1f} s ({rate:,.0f} a second), {outcome.total_s:.1f} s in all"
    yield Text(f"{outcome.events:,} events in {took}")
