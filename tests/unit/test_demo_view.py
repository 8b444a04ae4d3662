"""The demo's live view: it fits every terminal, says what the topics say, and takes no orders from names."""

import io
from collections import Counter

import msgspec
import pytest
from rich.console import Console

from alerts.model import Alert, Evidence, Kind, Phase, Reason, Severity
from alerts.render import Notification, notification
from scoring.record import DimensionScore, ScoreRecord
from scoring.times import DAY, HOUR, iso, parse
from streams.demo.chart import area, stacked_bar
from streams.demo.live import Size, frame
from streams.demo.picture import Picture, Stale
from streams.demo.screens import LiveScreen, PlainScreen, screen_for
from streams.demo.watch import scored

START = parse("2026-01-05T00:00:00Z")
DEAD = 36 * HOUR
encode = msgspec.json.Encoder().encode


def record(account: str, at: int, band: str, score: float | None, **more: object) -> bytes:
    """A score record as the worker publishes it."""
    fields = {
        "model": "m", "version": 1, "coverage": 1.0, "tier": "low_touch", "mrr_at_risk": 100_000,
        "attributes": {"name": f"Name of {account}"}, "last_seen": {"usage": iso(at)},
        "dimensions": {"product_usage": DimensionScore(20.0, 30, 6.0, {}), "support": DimensionScore(90.0, 12, 9.0, {})},
    }  # fmt: skip
    return encode(ScoreRecord(account, iso(at), score, band, **(fields | more)))  # type: ignore[arg-type]


def alert(
    account: str, at: int, *, severity: Severity = Severity.WARNING, name: str = "Somebody"
) -> Notification:
    return notification(
        Alert(
            id=f"{account}-{at}", phase=Phase.FIRING, rule="complaint", kind=Kind.RISK, severity=severity,
            reason=Reason.FACT, account_id=account, term=0, episode="1", at=at, tick=at,
            evidence=[Evidence("ticket T-1 is marked as a complaint", ["7"])], attributes={"name": name},
        )
    )  # fmt: skip


@pytest.fixture
def picture() -> Picture:
    """Half a run: 40 accounts over 60 days, some of them unwell, and alerts."""
    picture = Picture(40, START, START + 90 * DAY, DEAD)
    for day in range(60):
        for number in range(40):
            band, score = (
                ("red", 30.0)
                if number < day // 20
                else ("amber", 60.0)
                if number < day // 8
                else ("green", 85.0)
            )
            picture.take_score(record(f"a{number}", START + day * DAY, band, score))
    for day in range(50):
        picture.take_alert(alert("a1", START + day * DAY))
    return picture


def drawn(picture: Picture, size: Size) -> list[str]:
    console = Console(file=io.StringIO(), width=size.width, height=size.height, force_terminal=False)
    console.print(frame(picture, size))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


SIZES = [Size(80, 24), Size(60, 16), Size(104, 34), Size(130, 30), Size(170, 50), Size(250, 70)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_frame_fits_its_terminal_from_the_first_moment_on(picture: Picture, size: Size) -> None:
    """No line is wider and the whole is not higher than the terminal, with nothing known and with much."""
    for known in (Picture(40, START, START + 90 * DAY, DEAD), picture):
        lines = drawn(known, size)
        assert len(lines) <= size.height
        assert max(map(len, lines)) <= size.width
        for title in ("fleet", "at risk by MRR", "alerts"):
            assert any(title in line for line in lines), title


def test_a_frame_says_what_the_topics_say(picture: Picture) -> None:
    """Counts by band, the worst accounts by MRR with their reasons, the newest alerts first."""
    picture.take_score(record("a7", START + 60 * DAY, "red", 12.3, mrr_at_risk=987_600))
    text = "\n".join(drawn(picture, Size(120, 40)))
    assert "32 green, 5 amber, 3 red" in text
    first = next(line for line in text.splitlines() if "9,876" in line)
    assert "Name of a7" in first
    assert "12.3" in first
    assert "usage 20, support 90" in first
    shown = [line[:5] for line in text.splitlines() if "has an open complaint" in line]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == iso(START + 49 * DAY)[5:10]


def test_a_dead_feed_is_said_while_others_speak(picture: Picture) -> None:
    """A feed that is quiet for longer than the model allows is stale until it speaks again, and the span is kept."""
    last = START + 59 * DAY
    picture.take_score(record("a2", last + 2 * DAY, "amber", 60.0, last_seen={"usage": iso(last)}))
    assert picture.stale() == {"usage": last}
    assert "stale feed: usage for 2.0 days" in "\n".join(drawn(picture, Size(80, 24)))
    picture.take_score(record("a2", last + 3 * DAY, "amber", 60.0, last_seen={"usage": iso(last + 3 * DAY)}))
    assert picture.stale() == {}
    assert picture.outages == [Stale("usage", last, last + 2 * DAY)]
    assert "all feeds alive" in "\n".join(drawn(picture, Size(80, 24)))


def test_a_hostile_name_neither_steers_the_terminal_nor_marks_it_up(picture: Picture) -> None:
    """Control sequences and markup in a name are shown, not obeyed."""
    name = "\x1b[2J[bold red]x[/]\r\n\u202eevil"
    picture.take_score(
        record("a3", START + 60 * DAY, "red", 1.0, mrr_at_risk=10**9, attributes={"name": name})
    )
    picture.take_alert(alert("a3", START + 60 * DAY, name=name))
    text = "\n".join(drawn(picture, Size(170, 40)))
    assert "[bold red]x[/]" in text
    assert not {"\x1b", "\r", "\u202e"} & set(text)


def test_days_that_a_busy_worker_skipped_look_like_the_day_before() -> None:
    """Bands by day and sparklines have no holes when only every third day was published."""
    picture = Picture(1, START, START + 90 * DAY, DEAD)
    for day in (0, 3, 6):
        picture.take_score(record("a0", START + day * DAY, "amber" if day < 6 else "red", 60.0 - day))
    assert picture.days == [Counter(amber=1)] * 6
    assert picture.spark("a0")[-7:] == [6000, 6000, 6000, 5700, 5700, 5700, 5400]
    assert picture.spark("a0")[:-7] == [None] * 23


def test_pace_and_lag_come_from_the_workers_own_counter() -> None:
    """Every fate of every source is part of what the worker did; the rest of what was fed is the lag."""
    page = (
        "# HELP accountpulse_events_total Events.\n# TYPE accountpulse_events_total counter\n"
        'accountpulse_events_total{source="usage",fate="applied"} 40.0\n'
        'accountpulse_events_total{source="tickets",fate="duplicate"} 2.0\n'
        'accountpulse_events_created{source="usage",fate="applied"} 1.7e9\n'
        "# HELP accountpulse_accounts Accounts.\n# TYPE accountpulse_accounts gauge\naccountpulse_accounts 3.0\n"
    )
    picture = Picture(1, START, START + DAY, DEAD)
    picture.take_sent(100)
    picture.take_count(scored(page))
    assert (picture.scored, picture.lag, picture.pace) == (42, 58, 0.0)


def test_charts_keep_their_measures() -> None:
    """A bar is exactly as wide as asked and hides nobody; an area is, too, and stacks what it is given."""
    bar = stacked_bar([(995, "green"), (4, "yellow"), (1, "red"), (0, "blue")], 50)
    assert (len(bar.plain), bar.plain) == (50, "█" * 50)
    assert {span.style for span in bar.spans} == {"green", "yellow", "red"}
    assert len(stacked_bar([(0, "green")], 30).plain) == 30
    top, rows = area([(0, 0), (2, 6), (8, 0), (0, 1)], 8, 8, 3, ("red", "yellow"))
    assert top == 8
    assert [row.plain for row in rows] == [" ██     ", " ██     ", " ▆█▃    "]
    assert area([], 10, 40, 2, ("red", "yellow"))[0] == 4


@pytest.mark.parametrize(
    ("terminal", "width", "dumb", "plain", "expected"),
    [
        (True, 80, False, False, LiveScreen),
        (True, 80, False, True, PlainScreen),
        (True, 80, True, False, PlainScreen),
        (True, 40, False, False, PlainScreen),
        (False, 80, False, False, PlainScreen),
    ],
)
def test_the_live_view_is_for_terminals_that_can_show_it(
    terminal: bool, width: int, dumb: bool, plain: bool, expected: type
) -> None:
    """Plain lines without a terminal, on a dumb or tiny one, and on request."""
    environment = {"TERM": "dumb" if dumb else "xterm-256color"}
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=width, height=24, _environ=environment
    )
    assert isinstance(screen_for(console, plain=plain), expected)
