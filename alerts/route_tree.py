"""The routes file: receivers and a tree of routes, validated. Pure.

The tree is read as Alertmanager reads its own; what is wrong is said with its place, one fault a line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from alerts.matchers import LABELS, Matcher, parse_matchers

MUTE: Final = "mute"
"""A receiver that is always there and tells nobody."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class RoutesError(ValueError):
    """The routes file is wrong; the message says where and how, one fault a line."""


def _duration(unit: str) -> BeforeValidator:
    def seconds(value: object) -> float:
        match = re.fullmatch(r"(\d{1,9})([smhd]?)", str(value))
        if match is None:
            raise ValueError(f"{value!r} is no duration: give a whole number and s, m, h or d, as in 30s")
        return float(int(match[1]) * _UNITS[match[2] or unit])

    return BeforeValidator(seconds)


Label = Annotated[str, Field(pattern=f"^({'|'.join(LABELS)})$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Receiver(_Strict):
    """A name for one place alerts go to: a sink, and for Slack a channel.

    The channel may be `{owner}` or `{csm}`: what the map `owners` gives for that attribute, else the default channel.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    sink: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    channel: Annotated[str, Field(min_length=1, max_length=80)] | None = None


class Route(_Strict):
    """A node of the tree. Durations in seconds once read; a bare number means seconds, for `cooldown` hours."""

    receiver: str | None = None
    matchers: list[str] = []
    continue_: Annotated[bool, Field(alias="continue")] = False
    group_by: list[Label] | None = None
    group_wait: Annotated[float, _duration("s"), Field(le=3_600)] | None = None
    group_limit: Annotated[int, Field(ge=1, le=40)] | None = None
    cooldown: Annotated[float, _duration("h")] | None = None
    routes: list[Route] = []

    @property
    def parsed(self) -> list[Matcher]:
        """Its matchers. Raises ValueError."""
        return [matcher for text in self.matchers for matcher in parse_matchers(text)]

    @model_validator(mode="after")
    def _readable(self) -> Route:
        _ = self.parsed
        return self


class Tree(_Strict):
    """A routes file."""

    route: Route
    receivers: list[Receiver] = []
    owners: dict[str, Annotated[str, Field(min_length=1, max_length=80)]] = {}
    """Owner or CSM, as in the account's attributes -> Slack channel or user id."""

    @model_validator(mode="after")
    def _whole(self) -> Tree:
        names = [receiver.name for receiver in self.receivers]
        if twice := sorted({name for name in names if names.count(name) > 1 or name == MUTE}):
            raise ValueError(f"receivers declared twice, or reserved: {', '.join(twice)}")
        used = {node.receiver for node in _nodes(self.route) if node.receiver}
        if unknown := sorted(used - {*names, MUTE}):
            raise ValueError(f"routes name receivers that are not declared: {', '.join(unknown)}")
        if self.route.receiver is None or self.route.matchers:
            raise ValueError(
                "the root route needs a receiver and no matchers: it takes what no other route takes"
            )
        return self

    def gaps(self, sinks: Collection[str]) -> list[str]:
        """Where the file and the sinks of a notifier do not meet: right only if another notifier has the rest."""
        named = {receiver.sink for receiver in self.receivers}
        return [
            *(
                f"the routes name the sink {sink}, which this notifier does not have"
                for sink in sorted(named - {*sinks})
            ),
            *(
                f"no receiver of the routes uses the sink {sink}: it gets nothing"
                for sink in sorted({*sinks} - named)
            ),
        ]


def parse(text: str) -> Tree:
    """The tree of a routes file. Raises RoutesError."""
    try:
        return Tree.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise RoutesError(f"no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        lines = (f"{'.'.join(map(str, f['loc'])) or 'file'}: {f['msg']}" for f in faults)
        raise RoutesError("\n".join(lines)) from None


def outline(tree: Tree) -> list[str]:
    """The tree as indented lines, one a node."""
    return _outline(tree.route, 0)


def _outline(node: Route, depth: int) -> list[str]:
    receiver = f" -> {node.receiver}" if node.receiver else ""
    line = f"{'  ' * depth}{words(node)}{receiver}{' (continue)' if node.continue_ else ''}"
    return [line, *(below for child in node.routes for below in _outline(child, depth + 1))]


def words(node: Route) -> str:
    """The matchers of a node."""
    return f"{{{', '.join(map(str, node.parsed))}}}"


def _nodes(node: Route) -> Iterator[Route]:
    yield node
    for child in node.routes:
        yield from _nodes(child)
