"""detractor: somebody answered that they would not recommend us."""

from __future__ import annotations

from collections.abc import Callable

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, date, dated
from scoring.fold.surveys import DETRACTOR
from scoring.rule_options import WithinDays
from scoring.tail import Answer, Tail
from scoring.times import DAY


class Detractor(Level[WithinDays]):
    """An answer of 0 to 6 of 10 (Reichheld 2003) that the respondent has not taken back since.

    Practitioner numbers: a detractor counts for 90 days (customer-success-skills, signal library) and a risk that
    was told is left alone for 30; the alert lasts as long as a call about the answer still makes sense.
    """

    name = "detractor"
    when = "an NPS answer of 0 to 6 within `days`, unless the respondent answered better since"
    shows = "who answered what, and when"
    play = "Call within two days, listen before you explain, and write back what will change and by when."

    def verdict(self, tick: Tick) -> Verdict:
        """By the newest such answer."""
        return Verdict(tick.facts.within("detractor_ts", self.options.days))

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """The detractors, the newest first, three at most."""
        since = tick.facts.now - self.options.days * DAY
        return nps_said(tick.tail(i), lambda a: a.score <= DETRACTOR and a.ts > since)


def nps_said(tail: Tail, chosen: Callable[[Answer], bool]) -> list[Evidence]:
    """The newest three of the chosen NPS answers: who, what of 10, when."""
    answers = tail.surveys.get("nps", {})
    newest = sorted(((a.ts, who) for who, a in answers.items() if chosen(a)), reverse=True)[:3]
    said = []
    for ts, who in newest:
        answer = answers[who]
        name = "somebody" if who == answer.id else who  # who is not named is known by the answer's own id
        text = f"{name} answered {answer.score / 10_000:g} of 10 on {date(ts)}"
        said.append(Evidence(text, dated(tail, (ts,), "nps answer ")))
    return said
