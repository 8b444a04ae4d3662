"""Who an account is, and where its events go."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import msgspec

from scoring.times import DAY, HOUR, iso
from streams.demo.story import Fields, Outage, Story, Tier

_encode: Final = msgspec.json.Encoder().encode
WEEKDAYS: Final = 5


class Sent(NamedTuple):
    """An event line and when it is sent, milliseconds: its own time, except for what a CRM tells of the past."""

    at: int
    line: bytes


@dataclass(frozen=True)
class Profile:
    """What kind of account it is. Times in milliseconds, money in US dollars."""

    account_id: str
    name: str
    tier: Tier
    segment: str
    seats: int
    users: int
    mrr: float
    health: float
    """0.35 (strained) to 1 (excellent): how many users come, how they answer, how they pay."""
    begins: int
    """Its first use."""
    connected: int
    """When all the other systems begin to tell of it."""
    created: int
    """When it became a customer: for most, years before."""
    renewal: int
    """The first renewal to come."""

    @property
    def is_new(self) -> bool:
        """Whether it signs up while the fleet is watched."""
        return self.created == self.connected


@dataclass(frozen=True)
class Life:
    """One account during the fleet's time: its profile, its story, and what happened so far."""

    seed: int
    index: int
    end: int
    """The end of the fleet's time, milliseconds."""
    profile: Profile
    planted: bool
    """Whether it is the account of a story, told or left out."""
    story: Story | None
    outage: Outage | None
    sent: list[Sent]

    def rng(self, aspect: str) -> random.Random:
        """Random numbers of one aspect: what one draws, and any story, changes nothing elsewhere."""
        return random.Random(f"{self.seed}/{self.index}/{aspect}")  # noqa: S311 - reproducible, nothing secret

    def emit(self, ts: int, **fields: object) -> None:
        """One event, unless its time lies outside the account's."""
        self.emit_late(ts, ts, **fields)

    def emit_late(self, at: int, ts: int, /, **fields: object) -> None:
        """One event of time `ts` that is sent at `at`, unless that lies outside the account's time."""
        if self.profile.begins <= at <= self.end and not self._lost(at, fields):
            event: Fields = {
                "event_id": f"{self.index + 1}-{len(self.sent) + 1}",
                "account_id": self.profile.account_id,
                "ts": stamp(ts),
            }
            self.sent.append(Sent(at, _encode(event | fields)))

    def days_left(self, ts: int) -> float:
        """Days from then to the end of the fleet's time."""
        return (self.end - ts) / DAY

    def alone(self, ts: int) -> bool:
        """Whether its people no longer answer."""
        return self.story is not None and self.days_left(ts) < self.story.alone_before

    def _lost(self, at: int, fields: Fields) -> bool:
        if self.outage is None or fields["type"] != self.outage.feed:
            return False
        begin, end = self.outage.window(self.end)
        return begin <= at < end


def stamp(ts: int) -> str:
    """The time as `scoring.times.iso` has it, at a fraction of the price."""
    seconds, milliseconds = divmod(ts % DAY, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{_date(ts // DAY)}T{clock}{f'.{milliseconds:03}' if milliseconds else ''}Z"


def office_hours(rng: random.Random, day: int) -> int:
    """Some time between 8 and 17 o'clock UTC of a day."""
    return day * DAY + 8 * HOUR + int(rng.random() * 9 * HOUR)


def workday(day: int) -> int:
    """The day, or the Monday after it."""
    past = (day + 3) % 7 - (WEEKDAYS - 1)
    return day + max(3 - past, 0) if past > 0 else day


@cache
def _date(day: int) -> str:
    return iso(day * DAY)[:10]
