"""no_two_way_contact: nobody of theirs answered or met us for too long."""

from __future__ import annotations

import numpy as np

from alerts.model import Evidence
from alerts.rules.base import Level, Tick, Verdict, counted, date
from scoring.layout import CONTACTS_TRACKED
from scoring.rule_options import TierDays
from scoring.times import DAY

_WEEKS = 16


class NoTwoWayContact(Level[TierDays]):
    """Vendor and customer drift apart unless they talk (The Ten Laws, laws 2 and 9); what only we send is not talk.

    Practitioner default: two-way silence of 45 days for enterprises, 60 to 90 for mid-size accounts, 120 for
    tech touch (customer-success-skills, signal library).
    """

    name = "no_two_way_contact"
    when = (
        "no reply and no meeting for `days_per_tier`, whatever we sent; told only where contacts are recorded"
    )
    shows = "the last reply or meeting, and how often we wrote since"
    play = (
        "Change the channel and the person: phone instead of mail, the sponsor instead of the usual contact."
    )

    def verdict(self, tick: Tick) -> Verdict:
        """Unknown where no contact was ever recorded."""
        f = tick.facts
        known = f.flag(CONTACTS_TRACKED)
        if not known.any():
            return Verdict(known, known)
        silent = f.now - f.touched_ts >= f.by_tier(self.options.days_per_tier) * DAY
        return Verdict(known & silent, known)

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """How long it is since they spoke; our own messages beside it."""
        f, row = tick.facts, tick.facts.hot[i]
        since = int(f.touched_ts[i])
        last = "since" if since == row["two_way_ts"] else "ever; a customer since"
        text = f"no reply and no meeting {last} {date(since)}, {counted((f.now - since) // DAY, 'day')} ago"
        weeks = min((f.now // DAY // 7) - (since // DAY // 7), _WEEKS)
        sent = int(tick.of(np.array([i])).window("outreach", weeks)[0]) if weeks else 0
        return [Evidence(f"{text}; {counted(sent, 'message')} of ours in the weeks since" if sent else text)]
