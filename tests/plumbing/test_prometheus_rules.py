"""The alerts about the installation: valid, proven to fire and to be silent, and each with a way out in the docs."""

import re
from pathlib import Path

import pytest
import yaml

from streams import metrics, notifier_metrics, view_metrics
from tests.plumbing.prometheus_server import DEPLOY, checked

ROOT = Path(__file__).parents[2]
FILE = DEPLOY / "prometheus/rules/accountpulse.yml"
TESTS = DEPLOY / "prometheus/tests/accountpulse.yml"
RULES = [rule for group in yaml.safe_load(FILE.read_text("utf-8"))["groups"] for rule in group["rules"]]
CASES = [
    case for test in yaml.safe_load(TESTS.read_text("utf-8"))["tests"] for case in test["alert_rule_test"]
]
SUFFIX = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
each = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


def served() -> set[str]:
    """Names of all series that the roles serve."""
    listed = (*metrics.METRICS, *notifier_metrics.METRICS, *view_metrics.METRICS)
    return {metrics.PREFIX + metric.name + suffix for metric in listed for suffix in SUFFIX[metric.kind]}


def test_configuration():
    """Prometheus accepts its configuration with the rules, and Alertmanager its own."""
    assert f"{len(RULES)} rules found" in checked(
        "promtool", "check", "config", str(DEPLOY / "prometheus/prometheus.yml")
    )
    assert "SUCCESS" in checked("amtool", "check-config", str(DEPLOY / "alertmanager/alertmanager.yml"))


def test_rules_fire_and_are_silent():
    """Every unit test of the rules passes."""
    assert "SUCCESS" in checked("promtool", "test", "rules", str(TESTS))


@each
def test_is_tested_both_ways(rule):
    """A unit test expects the alert to fire, and one expects it not to."""
    expected = [bool(case["exp_alerts"]) for case in CASES if case["alertname"] == rule["alert"]]
    assert set(expected) == {True, False}


@each
def test_says_what_to_do(rule):
    """An alert has a severity, one sentence, and a section of docs/deploy.md."""
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith((".", "?"))
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (\w+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}
    assert anchor == rule["alert"].lower()


@each
def test_metrics_exist(rule):
    """An alert asks for series that the roles serve."""
    assert set(re.findall(r"accountpulse_\w+", rule["expr"])) - served() == set()


def test_inhibition_names_alerts():
    """What Alertmanager holds back are alerts of ours."""
    config = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text("utf-8"))
    names = {rule["alert"] for rule in RULES}
    for inhibit in config["inhibit_rules"]:
        [source] = re.findall(r'alertname="(\w+)"', " ".join(inhibit["source_matchers"]))
        [target] = re.findall(r'alertname=~"(.+)"', " ".join(inhibit["target_matchers"]))
        assert source in names
        prefix, options = re.fullmatch(r"(\w+)\((.*)\)\.\*", target).groups()
        assert all(any(name.startswith(prefix + option) for name in names) for option in options.split("|"))
