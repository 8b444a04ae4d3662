"""Whether the planted stories were told: the alerts that had to fire, and nothing where nothing had to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from alerts.model import Kind, Phase
from alerts.render import Notification
from scoring.times import DAY, HOUR, parse
from streams.demo.fleet import Fleet, account_id
from streams.demo.life.account import Sent
from streams.demo.picture import Stale
from streams.demo.stories import STORIES
from streams.demo.story import Outage, Story


@dataclass(frozen=True)
class Told:
    """A planted story and the alerts of its account that matter to it, the first of each rule, in time order."""

    story: Story
    account_id: str
    alerts: tuple[Notification, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Rules that had to fire and did not."""
        fired = {alert.rule for alert in self.alerts}
        return tuple(rule for rule in self.story.rules if rule not in fired)

    @property
    def as_expected(self) -> bool:
        """Whether what had to fire fired, and nothing did where nothing had to."""
        return not self.missing if self.story.rules else not self.alerts


@dataclass(frozen=True)
class OutageTold:
    """What came of the outage: when the feed was seen dead, and whom its silence was held against.

    A clock that jumps over the outage, as that of a fleet of few events may, shows no score of that time.
    """

    outage: Outage
    seen: Stale | None
    blamed: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        """Whether no account was blamed for it."""
        return not self.blamed


def judge(fleet: Fleet, alerts: Sequence[Notification]) -> list[Told]:
    """Each planted story with what told it."""
    out = []
    for index, story in enumerate(STORIES[: fleet.accounts]):
        if fleet.story(index) is None:
            continue
        who = account_id(index)
        mine = [a for a in alerts if a.account_id == who and a.phase is Phase.FIRING]
        first = {
            a.rule: a
            for a in reversed(mine)
            if (a.rule in story.rules if story.rules else a.kind is Kind.RISK)
        }
        out.append(Told(story, who, tuple(sorted(first.values(), key=lambda a: a.at))))
    return out


def judge_outage(
    fleet: Fleet, events: Sequence[Sent], alerts: Sequence[Notification], seen: Sequence[Stale]
) -> OutageTold | None:
    """What came of the outage; None without one.

    An account is blamed if it worked on the day before and the day after, and was told to be silent meanwhile.
    """
    outage = fleet.outage
    if outage is None:
        return None
    begin, end = outage.window(fleet.end)
    well = _users(events, begin - DAY, begin) & _users(events, end, end + DAY)
    silent = {
        a.account_id
        for a in alerts
        if a.rule == f"silence_{outage.feed}" and begin <= parse(a.at) <= end + 36 * HOUR
    }
    during = (s for s in seen if s.feed == outage.feed and s.until > begin and s.since < end)
    return OutageTold(outage, next(during, None), tuple(sorted(well & silent)))


def _users(events: Sequence[Sent], begin: int, end: int) -> set[str]:
    """The accounts that used the product then."""
    some = (msgspec.json.decode(event.line) for event in events if begin <= event.at < end)
    return {event["account_id"] for event in some if event["type"] == "usage"}
