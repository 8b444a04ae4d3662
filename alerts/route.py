"""Who hears of an alert: the way of an alert through the tree of routes. Pure.

An alert walks down from the root into the first child whose matchers all hold (into further ones after a child
with `continue`); the deepest node it reaches names the receiver. Options come from the nearest node that sets them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from alerts.matchers import LABELS
from alerts.model import Alert, Kind
from alerts.route_tree import MUTE, Receiver, Route, Tree, words

FACTS: Final = frozenset(
    {
        "auto_renew_off",
        "churn_notice",
        "complaint",
        "payment_failure",
        "renewal_approaching",
        "sponsor_departed",
    }
)
"""Rules about single events: each is news, so they never cool down and wait for no group, whatever their severity."""
RISK_COOLDOWN_S: Final = 30 * 86_400.0
_TEMPLATE: Final = re.compile(r"\{(owner|csm)\}")


class Target(Struct, frozen=True, kw_only=True):
    """One receiver of an alert, under the options of the route that chose it."""

    receiver: str = ""
    """Empty without a routes file: the sink as a whole."""
    sink: str
    channel: str = ""
    """Empty: the sink's default."""
    group_by: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    """Values of the labels `group_by`."""
    group_wait: float = 0.0
    """Seconds; 0: alerts are not grouped."""
    group_limit: int = 5
    cooldown_ms: int = 0


class Routing(Struct, frozen=True):
    """Where an alert goes, and the ways through the tree that led there."""

    targets: tuple[Target, ...]
    muted: bool = False
    paths: tuple[str, ...] = ()


class Router:
    """Answers for one routes file, or without one: everything to every sink at once."""

    def __init__(self, tree: Tree | None = None) -> None:
        self._tree = tree
        self._receivers = {receiver.name: receiver for receiver in tree.receivers} if tree else {}
        self._owners = {owner.casefold(): place for owner, place in tree.owners.items()} if tree else {}

    def route(self, alert: Alert) -> Routing:
        """All receivers of an alert, whatever their sink; without a routes file nobody in particular."""
        return self.route_labels(labels(alert), alert.kind)

    def route_labels(self, known: Mapping[str, str], kind: Kind) -> Routing:
        """The same from labels alone; one that is not given is empty."""
        if self._tree is None:
            return Routing(())
        targets: dict[str, Target] = {}
        paths, muted = [], False
        for way in _ways(self._tree.route, "root", known):
            path, options = " > ".join(step for step, _ in way), _options([node for _, node in way])
            paths.append(f"{path} -> {options['receiver']}")
            muted |= options["receiver"] == MUTE
            if options["receiver"] != MUTE:
                targets.setdefault(options["receiver"], self._target(options, known, kind))
        return Routing(tuple(targets.values()), muted, tuple(paths))

    def targets(self, alert: Alert, sink: str) -> Routing:
        """The receivers of an alert at one sink."""
        if self._tree is None:
            return Routing((Target(sink=sink),))
        routing = self.route(alert)
        here = tuple(target for target in routing.targets if target.sink == sink)
        return Routing(here, routing.muted, routing.paths)

    def target(self, name: str, alert: Alert, sink: str) -> Target | None:
        """A receiver that was told before, whatever the routes say now; None if it is gone."""
        if not name:
            return Target(sink=sink)
        receiver = self._receivers.get(name)
        if receiver is None or receiver.sink != sink:
            return None
        return Target(receiver=name, sink=sink, channel=self._channel(receiver, labels(alert)))

    def _target(self, options: Mapping[str, Any], known: Mapping[str, str], kind: Kind) -> Target:
        receiver = self._receivers[options["receiver"]]
        cooldown = options["cooldown"]
        if cooldown is None:
            cooldown = RISK_COOLDOWN_S if kind is Kind.RISK else 0.0
        return Target(
            receiver=receiver.name,
            sink=receiver.sink,
            channel=self._channel(receiver, known),
            group_by=tuple(options["group_by"]),
            group=tuple(known.get(label, "") for label in options["group_by"]),
            group_wait=options["group_wait"],
            group_limit=options["group_limit"],
            cooldown_ms=0 if known.get("rule") in FACTS else int(cooldown * 1000),
        )

    def _channel(self, receiver: Receiver, known: Mapping[str, str]) -> str:
        channel = receiver.channel or ""
        if template := _TEMPLATE.fullmatch(channel):
            return self._owners.get(known.get(template[1], "").casefold(), "")
        return channel


def labels(alert: Alert) -> dict[str, str]:
    """What matchers see of an alert; an attribute that is not known is empty."""
    attributes = alert.attributes
    own = {
        "rule": alert.rule,
        "severity": alert.severity.value,
        "kind": alert.kind.value,
        "phase": alert.phase.value,
        "band": alert.band,
        "account": alert.account_id,
    }
    return {label: own[label] if label in own else str(attributes.get(label) or "") for label in LABELS}


Step = tuple[str, Route]


def _ways(node: Route, name: str, known: Mapping[str, str]) -> list[list[Step]]:
    """The ways from a node that matches to the nodes where the alert ends, as Alertmanager finds them."""
    here, found = (f"{name} {words(node)}" if node.matchers else name, node), []
    for number, child in enumerate(node.routes):
        if all(matcher.holds(known) for matcher in child.parsed):
            found += [[here, *way] for way in _ways(child, f"routes[{number}]", known)]
            if not child.continue_:
                break
    return found or [[here]]


_DEFAULTS: Final[dict[str, Any]] = {
    "receiver": None,
    "group_by": ["owner"],
    "group_wait": 30.0,
    "group_limit": 5,
    "cooldown": None,
}


def _options(way: list[Route]) -> dict[str, Any]:
    options = dict(_DEFAULTS)
    for node in way:
        options |= {name: getattr(node, name) for name in _DEFAULTS if getattr(node, name) is not None}
    return options
