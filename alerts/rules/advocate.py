"""advocate: a promoter in a healthy account, while the answer is fresh."""

from __future__ import annotations

from alerts.model import Evidence, Kind
from alerts.rules.base import Level, Tick, Verdict
from alerts.rules.detractor import nps_said
from scoring.fold.surveys import PROMOTER
from scoring.rule_options import WithinDays
from scoring.times import DAY


class Advocate(Level[WithinDays]):
    """Promoters who are asked soon do recommend (Reichheld 2003: 9 and 10 of 10).

    Asked while something is wrong, they stop being promoters: so not with an open complaint, an unpaid invoice or a
    detractor beside them. 30 days are our own choice.
    """

    name = "advocate"
    kind = Kind.OPPORTUNITY
    when = "healthy (green, no open complaint, nothing overdue), a promoter and no detractor within `days`"
    shows = "who answered 9 or 10, and when"
    play = "Thank them in person, then ask for one thing: a reference call, a review, or an introduction."

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown while there is not enough data for a band."""
        f, days = tick.facts, self.options.days
        asked = f.within("promoter_ts", days)
        if asked.any():
            asked &= tick.healthy & ~f.within("detractor_ts", days)
        return Verdict(asked & tick.scored, tick.scored)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The promoters, the newest first, three at most."""
        since = tick.facts.now - self.options.days * DAY
        return nps_said(tick.tail(i), lambda a: a.score >= PROMOTER and a.ts > since)
