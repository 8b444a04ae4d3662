"""Self-sufficiency, marketing engagement, community: does the account help itself, react, take part?"""

from __future__ import annotations

import numpy as np

from scoring.curves import curve
from scoring.facts import Facts
from scoring.layout import COMMUNITY_TRACKED, HELP_TRACKED, MARKETING_TRACKED, MISSING
from scoring.model import Signal
from scoring.signals.registry import TOUCH_WEEKS, signal
from scoring.times import Int64


@signal("window_weeks", longest_weeks=TOUCH_WEEKS)
def self_service(f: Facts, s: Signal) -> Int64:
    """Share of questions answered by knowledge base and training rather than by a ticket, in thousandths."""
    weeks = s.window_weeks or 1
    helped = f.window("help", weeks)
    asked = helped + f.window("tickets", 7 * weeks)
    known = f.flag(HELP_TRACKED) & (asked > 0)
    return np.where(known, curve(helped * 1000 // np.maximum(asked, 1), s.curve), MISSING)


@signal("window_weeks", longest_weeks=TOUCH_WEEKS)
def marketing_response(f: Facts, s: Signal) -> Int64:
    """Reactions to marketing in the window; what was only sent does not count."""
    return np.where(
        f.flag(MARKETING_TRACKED), curve(f.window("marketing", s.window_weeks or 1), s.curve), MISSING
    )


@signal("window_weeks", longest_weeks=TOUCH_WEEKS)
def community_activity(f: Facts, s: Signal) -> Int64:
    """Contributions to the community in the window."""
    return np.where(
        f.flag(COMMUNITY_TRACKED), curve(f.window("community", s.window_weeks or 1), s.curve), MISSING
    )
