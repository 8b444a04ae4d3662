"""What is known while the demo runs: filled by the feed and by the topics, looked at by the screens."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from alerts.model import Phase
from alerts.render import Notification
from scoring.record import ScoreRecord, decode_score
from scoring.times import DAY, HOUR, UNSET, parse
from streams.cli.produce import SOURCE_OF_TYPE

SPARK_DAYS: Final = 30
_RATE_S: Final = 3.0
"""The pace is that of the last seconds."""


class _Head(Struct):
    """As much of a score record as is looked at for every one of them."""

    account_id: str
    as_of: str
    score: float | None
    band: str
    mrr_at_risk: int | None = None
    last_seen: dict[str, str] = {}


_decode_head: Final = msgspec.json.Decoder(_Head).decode


class Standing(NamedTuple):
    """The newest score of an account."""

    band: str
    mrr_at_risk: int | None
    value: bytes
    """The whole record, encoded."""


class Stale(NamedTuple):
    """A feed that nobody has been heard on: since when, and until when that was seen. Milliseconds."""

    feed: str
    since: int
    until: int


class Picture:
    """The state of a run. Times are milliseconds of event time unless said otherwise."""

    def __init__(self, accounts: int, start: int, end: int, dead_ms: int) -> None:
        """`dead_ms`: a feed that is quiet for longer is dead."""
        self.accounts = accounts
        self.start = start
        self.end = end
        self.as_of = UNSET
        """The newest tick that a score told of."""
        self.sent = 0
        """Events fed."""
        self.scored = 0
        """Events that became part of a score, as the worker's own counter says."""
        self.days: list[Counter[str]] = []
        """Of each day of the fleet's time that is over: band to accounts."""
        self.alerts: deque[Notification] = deque(maxlen=100)
        """The last that fired, in the order they were delivered."""
        self.fired: Counter[str] = Counter()
        """Severity, or `opportunity`, to alerts that fired."""
        self.outages: list[Stale] = []
        """Every time a feed was seen stale."""
        self._dead_ms = dead_ms
        self._standing: dict[str, Standing] = {}
        self._bands: Counter[str] = Counter()
        self._history: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._values: defaultdict[str, list[bytes]] = defaultdict(list)
        self._heard: dict[str, str] = {}
        self._pace: deque[tuple[float, int]] = deque()

    # -- filled ---------------------------------------------------------------------------------------------------

    def take_score(self, value: bytes) -> None:
        """A record of the topic `scores`."""
        head = _decode_head(value)
        at = parse(head.as_of)
        for kind, heard in head.last_seen.items():
            if heard > self._heard.get(feed := SOURCE_OF_TYPE[kind], ""):
                self._heard[feed] = heard
        if at > self.as_of:
            self._advance(at)
        before = self._standing.get(head.account_id)
        if before is not None:
            self._bands[before.band] -= 1
        self._bands[head.band] += 1
        self._standing[head.account_id] = Standing(head.band, head.mrr_at_risk, value)
        if head.score is not None:
            self._history[head.account_id][at // DAY] = head.score
        self._values[head.account_id].append(value)

    def take_alert(self, told: Notification) -> None:
        """An alert that was delivered."""
        if told.phase is Phase.FIRING and not told.revision:
            self.alerts.append(told)
            self.fired["opportunity" if told.kind == "opportunity" else told.severity] += 1

    def take_sent(self, sent: int) -> None:
        """So many events were fed."""
        self.sent = sent

    def take_count(self, scored: int) -> None:
        """What the worker counts at this moment."""
        now = time.monotonic()
        self.scored = scored
        self._pace.append((now, scored))
        while self._pace[0][0] < now - _RATE_S:
            self._pace.popleft()

    def _advance(self, at: int) -> None:
        if self.as_of != UNSET and at // DAY > self.as_of // DAY:
            self.days += [+self._bands] * (at // DAY - self.start // DAY - len(self.days))
        self.as_of = at
        for feed, since in self.stale().items():
            last = next((seen for seen in reversed(self.outages) if seen.feed == feed), None)
            if last is not None and last.since == since:
                self.outages[self.outages.index(last)] = last._replace(until=at)
            else:
                self.outages.append(Stale(feed, since, at))

    # -- looked at ------------------------------------------------------------------------------------------------

    @property
    def bands(self) -> Counter[str]:
        """Band to accounts, as of now."""
        return +self._bands

    @property
    def pace(self) -> float:
        """Events a second that become part of a score."""
        if len(self._pace) < 2:
            return 0.0
        (begin, first), (end, last) = self._pace[0], self._pace[-1]
        return max(last - first, 0) / (end - begin) if end > begin else 0.0

    @property
    def lag(self) -> int:
        """Events that were fed and are not part of a score yet."""
        return max(self.sent - self.scored, 0)

    def stale(self) -> dict[str, int]:
        """Feed to the last time somebody was heard on it, for feeds that are dead."""
        heard = {feed: parse(at) for feed, at in self._heard.items()}
        return {feed: at for feed, at in heard.items() if self.as_of - at > self._dead_ms}

    def at_risk(self, most: int) -> list[ScoreRecord]:
        """Red and amber accounts, by what they may cost."""
        some = [s for s in self._standing.values() if s.band in {"red", "amber"}]
        some.sort(key=lambda standing: -(standing.mrr_at_risk or 0))
        return [decode_score(standing.value) for standing in some[:most]]

    def spark(self, account: str) -> list[int | None]:
        """The score of each of the last 30 days in hundredths of a point, oldest first.

        A worker that catches up publishes the newest score of several days: it stands for those before, too.
        """
        known, today = self._history[account], self.as_of // DAY
        first = today - SPARK_DAYS + 1
        last = known[max(before)] if (before := [day for day in known if day < first]) else None
        out: list[int | None] = []
        for day in range(first, today + 1):
            last = known.get(day, last)
            out.append(None if last is None else round(last * 100))
        return out

    def records(self, account: str) -> list[ScoreRecord]:
        """Everything that was published of an account, oldest first."""
        return [decode_score(value) for value in self._values[account]]

    def scores(self) -> dict[str, ScoreRecord]:
        """The newest score of each account."""
        return {account: decode_score(standing.value) for account, standing in self._standing.items()}

    def behind(self, tick: int) -> int:
        """How many accounts have no score as of that tick yet; those that ended need none."""
        done = 0
        for standing in self._standing.values():
            done += standing.band == "ended" or parse(_decode_head(standing.value).as_of) >= tick
        return self.accounts - done

    def newest_alerts(self, most: int) -> list[Notification]:
        """What fired last, newest first."""
        return sorted(self.alerts, key=lambda told: told.at, reverse=True)[:most]

    def reached(self) -> float:
        """Share of the fleet's time that was scored."""
        return min(max((self.as_of - self.start) / max(self.end - self.start, HOUR), 0.0), 1.0)
