"""Who hears of an alert: matchers, the tree, its file and the command that shows it."""

import random
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.matchers import LABELS, parse_matchers
from alerts.model import Alert, Kind, Phase, Reason, Severity
from alerts.route import FACTS, RISK_COOLDOWN_S, Router, Target, labels
from alerts.route_tree import RoutesError, outline, parse
from alerts.rules import catalogue
from streams.cli.alerts import alerts as command

EXAMPLE = Path(__file__).parents[2] / "examples/routes.yaml"
HEAD = """
receivers:
  - {name: all, sink: slack, channel: "#all"}
  - {name: big, sink: slack, channel: "#big"}
  - {name: mine, sink: slack, channel: "{owner}"}
  - {name: crm, sink: webhook}
owners: {Dana@example.com: U1}
"""


def make(**changes) -> Alert:
    values = {
        "id": "1" * 32, "phase": Phase.FIRING, "rule": "band_entered", "kind": Kind.RISK,
        "severity": Severity.CRITICAL, "reason": Reason.CONDITION_MET, "account_id": "a-1", "term": 0,
        "episode": "1", "at": 0, "tick": 0, "band": "red",
    }  # fmt: skip
    return Alert(**(values | changes))


def router(text: str) -> Router:
    return Router(parse(HEAD + text))


def receivers(router: Router, sink: str = "slack", **changes) -> list[str]:
    return [target.receiver for target in router.targets(make(**changes), sink).targets]


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ('tier="high_touch"', "high_touch", True),
        ('tier="high_touch"', "high_touch2", False),
        ("tier=high_touch", "high_touch", True),
        (' tier = "high_touch" ', "high_touch", True),
        ('{tier="high_touch"}', "high_touch", True),
        ('tier!="smb"', "", True),
        ('tier!="smb"', "smb", False),
        ('tier=~"warning|critical"', "critical", True),
        ('tier=~"warning|critical"', "criticals", False),
        ('tier!~".+"', "", True),
        ('tier!~".+"', "x", False),
        (r'tier="a \"b\", {c}\\"', 'a "b", {c}\\', True),
        (r'tier=~"\d+"', "42", True),
        ('tier=""', "", True),
    ],
)
def test_matcher(text, value, holds):
    """Matchers read as Alertmanager's: quoted or not, anchored, absent labels empty."""
    (matcher,) = parse_matchers(text)
    assert matcher.holds({"tier": value}) is holds
    assert matcher.holds({} if value == "" else {"tier": value}) is holds
    assert parse_matchers(str(matcher)) == [matcher]


def test_several_matchers():
    """One text may hold several matchers; all of them count."""
    found = parse_matchers('{tier="a", severity=~"x|y",owner!=""}')
    assert [str(matcher) for matcher in found] == ['tier="a"', 'severity=~"x|y"', 'owner!=""']


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('colour="red"', "no label 'colour'; labels are rule, severity"),
        ("tier", "is no matcher"),
        ('tier=="a"', "is no matcher"),
        ('tier="a" severity="b"', "is no matcher"),
        ('tier=~"("', "no regular expression"),
        ('tier="a', "is no matcher"),
    ],
)
def test_wrong_matchers(text, words):
    """What is no matcher is refused with the reason."""
    with pytest.raises(ValueError, match=words):
        parse_matchers(text)


NESTED = """
route:
  receiver: all
  group_wait: 1m
  routes:
    - matchers: ['kind="opportunity"']
      receiver: mute
    - receiver: crm
      continue: true
    - matchers: ['tier="high_touch"']
      group_limit: 2
      routes:
        - {matchers: ['severity="critical"'], receiver: big, continue: true, group_by: []}
        - {matchers: ['severity=~"critical|warning"'], receiver: mine, group_wait: 0s, cooldown: 12}
    - {matchers: ['segment!="smb"', 'segment=~".+"'], receiver: big}
"""


@pytest.mark.parametrize(
    ("attributes", "severity", "expected"),
    [
        ({"tier": "high_touch"}, "critical", ["big", "mine"]),
        ({"tier": "high_touch"}, "warning", ["mine"]),
        ({"tier": "high_touch"}, "info", ["all"]),
        ({"segment": "smb"}, "critical", []),
        ({"segment": "mid"}, "critical", ["big"]),
        ({}, "critical", []),
    ],
)
def test_the_deepest_match_wins(attributes, severity, expected):
    """An alert goes to the deepest node, to siblings only after `continue`; a node keeps only what no child takes at all."""
    changes = {"attributes": attributes, "severity": Severity(severity)}
    assert receivers(router(NESTED), **changes) == expected
    assert receivers(router(NESTED), "webhook", **changes) == ["crm"]


def test_mute():
    """A muted alert has no receiver, and that is said."""
    routing = router(NESTED).targets(make(kind=Kind.OPPORTUNITY), "slack")
    assert (routing.targets, routing.muted) == ((), True)


def test_options_are_inherited():
    """Each option comes from the nearest node that sets it, the rest from the defaults."""
    attributes = {"tier": "high_touch", "owner": "dana@EXAMPLE.com"}
    big, mine = router(NESTED).targets(make(attributes=attributes), "slack").targets
    assert big == Target(
        receiver="big", sink="slack", channel="#big", group_by=(), group=(), group_wait=60.0,
        group_limit=2, cooldown_ms=int(RISK_COOLDOWN_S * 1000),
    )  # fmt: skip
    assert mine == Target(
        receiver="mine", sink="slack", channel="U1", group_by=("owner",), group=("dana@EXAMPLE.com",),
        group_wait=0.0, group_limit=2, cooldown_ms=12 * 3_600_000,
    )  # fmt: skip


def test_unknown_owner_is_the_default_channel():
    """An owner that the map does not know leaves the channel to the sink."""
    channels = {
        owner: router("route: {receiver: mine}")
        .targets(make(attributes={"owner": owner}), "slack")
        .targets[0]
        .channel
        for owner in ("dana@example.com", "stranger@example.com", "")
    }
    assert channels == {"dana@example.com": "U1", "stranger@example.com": "", "": ""}


def test_cooldown_defaults():
    """Risks cool down for 30 days, opportunities and facts do not; a route may say otherwise, but not for facts."""
    plain, set_ = router("route: {receiver: all}"), router("route: {receiver: all, cooldown: 2d}")

    def days(router, **changes) -> float:
        return router.targets(make(**changes), "slack").targets[0].cooldown_ms / 86_400_000

    assert days(plain) == 30
    assert days(plain, kind=Kind.OPPORTUNITY) == 0
    assert days(set_) == days(set_, kind=Kind.OPPORTUNITY) == 2
    assert {days(set_, rule=rule) for rule in FACTS} == {0}
    assert set(catalogue.FACTS) | set(catalogue.TICK_FACTS) == FACTS


def test_without_a_file():
    """Without a routes file everything goes to every sink, at once and each time."""
    assert Router().targets(make(), "webhook").targets == (Target(sink="webhook"),)


def test_labels_of_an_alert():
    """Matchers see exactly the documented labels, as text, empty where nothing is known."""
    attributes = {"tier": "high_touch", "segment": None, "plan": 7, "mrr": 5}
    known = labels(make(attributes=attributes))
    assert tuple(known) == LABELS
    assert (
        known | {"account": "a-1", "tier": "high_touch", "segment": "", "plan": "7", "phase": "firing"}
        == known
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("route: {receiver: nobody}", "not declared: nobody"),
        ("route: {}", "root route needs a receiver"),
        ("route: {receiver: all, matchers: ['tier=a']}", "no matchers"),
        ("route: {receiver: all, colour: red}", "route.colour: Extra inputs"),
        ("route: {receiver: all, group_by: [colour]}", "route.group_by.0"),
        ("route: {receiver: all, group_wait: soon}", "'soon' is no duration"),
        ("route: {receiver: all, group_limit: 0}", "route.group_limit"),
        (
            "route: {receiver: all, routes: [{matchers: ['x=1']}]}",
            "route.routes.0: Value error, there is no label",
        ),
        ("route: [", "no YAML"),
        ("", "route: Field required"),
    ],
)
def test_wrong_files(text, words):
    """A wrong file is refused with the place of each fault."""
    with pytest.raises(RoutesError, match=re.escape(words)):
        parse(HEAD + text)


def test_reserved_and_double_receivers():
    """A receiver is declared once, and `mute` is always there."""
    text = "receivers: [{name: mute, sink: a}, {name: b, sink: a}, {name: b, sink: c}]\nroute: {receiver: b}"
    with pytest.raises(RoutesError, match="declared twice, or reserved: b, mute"):
        parse(text)


def test_tree_walk_equals_the_rule():
    """On random trees the receivers are those of the written rule: every deepest match, the first without `continue` last."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)

    def node(depth: int) -> dict:
        below = [node(depth - 1) for _ in range(chance.randrange(4))] if depth else []
        return {
            "matchers": [f'{label}="{chance.choice("ab")}"' for label in chance.sample(["tier", "segment"], chance.randrange(3))],
            "receiver": chance.choice(["all", "big", "mine"]), "continue": chance.random() < 0.4, "routes": below,
        }  # fmt: skip

    def heard(tree: dict, known: dict) -> list[str]:
        out: list[str] = []
        for child in tree["routes"]:
            if all(known[m.split("=")[0]] == m.split('"')[1] for m in child["matchers"]):
                out += heard(child, known)
                if not child["continue"]:
                    break
        return out or [tree["receiver"]]

    for _ in range(200):
        root = node(3) | {"matchers": []}
        known = {"tier": chance.choice("ab"), "segment": chance.choice("ab")}
        expected = list(dict.fromkeys(heard(root, known)))
        assert receivers(router(f"route: {root}"), attributes=known) == expected


def test_the_example_is_valid():
    """The routes file of the documentation is valid and tells its story."""
    tree = parse(EXAMPLE.read_text("utf-8"))
    assert outline(tree)[0] == "{} -> everyone"
    example, critical = Router(tree), {"tier": "high_touch", "owner": "dana@example.com"}
    assert receivers(example, attributes=critical) == ["leadership", "owner"]
    assert receivers(example, attributes={"lifecycle": "trial"}) == []
    assert receivers(example, kind=Kind.OPPORTUNITY) == ["sales"]
    assert receivers(example, attributes={"tier": "low_touch"}) == ["everyone"]
    assert receivers(example, "webhook") == ["crm"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--test", "tier=high_touch", "severity=critical", "owner=dana@example.com"], 0, "receiver owner: slack U012AB3CD"),
        (["--test", "lifecycle=trial"], 1, "nobody hears of it"),
        ([], 0, '  {kind="opportunity"} -> sales'),
        (["--test", "colour=red"], 2, "with a label of"),
        (["--test", "kind=gain"], 2, "kind is one of"),
        (["tier=smb"], 2, "for --test"),
    ],
)  # fmt: skip
def test_command(arguments, code, words):
    """The command prints the tree, or the way and the receivers of an alert, and exits 1 if nobody hears of it."""
    done = CliRunner().invoke(command, ["route", "--file", str(EXAMPLE), *arguments])
    assert done.exit_code == code
    assert words in " ".join(done.output.split()) or words in done.output


def test_command_with_a_wrong_file(tmp_path):
    """A wrong file is an environment fault, with a line for each fault."""
    file = tmp_path / "routes.yaml"
    file.write_text(HEAD + "route: {receiver: nobody, group_limit: 0}")
    done = CliRunner().invoke(command, ["route", "--file", str(file)])
    assert done.exit_code == 3
    assert "route.group_limit" in done.output
