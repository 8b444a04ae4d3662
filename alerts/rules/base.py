"""What a rule is: a condition over many accounts at once, or a fact about one; and words for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from alerts.model import Evidence, Kind, Severity
from scoring.bands import GREEN, INSUFFICIENT
from scoring.evaluate import Evaluation
from scoring.facts import Facts
from scoring.rule_options import Rule
from scoring.state import News, Store
from scoring.tail import Tail
from scoring.times import HOUR, Int64, iso

Mask = NDArray[np.bool_]
EMPTY: Final = Tail()
"""Stands for the tail of an account that has none."""
_SHOWN: Final = 3


@dataclass(frozen=True, eq=False)
class Tick:
    """The accounts evaluated at a tick, after their bands were decided. `live`: which feeds speak."""

    store: Store
    rows: Int64
    facts: Facts
    evaluation: Evaluation
    live: Mapping[str, bool]

    @cached_property
    def band(self) -> NDArray[np.int8]:
        """Band codes as just decided."""
        band: NDArray[np.int8] = self.store.hot["band"][self.rows]
        return band

    @cached_property
    def bands(self) -> list[int]:
        """The same as plain numbers."""
        numbers: list[int] = self.band.tolist()
        return numbers

    @cached_property
    def row_numbers(self) -> list[int]:
        """The rows as plain numbers."""
        numbers: list[int] = self.rows.tolist()
        return numbers

    @cached_property
    def scored(self) -> Mask:
        """Whether there is enough data for a band."""
        return np.asarray(self.band != INSUFFICIENT)

    @cached_property
    def healthy(self) -> Mask:
        """Green, no open complaint, no invoice overdue: whom one may ask for something."""
        f = self.facts
        return np.asarray((self.band == GREEN) & (f.column("open_complaints") == 0) & ~f.overdue)

    def tail(self, i: int) -> Tail:
        """Tail of account i of the tick, to read."""
        return self.store.tails.get(int(self.rows[i]), EMPTY)

    def row(self, i: int) -> Any:  # noqa: ANN401 - a row of HOT
        """Columns of account i as they are now: bands and rhythm are decided after `facts` were taken."""
        return self.store.hot[self.rows[i]]

    def of(self, at: Int64) -> Facts:
        """Facts of a few accounts of the tick, where asking all of them would cost too much."""
        return Facts(self.store, self.rows[at], self.facts.now)

    def all(self, value: bool) -> Mask:
        """The same answer for every account."""
        return np.full(len(self.rows), value)


class Verdict(NamedTuple):
    """Per account: does the condition hold, can it be told at all, and would it keep an alert firing?

    `known` None: it can always be told. `keeps` None: what starts an alert also keeps it.
    """

    holds: Mask
    known: Mask | None = None
    keeps: Mask | None = None

    @property
    def stays(self) -> Mask:
        """Where the condition can be told, and keeps an alert firing."""
        stays = self.holds if self.keeps is None else self.keeps
        return stays if self.known is None else np.asarray(stays & self.known)

    def of(self, i: int, *, fires: bool) -> bool | None:
        """The condition of account i, by whether its alert fires already; None if it cannot be told."""
        if self.known is not None and not self.known[i]:
            return None
        return bool(self.holds[i] if self.keeps is None or not fires else self.keeps[i])


class Described(Protocol):
    """What every rule says of itself; the generated page of rules is made of it."""

    name: str
    kind: Kind
    severity: Severity
    when: str
    """When it fires, in plain words."""
    shows: str
    """What its evidence says."""
    play: str
    """What to do about it."""

    @property
    def options(self) -> Rule:
        """As in the model."""
        ...


class LevelRule(Described, Protocol):
    """A condition that holds or does not, decided at ticks."""

    hold_ms: int

    def verdict(self, tick: Tick) -> Verdict:
        """The condition over all accounts of a tick. Asked at every tick: columns first, the rest only where needed."""
        ...

    def evidence(self, tick: Tick, i: int) -> list[Evidence]:
        """Why it holds for account i of the tick."""
        ...


O_co = TypeVar("O_co", bound=Rule, covariant=True)


class Named(Generic[O_co]):
    """What all rules share: options and severity from the model."""

    name: str
    kind: Kind = Kind.RISK
    when: str
    shows: str
    play: str

    def __init__(self, options: O_co) -> None:
        self._options = options
        self.severity = Severity(options.severity)

    @property
    def options(self) -> O_co:
        """As in the model."""
        return self._options


class Level(Named[O_co]):
    """What the level rules share: the hold from the model."""

    def __init__(self, options: O_co) -> None:
        super().__init__(options)
        self.hold_ms = options.hold_hours * HOUR


class FactRule(Described, Protocol):
    """Something that happened once, told at the flush; over when nobody has to act on it any more."""

    def fires(self, store: Store, news: News) -> bool:
        """Whether this news of that name is one to tell."""
        ...

    def over(self, store: Store, row: int, item: str, at: int, now: int) -> bool:
        """Whether the item, which became known with an event of time `at`, is settled at tick `now`."""
        ...

    def forgotten(self, store: Store, row: int, item: str, now: int) -> bool:
        """Whether an item that is over may be dropped: nothing can make it fire again."""
        ...

    def evidence(self, store: Store, row: int, item: str) -> list[Evidence]:
        """What is known of the item."""
        ...


class Fact(Named[O_co]):
    """What the fact rules share: told at once, and forgotten when over."""

    def fires(self, store: Store, news: News) -> bool:
        """Every news of the rule's name."""
        del store
        return news.fact == self.name

    def forgotten(self, store: Store, row: int, item: str, now: int) -> bool:
        """As soon as it is over."""
        del store, row, item, now
        return True


class TickFactRule(FactRule, Protocol):
    """A fact that only the clock makes known."""

    def items(self, tick: Tick) -> list[tuple[int, str]]:
        """(place in the tick, item) of what stands now; told unless it was told before."""
        ...


def newest(tail: Tail, *prefixes: str, limit: int = _SHOWN) -> list[str]:
    """Ids of the newest notable events whose description begins with one of these."""
    return [i for _, i, what in reversed(tail.recent) if what.startswith(prefixes)][:limit]


def dated(tail: Tail, times: Collection[int], *prefixes: str) -> list[str]:
    """Ids of the notable events of these times whose description begins with one of these."""
    return [i for ts, i, what in tail.recent if ts in times and what.startswith(prefixes)]


def date(ms: int) -> str:
    """The day of a time, UTC."""
    return iso(ms)[:10]


def counted(n: int, noun: str) -> str:
    """`1 day`, `2 days`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
