"""engagement and NPS: who speaks to whom, what people read, and what they say when asked."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from scoring.times import DAY, HOUR
from streams.demo.life.account import Life, office_hours, workday


class _Rhythm(NamedTuple):
    """Days between touches; 0: never."""

    call: int
    sponsor: int
    mail: int
    reads: tuple[int, ...]
    """Days of each week on which somebody reads what is new, counted from the first."""


_RHYTHM: Final = {
    "high_touch": _Rhythm(call=7, sponsor=35, mail=10, reads=(0, 2, 4)),
    "low_touch": _Rhythm(call=28, sponsor=84, mail=14, reads=(0, 3)),
    "tech_touch": _Rhythm(call=0, sponsor=0, mail=42, reads=(0,)),
}
_SPONSORED: Final = 0.5
"""At less health no executive cares."""
_NEWSLETTER: Final = 14
_SURVEY: Final = 180
_SKIPPED: Final = 0.03


def live(life: Life) -> None:
    """Calls and meetings by the tier's rhythm, mail, reading, community, and two surveys a year."""
    rhythm = _RHYTHM[life.profile.tier]
    first = {"contact_id": "champion", "role": "champion"}
    life.emit(life.profile.connected + HOUR, type="engagement", channel="email", direction="inbound", **first)
    if rhythm.call:
        _appointments(life, "call", rhythm.call, "champion")
        if life.profile.health > _SPONSORED:
            _appointments(life, "meeting", rhythm.sponsor, "executive")
    _mail(life, rhythm.mail)
    _reading(life, rhythm.reads)
    _newsletters(life)
    if not life.planted:
        _asked(life)


def _appointments(life: Life, channel: str, every: int, who: str) -> None:
    """On the same weekday each time; sometimes one is skipped."""
    rng = life.rng(channel)
    skipped = _SKIPPED + max(0.0, 0.75 - life.profile.health)
    day = workday(life.profile.connected // DAY + 2 + rng.randrange(every))
    while day <= life.end // DAY:
        at = office_hours(rng, day)
        if rng.random() >= skipped and not life.alone(at):
            with_whom = {"contact_id": who, "role": who}
            _heard(life, at, channel=channel, direction="two_way", **with_whom)
        day += every


def _mail(life: Life, every: int) -> None:
    """We write, and the champion answers within days, or does not; now and then a user writes by themselves."""
    rng = life.rng("mail")
    at = office_hours(rng, workday(life.profile.connected // DAY + 3 + rng.randrange(every)))
    while at <= life.end:
        who = "champion" if rng.random() < 0.7 else f"u{rng.randrange(min(life.profile.users, 5)) + 1}"
        role = "champion" if who == "champion" else "user"
        answered = at + int(rng.uniform(0.1, 2.5) * DAY)
        answers = rng.random() < 0.35 + 0.6 * life.profile.health
        life.emit(at, type="engagement", channel="email", direction="outbound", contact_id=who, role=role)
        if answers and not life.alone(answered):
            _heard(life, answered, channel="email", direction="inbound", contact_id=who, role=role)
        at = office_hours(rng, workday(at // DAY + max(1, round(every * rng.uniform(0.7, 1.3)))))


def _reading(life: Life, days: tuple[int, ...]) -> None:
    """Somebody reads what is new on the same days of each week; others look something up, or join a training."""
    rng = life.rng("reading")
    first = life.profile.connected // DAY + 1
    monday = first + (4 - first) % 7  # day 4 of 1970 was a Monday
    for week in range(monday, life.end // DAY + 1, 7):
        curious = [(rng.randrange(5), rng.randrange(life.profile.users))] if rng.random() < 0.3 else []
        for day, reader in (*((day, 0) for day in days), *curious):
            at = office_hours(rng, week + day)
            channel = "training" if rng.random() < 0.04 else "knowledge_base"
            if not _gone(life, at):
                _heard(life, at, channel=channel, contact_id=f"u{reader + 1}", role="user")


def _heard(life: Life, at: int, **fields: object) -> None:
    """Its people were in touch: at the next of its workdays, if it has only some."""
    days = () if life.story is None else life.story.workdays
    wait = min(((day - at // DAY - 3) % 7 for day in days), default=0)
    life.emit(at + wait * DAY, type="engagement", **fields)


def _gone(life: Life, at: int) -> bool:
    """Whether nobody uses the product any more, or those who do not care."""
    return life.story is not None and life.story.level(int(life.days_left(at))) < 0.4


def _newsletters(life: Life) -> None:
    """Every second Tuesday; some open it. A third of the accounts meets others in the community."""
    rng = life.rng("newsletter")
    opens = rng.uniform(0.2, 0.8) * life.profile.health
    member = rng.random() < 0.35
    first = life.profile.connected // DAY
    for day in range(first + (5 - first) % 7, life.end // DAY + 1, _NEWSLETTER):
        opened, posts = rng.random() < opens, rng.random() < 0.45
        if _gone(life, day * DAY):
            return
        if opened:
            _heard(life, day * DAY + 9 * HOUR + rng.randrange(20 * HOUR), channel="marketing")
        if member and posts:
            _heard(life, office_hours(rng, workday(day + rng.randrange(_NEWSLETTER))), channel="community")


def _asked(life: Life) -> None:
    """NPS twice a year of two people; most answer sooner or later."""
    rng = life.rng("nps")
    for who, answers in (("champion", 0.55), ("admin", 0.35)):
        for day in range(
            life.profile.connected // DAY + rng.randrange(5, _SURVEY), life.end // DAY + 1, _SURVEY
        ):
            score = min(max(round(_grade(rng, life.profile.health)), 0), 10)
            if rng.random() < answers:
                asked = {"type": "survey", "kind": "nps", "respondent_id": who, "respondent_role": who}
                life.emit(office_hours(rng, workday(day)), **asked, score=score)


def _grade(rng: random.Random, health: float) -> float:
    return rng.gauss(2.2 + 6.9 * health, 0.8)
