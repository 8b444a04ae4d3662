"""Matchers in Alertmanager's syntax: `tier="high_touch"`, `severity=~"warning|critical"`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

LABELS: Final = (
    "rule", "severity", "kind", "phase", "band", "tier", "segment", "owner", "csm", "plan", "lifecycle", "account",
)  # fmt: skip
_MATCHER: Final = re.compile(
    r"""\s*([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s",{}=!~]+)\s*(?:,|$)""", re.ASCII
)
_ESCAPE: Final = re.compile(r'\\(["\\n])')


class Matcher(Struct, frozen=True):
    """One condition on one label. A label that is not known counts as empty."""

    label: str
    operator: str
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy it; regular expressions match the whole value."""
        actual = labels.get(self.label, "")
        equal = re.fullmatch(self.value, actual) is not None if "~" in self.operator else actual == self.value
        return equal != self.operator.startswith("!")

    def __str__(self) -> str:
        value = self.value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
        return f'{self.label}{self.operator}"{value}"'


def parse_matchers(text: str) -> list[Matcher]:
    """The matchers of one text: one, or several with commas, in braces or not. Raises ValueError."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    found, at = [], 0
    while at < len(inner):
        match = _MATCHER.match(inner, at)
        if match is None:
            raise ValueError(f'{text!r} is no matcher: write label="value", with = or != or =~ or !~')
        found.append(_matcher(*match.groups()))
        at = match.end()
    return found


def _matcher(label: str, operator: str, value: str) -> Matcher:
    if label not in LABELS:
        raise ValueError(f"there is no label {label!r}; labels are {', '.join(LABELS)}")
    if value.startswith('"'):
        value = _ESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], value[1:-1])
    if "~" in operator:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from None
    return Matcher(label, operator, value)
