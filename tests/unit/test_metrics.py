"""The metrics of the three roles: the lists are what is served, and the page is what the lists say."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from alerts.sending import Fate
from streams import metric_docs, notifier_metrics, view_metrics
from streams.app import create_worker
from streams.cli.main import app
from streams.metrics import PREFIX
from streams.settings import Kafka, Settings

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text("utf-8")
ROLES = {role.name: role for role in metric_docs.ROLES}


async def served(role: str) -> CollectorRegistry:
    """What a role serves that has just been made."""
    registry = CollectorRegistry()
    if role == "notifier":
        notifier_metrics.Metrics(registry).begin("stdout")
    elif role == "view":
        view_metrics.Metrics(registry)
    else:
        worker = create_worker(Settings(kafka=Kafka(bootstrap="127.0.0.1:1")))
        await worker.producer.stop()
        return worker.registry
    return registry


@pytest.mark.parametrize("role", ROLES)
async def test_lists_are_what_is_served(role):
    """A role serves exactly the metrics of its list, with kind, help and labels as listed."""
    found = {family.name: family for family in (await served(role)).collect()}
    assert set(found) == {PREFIX + metric.name for metric in ROLES[role].metrics}
    for metric in ROLES[role].metrics:
        family = found[PREFIX + metric.name]
        assert (family.type, family.documentation) == (metric.kind.value, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample


@pytest.mark.parametrize("role", ROLES)
async def test_counters_begin_at_zero(role):
    """Counters are there before anything was counted, for exactly the values that the page lists."""
    for family in (await served(role)).collect():
        if family.type != "counter":
            continue
        told = {}
        for sample in family.samples:
            assert sample.value == 0 or sample.name.endswith("_created")
            for label, value in sample.labels.items():
                told.setdefault(label, set()).add(value)
        known = {label: set(map(str, values)) for label, values in ROLES[role].values.items()}
        wrong = {label: values for label, values in told.items() if label in known and values != known[label]}
        wrong.pop("phase", None)  # inactive is never published
        assert wrong == {}, family.name


def test_page():
    """docs/metrics.md is what `accountpulse schema metrics` prints, and names every role, metric and fate."""
    printed = CliRunner().invoke(app, ["schema", "metrics"])
    assert (printed.exit_code, printed.stdout) == (0, PAGE)
    for role in ROLES.values():
        section = PAGE[PAGE.index(f"## {role.name.capitalize()}\n") :]
        assert all(f"| `{PREFIX}{metric.name}` |" in section for metric in role.metrics)
    assert all(fate in PAGE for fate in Fate)


def test_no_metric_twice():
    """No two roles serve metrics of one name: what the page says of a name is true wherever it is seen."""
    names = [metric.name for role in metric_docs.ROLES for metric in role.metrics]
    assert len(set(names)) == len(names)
