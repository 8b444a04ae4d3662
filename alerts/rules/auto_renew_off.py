"""auto_renew_off: the customer switched automatic renewal off. A fact: fires at the flush."""

from __future__ import annotations

from alerts.model import Evidence
from alerts.rules.base import EMPTY, Fact, date, dated
from scoring.rule_options import Rule
from scoring.state import Store
from scoring.times import UNSET


class AutoRenewOff(Fact[Rule]):
    """Somebody went and switched it off: a written sign of leaving, while there is still time to ask why.

    Practitioner rule: never let it fade, and let no cool-down hold it back (customer-success-skills).
    """

    name = "auto_renew_off"
    when = "automatic renewal is switched off; over when it is on again"
    shows = "when it was switched off, when the contract ends"
    play = "Ask who switched it off and why before you talk about price: keeping options open is not leaving yet."

    def over(self, store: Store, row: int, item: str, at: int, now: int) -> bool:
        """Whether it is on again."""
        del item, at, now
        return bool(store.hot["auto_renew"][row] != 0)

    def evidence(self, store: Store, row: int, item: str) -> list[Evidence]:
        """When, and the end of the contract as far as it is known."""
        text = f"automatic renewal switched off on {date(int(item))}"
        events = dated(store.tails.get(row, EMPTY), (int(item),), "account ")
        renewal = int(store.hot["renewal"][row])
        return [
            Evidence(text if renewal == UNSET else f"{text}; the contract ends on {date(renewal)}", events)
        ]
