"""churn_notice: the customer told us that it will leave. A fact: fires once per notice, at the flush."""

from __future__ import annotations

from alerts.model import Evidence
from alerts.rules.base import EMPTY, Fact, date, dated
from scoring.rule_options import Rule
from scoring.state import News, Store
from scoring.times import UNSET


class ChurnNotice(Fact[Rule]):
    """A decision, not a sign: it neither fades nor waits for a band.

    Practitioner rule: facts never decay, and commercial decisions have no cool-down (customer-success-skills).
    """

    name = "churn_notice"
    when = "notice is given; over with a new term or when automatic renewal is switched on again"
    shows = "when notice was given, when the contract ends"
    play = "Have whoever knows them best call today: ask for the reason, and what would have to change."

    def fires(self, store: Store, news: News) -> bool:
        """Once, however often it is repeated while it stands."""
        told = store.tails.get(news.row, EMPTY).facts.get(self.name, {})
        return not any(state.firing for state in told.values())

    def over(self, store: Store, row: int, item: str, at: int, now: int) -> bool:
        """Whether they stay after all."""
        del item, at, now
        hot = store.hot[row]
        return bool(hot["churn_notice_ts"] <= max(hot["started_ts"], hot["auto_renew_on_ts"]))

    def evidence(self, store: Store, row: int, item: str) -> list[Evidence]:
        """The notice, and the end of the contract as far as it is known."""
        text, renewal = f"notice given on {date(int(item))}", int(store.hot["renewal"][row])
        events = dated(store.tails.get(row, EMPTY), (int(item),), "account churn_notice")
        return [
            Evidence(text if renewal == UNSET else f"{text}; the contract ends on {date(renewal)}", events)
        ]
