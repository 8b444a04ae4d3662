"""What `accounts` and `explain` print of the view: tables, words, ages, warnings, exit codes."""

import socket
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scoring.times import DAY, HOUR, UNSET, parse
from streams.cli import account_words, accounts, explain_view
from streams.cli.main import app, environment_fault
from streams.view_reader import Freshness, Order, Page, Query

NOW = parse("2026-05-01T12:00:00Z")
AS_OF = "2026-05-01T11:00:00Z"


def record(**fields: object) -> dict[str, Any]:
    dimension = {"score": 20.0, "weight": 40, "contribution": 8.0, "signals": {"usage_trend": 20.0}}
    fine = {"score": 90.0, "weight": 60, "contribution": 54.0, "signals": {"urgent_age": 90.0}}
    common: dict[str, Any] = {
        "account_id": "a-1", "as_of": AS_OF, "score": 39.999, "band": "red", "model": "cafe", "version": 9,
        "coverage": 0.86, "tier": "high_touch", "previous_band": "amber", "since": "2026-04-01T00:00:00Z",
        "velocity_7d": -3.04, "velocity_28d": 1.0, "mrr": 1_234_567, "mrr_at_risk": 740_740,
        "mrr_at_risk_basis": "uncalibrated: mrr * (1 - score / 100)",
        "dimensions": {"product_usage": dimension, "support": fine},
        "attributes": {"name": "Acme", "owner": "ann", "currency": "USD", "renewal_date": "2026-09-30"},
        "last_seen": {"usage": "2026-04-28T11:00:00Z", "ticket": AS_OF},
    }  # fmt: skip
    return common | fields


def fresh(**fields: int | None) -> Freshness:
    known: dict[str, Any] = {"as_of": NOW - HOUR, "written": NOW - 1000, "seen": NOW - 500, "lag": 0}
    return Freshness(**known | {"rebuilding": None} | fields)


def page(*, total: int = 1, currencies: dict[str, int] | None = None, currency: str | None = None) -> Page:
    return Page([b"{}"][:total], total, currency, currencies or {}, fresh())


def test_the_cells_say_what_the_record_says() -> None:
    """Every column of the table, the score cut so that it does not read as the next band."""
    assert accounts.cells(record()) == {
        "account": "a-1", "name": "Acme", "band": "red", "score": "39.9", "7d": "-3.0", "MRR": "12,345.67 USD",
        "MRR at risk": "7,407.40 USD", "tier": "high touch", "owner": "ann", "renewal": "2026-09-30",
        "top driver": "product usage at 20.0 of 100",
    }  # fmt: skip


def test_unknowns_are_empty_and_no_score_is_a_dash() -> None:
    """A record with nothing but what is required makes a row."""
    bare = {
        "account_id": "a-2",
        "as_of": AS_OF,
        "score": None,
        "band": "insufficient_data",
        "tier": "low_touch",
    }
    row = accounts.cells(bare)
    assert row["score"] == "-"
    assert {row[name] for name in ("name", "7d", "MRR", "MRR at risk", "owner", "renewal", "top driver")} == {
        ""
    }


def test_the_table_is_plain_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Aligned lines, one an account, however long; no colour, no frame, no control characters of anybody."""
    hostile = record(account_id="a-\x1b[2J", attributes={"name": "x" * 200})
    accounts.show([record(), hostile])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].split()[:3] == ["account", "name", "band"]
    assert "x" * 200 in lines[2]
    assert "\x1b" not in "".join(lines)
    assert lines[1].index("red") == lines[2].index("red") == lines[0].index("band")


def test_the_top_driver_is_the_last_move_if_it_was_one() -> None:
    """A move of half a point is told with its events, less than that is noise."""
    moved = {
        "dimension": "support",
        "cause": "event",
        "points": -2600,
        "what": ["ticket opened", "ticket opened"],
    }
    assert account_words.top_reason(record(drivers=[moved])) == "support -2.6 (ticket opened)"
    slight = {"dimension": "support", "cause": "clock", "points": -499}
    assert account_words.top_reason(record(drivers=[slight])) == "product usage at 20.0 of 100"
    unknown = {"dimension": "support", "cause": "of_a_later_release", "points": 900}
    assert account_words.top_reason(record(drivers=[unknown])) == "support +0.9 (of a later release)"


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (None, "EUR", ""), (123_456, "EUR", "1,234.56 EUR"), (123_456, "JPY", "123,456 JPY"),
        (1_234_567, "KWD", "1,234.567 KWD"), (5, None, "0.05"), (-150, "USD", "-1.50 USD"),
    ],
)  # fmt: skip
def test_money_has_the_digits_of_its_currency(minor: int | None, currency: str | None, said: str) -> None:
    """Minor units become major units as ISO 4217 says."""
    assert account_words.money(minor, currency) == said


def test_the_summary_says_how_much_in_which_order_and_how_old() -> None:
    """The line below the table, and the currencies that it does not rank."""
    [line] = accounts.summary(page(total=7), Query(facets={"band": "red"}), NOW)
    assert line == "1-1 of 7 accounts, band red, worst score first; as of 2026-05-01T11:00:00Z (1 h ago)"
    money = page(total=7, currency="EUR", currencies={"EUR": 7, "USD": 2, "JPY": 1})
    line, others = accounts.summary(money, Query(Order.MRR_AT_RISK), NOW)
    assert "most MRR at risk first in EUR" in line
    assert others.endswith("see --currency: JPY (1), USD (2)")
    assert accounts.summary(page(total=0), Query(), NOW)[0].startswith("no accounts, worst score first")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, []),
        ({"lag": 5, "written": NOW - 30_000}, []),
        ({"lag": 5, "written": NOW - 61_000}, ["5 records are not in the view yet"]),
        ({"seen": NOW - 59_000}, []),
        ({"seen": NOW - 300_000}, ["no view role has written for 5 min"]),
        ({"seen": UNSET}, ["no view role has written:"]),
        ({"seen": NOW - DAY, "rebuilding": 12}, ["being built, 12 records left"]),
        ({"written": NOW - 2 * DAY}, ["last score was written 2 d ago: is a worker running?"]),
    ],
)
def test_warnings_name_what_is_late(fields: dict[str, int], said: list[str]) -> None:
    """A silent role, an unread backlog, a rebuild and a silent worker are told apart; a fresh view is not warned of."""
    found = list(account_words.warnings(fresh(**fields), NOW, 60))
    assert len(found) == len(said)
    assert all(part in warning for part, warning in zip(said, found, strict=True))


FULL = record(
    ceilings=["gave notice on 2026-04-20: at most red"],
    override={"value": 80, "reason": "met the board", "author": "ann", "expires_at": "2026-06-01T00:00:00Z"},
    deadline="2026-07-02T00:00:00Z", urgency=1.5,
    drivers=[{
        "dimension": "support", "cause": "event", "points": -2600, "what": ["ticket T-1 opened"], "events": ["e9"],
    }],
)  # fmt: skip
"""A record with everything that a record may hold."""
EXPLAINED = """\
a-1 (Acme), high touch, model cafe
score 39.9, red since 2026-04-01T00:00:00Z, before amber
  ceiling: gave notice on 2026-04-20: at most red
change -3.0 in 7 days, +1.0 in 28 days
coverage 86%
a person's judgement: 80 by ann, until 2026-06-01T00:00:00Z: met the board
MRR 12,345.67 USD, at risk 7,407.40 USD (uncalibrated: mrr * (1 - score / 100))
renewal 2026-09-30, deadline 2026-07-02T00:00:00Z, urgency 1.5, owner ann
dimension                 points  weight    adds
product_usage               20.0      40     8.0
  usage_trend               20.0
support                     90.0      60    54.0
  urgent_age                90.0
last published change:
  support -2.6 (ticket T-1 opened) [e9]
last seen: usage 3 d before, ticket just then
scored as of 2026-05-01T11:00:00Z (1 h ago); newest record of the view: as of 2026-05-01T11:00:00Z (1 h ago)
"""


def test_explain_tells_everything_the_record_holds() -> None:
    """Score, band, ceilings, change, coverage, override, money, dimensions with signals, drivers, last seen, age."""
    assert list(explain_view.lines(FULL, fresh(), NOW)) == EXPLAINED.splitlines()


def test_explain_of_an_ended_account_says_so() -> None:
    """Without score, dimensions and drivers there is still a record."""
    ended = record(score=None, band="ended", dimensions={}, previous_band=None, since=None, velocity_7d=None)
    lines = list(explain_view.lines(ended, fresh(), NOW))
    assert lines[1] == "no score, ended"
    assert not [line for line in lines if line.startswith("dimension")]


def cli(*words: str, redis: str) -> Result:
    return CliRunner().invoke(app, words, env={"ACCOUNTPULSE_REDIS__URL": redis})


@pytest.mark.parametrize("words", [("accounts",), ("explain", "a-1")])
def test_a_url_that_is_none_is_an_environment_fault_without_its_password(words: tuple[str, ...]) -> None:
    """The message names the setting, not its value."""
    result = cli(*words, redis="hunter2@nowhere")
    assert "ACCOUNTPULSE_REDIS__URL is no Redis URL" in str(result.exception)
    assert "hunter2" not in f"{result.exception!r} {result.output}"


@pytest.mark.parametrize("words", [("accounts",), ("explain", "a-1")])
def test_redis_away_is_an_environment_fault(words: tuple[str, ...]) -> None:
    """Without Redis the commands exit 3 and say in one line that it is Redis."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        result = cli(*words, redis=f"redis://127.0.0.1:{taken.getsockname()[1]}/0")
    assert isinstance(result.exception, Exception)
    assert (environment_fault(result.exception) or "").startswith("Redis: ")


@pytest.mark.parametrize(
    "words",
    [
        ("accounts", "--band", "ended", "--tier", "low_touch"), ("accounts", "--band", "blue"),
        ("accounts", "--by", "luck"), ("accounts", "--limit", "0"), ("explain", "a-1", "--at", "2026-01-01"),
        ("explain", "a-1", "--tick", "1d"),
    ],
)  # fmt: skip
def test_wrong_usage_exits_2(words: tuple[str, ...]) -> None:
    """What cannot be answered is refused before anything is asked."""
    assert cli(*words, redis="redis://127.0.0.1:1/0").exit_code == 2
