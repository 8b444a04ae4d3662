"""An alert as it travels: what a rule says about an account, in which phase, and why."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Phase(StrEnum):
    """Where an alert stands; `no_data` means the condition cannot be told at the moment."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"
    NO_DATA = "no_data"


class Reason(StrEnum):
    """Why the machine decided as it did; also log field and metric label."""

    CONDITION_MET = "condition_met"
    HOLD_ELAPSED = "hold_elapsed"
    CONDITION_CLEARED = "condition_cleared"
    ACCOUNT_ENDED = "account_ended"
    FACT = "fact"
    TAKEOVER = "takeover"
    DATA_MISSING = "data_missing"
    DATA_RETURNED = "data_returned"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


class Kind(StrEnum):
    """Whether the alert warns of a loss or points at a gain."""

    RISK = "risk"
    OPPORTUNITY = "opportunity"


class Evidence(Struct, frozen=True, omit_defaults=True):
    """One reason in plain words, with the events behind it."""

    text: str
    events: list[str] = []


class Alert(Struct, frozen=True, kw_only=True):
    """One phase of one alert. `(id, phase, revision)` identifies it for ever.

    Times are milliseconds UTC, amounts minor units.
    """

    id: str
    phase: Phase
    rule: str
    kind: Kind
    severity: Severity
    reason: Reason
    account_id: str
    term: int
    episode: str
    at: int
    """Event time of the transition: the tick of a level, the fact's own time."""
    tick: int
    """The last tick when it was made."""
    score: int | None = None
    """Thousandths of a point."""
    band: str = "insufficient_data"
    previous_band: str | None = None
    coverage: int = 0
    """Thousandths of the enabled weight."""
    velocity_7d: int | None = None
    """Hundredths of a point."""
    velocity_28d: int | None = None
    revision: int = 0
    """Counts what was told again while it fires, because the band changed (reason `changed`)."""
    evidence: list[Evidence] = []
    drivers: list[Evidence] = []
    """The dimensions that cost the account most points, worst first, with their newest events."""
    history: list[int | None] = []
    """Score at the first tick of each of the last 30 days, oldest first, hundredths of a point; None: not scored."""
    play: str = ""
    attributes: dict[str, Any] = {}
    """Known account attributes: name, tier, segment, owner, csm, mrr (minor units), currency, renewal_date, ..."""
    model: str = ""
    """Hash of the model that scored it."""


def alert_id(account_id: str, rule: str, term: int, episode: str | int) -> str:
    """First 16 bytes, hex, of SHA-256 over the NUL-joined parts: the same after any replay."""
    digest = hashlib.sha256("\0".join((account_id, rule, str(term), str(episode))).encode())
    return digest.hexdigest()[:32]


encode_alert: Final = msgspec.json.Encoder(order="deterministic").encode
decode_alert: Final = msgspec.json.Decoder(Alert).decode
