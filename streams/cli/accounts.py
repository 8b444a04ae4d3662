"""`accountpulse accounts`: accounts from the Redis view, ranked and filtered."""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.cli.account_words import (
    freshness,
    from_view,
    money,
    points,
    top_reason,
    warnings,
)
from streams.cli.output import complain, print_plain, printable
from streams.clock import wall_ms
from streams.settings import Settings
from streams.view_reader import ENDED_BAND, Order, Page, Query, Record, ViewReader


class Band(StrEnum):
    """What `--band` takes."""

    RED = "red"
    AMBER = "amber"
    GREEN = "green"
    INSUFFICIENT_DATA = "insufficient_data"
    ENDED = ENDED_BAND


class Tier(StrEnum):
    """What `--tier` takes."""

    HIGH_TOUCH = "high_touch"
    LOW_TOUCH = "low_touch"
    TECH_TOUCH = "tech_touch"


COLUMNS: Final = (
    "account", "name", "band", "score", "7d", "MRR", "MRR at risk", "tier", "owner", "renewal", "top driver",
)  # fmt: skip
NUMBERS: Final = frozenset({"score", "7d", "MRR", "MRR at risk"})
OPTIONAL: Final = ("renewal", "tier", "owner", "MRR")
"""Left out one by one where a terminal is too narrow."""
WIDE: Final = 150
NARROWER: Final = 14
STYLES: Final = {"red": "red", "amber": "yellow", "green": "green"}
_ORDERS: Final = {
    Order.SCORE: "worst score first",
    Order.MRR_AT_RISK: "most MRR at risk first",
    Order.URGENCY: "most urgent MRR at risk first",
    Order.CHANGED: "last published first",
}


def accounts(
    *,
    band: Annotated[Band | None, typer.Option(help="Only this band.")] = None,
    tier: Annotated[Tier | None, typer.Option(help="Only this tier.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only accounts of this owner.")] = None,
    segment: Annotated[str | None, typer.Option(help="Only this segment.")] = None,
    by: Annotated[
        Order, typer.Option(help="Ranked by; urgency weighs MRR at risk by the deadline.")
    ] = Order.SCORE,
    currency: Annotated[
        str | None, typer.Option(help="Rank money in this currency; else in that of most accounts.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print score records, one JSON line each.")] = False,
) -> None:
    """List accounts from the view, ranked and filtered."""
    told = {"band": band, "tier": tier, "owner": owner, "segment": segment}
    facets = {name: str(value) for name, value in told.items() if value is not None}
    if band == ENDED_BAND and len(facets) > 1:
        raise typer.BadParameter("ended accounts are listed by their end alone; drop the other filters")
    settings = Settings()
    query = Query(by, facets, currency, offset, limit)
    page, hints = from_view(settings, lambda reader: _read(reader, query))
    now = wall_ms()
    for warning in warnings(page.freshness, now, settings.view.stale_after):
        complain(f"warning: {warning}")
    if json:
        for raw in page.records:
            typer.echo(raw)
    else:
        if page.records:
            show([msgspec.json.decode(raw) for raw in page.records])
        for line in summary(page, query, now):
            typer.echo(printable(line))
    for hint in hints:
        complain(hint)


async def _read(reader: ViewReader, query: Query) -> tuple[Page, list[str]]:
    page = await reader.page(query)
    hints = []
    for name in {"owner", "segment"} & query.facets.keys():
        known = await reader.known(name)
        if query.facets[name] not in known:
            close = difflib.get_close_matches(query.facets[name], known, 3, 0.4)
            meant = f"; did you mean {', '.join(close)}?" if close else ""
            hints.append(f"no account has the {name} {query.facets[name]!r}{meant}")
    return page, hints


def summary(page: Page, query: Query, now: int) -> list[str]:
    """What is shown of how much, in which order, and how old it is."""
    filters = "".join(f", {name} {value}" for name, value in query.facets.items())
    order = "ended last first" if query.facets.get("band") == ENDED_BAND else _ORDERS[query.order]
    ranked = f" in {page.currency}" if page.currency else ""
    first, last = query.offset + 1, query.offset + len(page.records)
    shown = f"{first}-{last} of {page.total}" if page.records else "none of these" if page.total else "no"
    lines = [f"{shown} accounts{filters}, {order}{ranked}; {freshness(page.freshness, now)}"]
    others = {c: n for c, n in page.currencies.items() if c != page.currency}
    if others:
        told = ", ".join(f"{currency} ({count})" for currency, count in sorted(others.items()))
        lines.append(f"other currencies are ranked by themselves, see --currency: {told}")
    return lines


def show(records: list[Record]) -> None:
    """A table on a terminal, aligned text otherwise."""
    console = Console()
    columns = list(COLUMNS)
    if console.is_terminal:
        spare = -(-max(WIDE - console.width, 0) // NARROWER)
        columns = [c for c in columns if c not in OPTIONAL[:spare]]
        table = Table(box=None, header_style="bold", pad_edge=False)
    else:
        table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in NUMBERS else "left",
            no_wrap=not console.is_terminal or column in NUMBERS,
            overflow="fold" if column == "account" else "ellipsis",
        )
    for record in records:
        row = cells(record)
        table.add_row(*(Text(printable(row[c]), style=_style(c, row)) for c in columns))
    if console.is_terminal:
        console.print(table)
    else:
        print_plain(table)


def _style(column: str, row: dict[str, str]) -> str:
    return STYLES.get(row["band"], "") if column in {"band", "score"} else ""


def cells(record: Record) -> dict[str, str]:
    """What the table shows of a record, by column."""
    attributes, change = record.get("attributes", {}), record.get("velocity_7d")
    currency = attributes.get("currency")
    return {
        "account": record["account_id"],
        "name": attributes.get("name") or "",
        "band": record["band"].replace("_", " "),
        "score": points(record.get("score")),
        "7d": "" if change is None else f"{change:+.1f}",
        "MRR": money(record.get("mrr"), currency),
        "MRR at risk": money(record.get("mrr_at_risk"), currency),
        "tier": record["tier"].replace("_", " "),
        "owner": attributes.get("owner") or "",
        "renewal": (attributes.get("renewal_date") or "")[:10],
        "top driver": top_reason(record),
    }
