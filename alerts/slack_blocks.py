"""An alert, or a group of them, as Slack messages in Block Kit. Pure.

The header is a block of the message, everything else sits in one attachment: only attachments have a colour.
Limits: https://docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from alerts import render, wording
from alerts.model import Alert, Evidence, Kind, Phase, Severity
from alerts.slack_text import cut, harmless, mrkdwn, size

HEADER: Final = 150
TEXT: Final = 2_500
FIELD: Final = 300
SMALL_PRINT: Final = 600
FALLBACK: Final = 500
"""Units. Slack allows more (3,000 a text, 2,000 a field), but in sum no more than some 13,000."""
REASONS: Final = 4
DRIVERS: Final = 3
EVENTS: Final = 3
"""Ids of events told of one reason."""
LINE: Final = 250
"""Units of one line of a group."""
GROUP: Final = 40
"""Alerts that one message can hold."""

_COLOURS: Final = {Severity.CRITICAL: "#D92D20", Severity.WARNING: "#F79009", Severity.INFO: "#2E90FA"}
_RESOLVED: Final = "#12B76A"
_URGENCY: Final = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Block = dict[str, Any]


class Content(Struct, frozen=True):
    """What a call of `chat.postMessage` or `chat.update` carries beside its place."""

    text: str
    """Shown by notifications, and where blocks cannot be shown."""
    blocks: list[Block] = []
    attachments: list[dict[str, Any]] = []
    plain: str = ""
    """The whole message without blocks, for when Slack refuses them."""


def single(alert: Alert, *, note: str = "") -> Content:
    """The message of one alert, in the phase it is in; `note` is added to its small print."""
    body = [_section(fields=_fields(alert)), *_reasons(alert)]
    if alert.play and alert.phase is not Phase.RESOLVED:
        body.append(_section(text=cut(f"*Next step*\n{mrkdwn(alert.play)}", TEXT)))
    body.append(_context(_small_print(alert), _events(alert), note))
    lines = [mrkdwn(line) for line in render.text(alert).splitlines()]
    return _content(render.title(alert), render.headline(alert), body, _colour(alert), lines)


def group(alerts: Sequence[Alert], *, note: str = "") -> Content:
    """One message with a line per account; `alerts` of one receiver, at most GROUP."""
    accounts: dict[str, list[Alert]] = {}
    for alert in sorted(alerts, key=lambda alert: _URGENCY.index(alert.severity)):
        accounts.setdefault(alert.account_id, []).append(alert)
    what = "alerts" if any(alert.kind is Kind.RISK for alert in alerts) else "opportunities"
    where = f"{len(accounts)} account{'s' if len(accounts) > 1 else ''}"
    owners = {str(alert.attributes.get("owner") or "") for alert in alerts}
    whose = f" ({render.plain(owners.pop())})" if len(owners) == 1 and "" not in owners else ""
    title = f"{len(alerts)} {what} in {where}{whose}"
    lines = [_line(members) for members in accounts.values()]
    body = [_section(text=text) for text in _packed(lines)]
    ids = ", ".join(sorted(harmless(alert.id[:8]) for alert in alerts))
    body.append(_context(f"Alerts {ids} · model {harmless(alerts[0].model or 'unknown')}", note))
    worst = min(alerts, key=lambda alert: _URGENCY.index(alert.severity))
    return _content(title, title, body, _COLOURS[worst.severity], [mrkdwn(title), *lines])


def reply(alert: Alert) -> Content:
    """The short message in the thread of an alert that changed or is over."""
    text = cut(mrkdwn(render.headline(alert)), FALLBACK)
    return Content(text, plain=text)


def _content(title: str, fallback: str, body: list[Block], colour: str, lines: list[str]) -> Content:
    text = cut(mrkdwn(fallback), FALLBACK)
    header = {"type": "header", "text": _plain_text(cut(harmless(title), HEADER))}
    return Content(
        text, [header], [{"color": colour, "fallback": text, "blocks": body}], cut("\n".join(lines), TEXT)
    )


def _fields(alert: Alert) -> list[str]:
    known = alert.attributes
    values = {
        "Tier": str(known.get("tier") or "").replace("_", " "),
        "MRR": _mrr(alert),
        "Renewal": _renewal(alert),
        "Owner": known.get("owner"),
        "CSM": known.get("csm") if known.get("csm") != known.get("owner") else None,
        "Score": _score(alert),
        "Change": ", ".join(render.moves(alert)),
        "Band": _band(alert),
    }
    return [cut(f"*{label}*\n{mrkdwn(value)}", FIELD) for label, value in values.items() if value]


def _mrr(alert: Alert) -> str:
    minor = alert.attributes.get("mrr")
    if not isinstance(minor, int):
        return ""
    return render.money(minor, str(alert.attributes.get("currency") or ""))


def _renewal(alert: Alert) -> str:
    """The date, and how far away it is at the alert's tick."""
    told = alert.attributes.get("renewal_date")
    if not told:
        return ""
    try:
        day = date.fromisoformat(str(told)[:10])
        away = (day - (_EPOCH + timedelta(milliseconds=alert.tick)).date()).days
    except (ValueError, OverflowError):
        return str(told)
    return f"{day} (in {away} days)" if away >= 0 else f"{day} ({-away} days ago)"


def _score(alert: Alert) -> str:
    if alert.score is None:
        return "not scored"
    bars = render.sparkline(alert.history)
    return f"{render.points(alert.score)} of 100 {bars}".rstrip()


def _band(alert: Alert) -> str:
    """The band; the one before only where the alert is about it."""
    now, before = render.band(alert.band), alert.previous_band
    about = alert.rule == "band_entered" or alert.revision
    return f"{now}, was {render.band(before)}" if about and before and before != alert.band else now


def _reasons(alert: Alert) -> list[Block]:
    """Each in plain words; the ids of their events are small print."""
    return [
        _section(text=cut("\n".join([f"*{heading}*", *(f"• {mrkdwn(item.text)}" for item in items)]), TEXT))
        for heading, items in _headed(alert).items()
        if items
    ]


def _headed(alert: Alert) -> dict[str, list[Evidence]]:
    return {"Why": alert.evidence[:REASONS], "What costs it most": render.costs(alert)[:DRIVERS]}


def _events(alert: Alert) -> str:
    """The ids of the events behind what is shown, as many as there is room for."""
    shown = (item for items in _headed(alert).values() for item in items)
    ids = list(dict.fromkeys(event for item in shown for event in item.events[:EVENTS]))
    return f"events {', '.join(harmless(event, 80) for event in ids)}" if ids else ""


def _line(alerts: Sequence[Alert]) -> str:
    """One account of a group: who, what happened, and what tells which one to open first."""
    first = alerts[0]
    what = "; ".join(dict.fromkeys(render.happened(alert) for alert in alerts))
    score = "" if first.score is None else f"{render.points(first.score)} points"
    renewal = _renewal(first)
    facts = [score, f"MRR {_mrr(first)}" if _mrr(first) else "", f"renews {renewal}" if renewal else ""]
    tail = mrkdwn(", ".join(fact for fact in facts if fact))
    told = f"• *{mrkdwn(render.name(first), 80)}* {wording.label(first).lower()}: {mrkdwn(what)}"
    return cut(f"{told} — {tail}" if tail else told, LINE)


def _packed(lines: Sequence[str]) -> list[str]:
    """The lines in as few texts as Slack's limit allows."""
    texts: list[str] = []
    for line in lines:
        if texts and size(texts[-1]) + 1 + size(line) <= TEXT:
            texts[-1] = f"{texts[-1]}\n{line}"
        else:
            texts.append(line)
    return texts


def _small_print(alert: Alert) -> str:
    at = (_EPOCH + timedelta(milliseconds=alert.at)).strftime("%Y-%m-%d %H:%M UTC")
    account, model = harmless(alert.account_id), harmless(alert.model or "unknown")
    evidence = f"evidence for {alert.coverage // 10} % of the score"
    return f"{at} · account {account} · {evidence} · alert {harmless(alert.id)} · model {model}"


def _colour(alert: Alert) -> str:
    return _RESOLVED if alert.phase is Phase.RESOLVED else _COLOURS[alert.severity]


def _context(*texts: str) -> Block:
    return {
        "type": "context",
        "elements": [_plain_text(cut(harmless(text, SMALL_PRINT), SMALL_PRINT)) for text in texts if text],
    }


def _section(*, text: str = "", fields: Sequence[str] = ()) -> Block:
    if text:
        return {"type": "section", "text": _mrkdwn_text(text)}
    return {"type": "section", "fields": [_mrkdwn_text(field) for field in fields]}


def _mrkdwn_text(text: str) -> Block:
    # verbatim: Slack looks for no links, channels or mentions of its own accord
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain_text(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": False}
