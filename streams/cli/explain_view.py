"""What `accountpulse explain` says without files: the account's record in the Redis view."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import typer

from scoring.times import iso, parse
from streams.cli.account_words import (
    MINUTE,
    driver,
    freshness,
    from_view,
    money,
    points,
    span,
    warnings,
    words,
)
from streams.cli.output import ExitCode, complain, emit_json, printable
from streams.clock import wall_ms
from streams.settings import Settings
from streams.view_reader import Freshness, Record

_LABEL = 24


def explain_from_view(account: str, *, as_json: bool) -> None:
    """Print the record of an account; exits 1 if the view has none.

    Raises NoViewError or redis.exceptions.RedisError.
    """
    settings = Settings()
    raw, fresh = from_view(settings, lambda reader: reader.account(account))
    now = wall_ms()
    for warning in warnings(fresh, now, settings.view.stale_after):
        complain(f"warning: {warning}")
    if raw is None:
        complain(f"no account {account!r} in the view, {freshness(fresh, now)}")
        raise typer.Exit(ExitCode.FINDING)
    record = msgspec.json.decode(raw)
    if as_json:
        emit_json({"record": record, "view": document(fresh)})
        return
    for line in lines(record, fresh, now):
        typer.echo(printable(line))


def document(fresh: Freshness) -> dict[str, object]:
    """Freshness for programs."""
    times = {"as_of": fresh.as_of, "written": fresh.written, "seen": fresh.seen}
    told: dict[str, object] = {name: None if at < 0 else iso(at) for name, at in times.items()}
    return told | {"lag_records": fresh.lag, "rebuilding_records_left": fresh.rebuilding}


def lines(record: Record, fresh: Freshness, now: int) -> Iterator[str]:
    """Everything the record says, and how old it is."""
    yield from _head(record)
    yield from _dimensions(record)
    if drivers := record.get("drivers"):
        yield "last published change:"
        yield from (f"  {_told(d)}" for d in drivers)
    yield from _seen(record)
    age = now - parse(record["as_of"])
    yield f"scored as of {record['as_of']} ({span(age)} ago); newest record of the view: {freshness(fresh, now)}"


def _head(r: Record) -> Iterator[str]:
    attributes = r.get("attributes", {})
    name = attributes.get("name")
    yield f"{r['account_id']}{f' ({name})' if name else ''}, {words(r['tier'])}, model {r['model']}"
    score = "no score" if r.get("score") is None else f"score {points(r['score'])}"
    was = f", before {words(r['previous_band'])}" if r.get("previous_band") not in {None, r["band"]} else ""
    yield f"{score}, {words(r['band'])}" + (f" since {r['since']}{was}" if r.get("since") else "")
    yield from (f"  ceiling: {fact}" for fact in r.get("ceilings", ()))
    if changes := [
        f"{r[key]:+.1f} in {d} days" for d in (7, 28) if r.get(key := f"velocity_{d}d") is not None
    ]:
        yield f"change {', '.join(changes)}"
    yield f"coverage {r['coverage']:.0%}"
    yield from _override(r)
    yield from _worth(r, attributes)


def _override(r: Record) -> Iterator[str]:
    if override := r.get("override"):
        until = f", until {override['expires_at']}" if override.get("expires_at") else ""
        said = f": {override['reason']}" if override.get("reason") else ""
        yield f"a person's judgement: {override.get('value')} by {override.get('author')}{until}{said}"


def _worth(r: Record, attributes: Record) -> Iterator[str]:
    if r.get("mrr") is not None:
        currency, risk = attributes.get("currency"), r.get("mrr_at_risk")
        at_risk = "" if risk is None else f", at risk {money(risk, currency)} ({r.get('mrr_at_risk_basis')})"
        yield f"MRR {money(r['mrr'], currency)}{at_risk}"
    facts = {
        "renewal": attributes.get("renewal_date"),
        "deadline": r.get("deadline"),
        "urgency": r.get("urgency"),
        "owner": attributes.get("owner"),
        "segment": attributes.get("segment"),
    }
    if told := [f"{name} {value}" for name, value in facts.items() if value is not None]:
        yield ", ".join(told)


def _dimensions(r: Record) -> Iterator[str]:
    if not r.get("dimensions"):
        return
    yield f"{'dimension':{_LABEL}}{'points':>8}{'weight':>8}{'adds':>8}"
    for name, d in r["dimensions"].items():
        yield f"{name:{_LABEL}}{points(d['score']):>8}{d['weight']:>8}{d['contribution']:>8.1f}"
        yield from (f"{f'  {s}':{_LABEL}}{points(sub):>8}" for s, sub in d["signals"].items())


def _told(d: Record) -> str:
    events = f" [{', '.join(d['events'])}]" if d.get("events") else ""
    return f"{driver(d)}{events}"


def _seen(r: Record) -> Iterator[str]:
    if seen := r.get("last_seen"):
        at = parse(r["as_of"])
        ages = {name: at - parse(when) for name, when in seen.items()}
        told = [
            f"{name} {'just then' if age < MINUTE else f'{span(age)} before'}" for name, age in ages.items()
        ]
        yield f"last seen: {', '.join(told)}"
