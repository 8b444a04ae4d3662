"""Signals that an installed package adds: found by entry point, named by a model, scored like the built-in ones."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoring.evaluate import Scorer
from scoring.facts import Facts
from scoring.model import parse_model
from scoring.signals.registry import SIGNALS, account_signal
from scoring.times import DAY
from streams.extensions import ExtensionError, load_signals
from tests.property.feeds import START, event, tell

EXAMPLE = Path(__file__).parents[2] / "examples/custom_signal.py"
MODEL = """
name: custom
dimensions:
  product_usage:
    weight: {low_touch: 1}
    signals:
      weekend_use: {weight: 1, curve: [[0, 50000], [4, 100000]]}
      plan_fit: {weight: 1, options: {plan: enterprise, seats: 50}, curve: [[0, 0], [1000, 100000]]}
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example as an installed package that offers its signals."""
    shutil.copy(EXAMPLE, tmp_path)
    info = tmp_path / "acme_signals-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-signals\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[accountpulse.signals]\nacme = custom_signal\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(SIGNALS)
    monkeypatch.delitem(sys.modules, "custom_signal", raising=False)
    yield info
    SIGNALS.clear()
    SIGNALS.update(before)


def test_a_model_may_name_signals_of_an_installed_package(installed: Path) -> None:
    """Both kinds score by their curve, many accounts as each alone, and are missing where they say so."""
    assert load_signals() == ["acme"]
    saturday = START - START % (7 * DAY) + 2 * DAY  # 1970-01-01 was a Thursday
    events = [
        event("account", saturday, "big", action="created", plan="enterprise", seats=25),
        event("usage", saturday, "big"),
        event("usage", saturday + DAY, "big"),
        event("account", saturday, "other", action="created", plan="team", seats=25),
        event("usage", saturday + 2 * DAY, "other"),
    ]
    store = tell(events, saturday + 3 * DAY).store
    scorer = Scorer(parse_model(MODEL))
    rows = {name: store.index[name.encode()] for name in ("big", "other")}
    found = scorer.evaluate(Facts(store, slice(0, store.n), saturday + 3 * DAY)).signals
    assert {n: int(found["weekend_use"][row]) for n, row in rows.items()} == {"big": 75_000, "other": 50_000}
    assert {n: int(found["plan_fit"][row]) for n, row in rows.items()} == {"big": 50_000, "other": -1}
    for row in rows.values():
        alone = scorer.evaluate(Facts(store, slice(row, row + 1), saturday + 3 * DAY)).signals
        assert {s: int(v[0]) for s, v in alone.items()} == {s: int(v[row]) for s, v in found.items()}


def test_a_broken_extension_is_named(installed: Path) -> None:
    """What cannot be imported is an error with the entry's name, not a model that lacks a signal."""
    (installed / "entry_points.txt").write_text("[accountpulse.signals]\nbroken = no_such_module\n")
    with pytest.raises(ExtensionError, match=r"broken.*no_such_module"):
        load_signals()


@pytest.mark.parametrize(("told", "scored"), [(1e300, 100_000), (-1e300, 0)])
def test_a_number_beyond_any_curve_scores_as_its_end(
    monkeypatch: pytest.MonkeyPatch, told: float, scored: int
) -> None:
    """A signal may tell more than 64 bits hold: that is more, or less, than any point of its curve."""
    monkeypatch.setitem(SIGNALS, "boundless", SIGNALS["usage_trend"])  # taken out again after the test

    @account_signal()
    def boundless(_account: object, _options: object) -> float:
        return told

    store = tell([event("usage", START)], START + DAY).store
    model = parse_model(
        """
name: custom
dimensions:
  product_usage:
    weight: {low_touch: 1}
    signals:
      boundless: {weight: 1, curve: [[-5, 0], [1000, 100000]]}
"""
    )
    found = Scorer(model).evaluate(Facts(store, slice(0, 1), START + DAY)).signals
    assert found["boundless"].tolist() == [scored]
