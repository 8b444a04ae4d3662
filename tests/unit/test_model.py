"""The model file: what is refused, what the hash covers, and that the default model is sound."""

import pytest
import yaml
from pydantic import ValidationError

from scoring.evaluate import Scorer
from scoring.layout import TIERS
from scoring.model import default_model, parse_model
from scoring.signals.registry import SIGNALS, unusable

DEFAULT = default_model().model_dump(mode="json")


def changed(path: str, value: object) -> str:
    """The default model as YAML with one value set."""
    told = yaml.safe_load(yaml.safe_dump(DEFAULT, sort_keys=False))
    *way, last = path.split(".")
    at = told
    for step in way:
        at = at[step]
    at[last] = value
    told = {k: v for k, v in told.items() if v is not None}
    for dimension in told["dimensions"].values():
        if isinstance(dimension, dict):
            dimension["signals"] = {
                n: {k: v for k, v in s.items() if v is not None} for n, s in dimension["signals"].items()
            }
    return yaml.safe_dump(told, sort_keys=False)


NPS = "dimensions.sentiment.signals.nps"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("bands.red", 50_000, "red <= red_exit"),
        ("bands.hold_hours", {"purple": 1}, "hold_hours"),
        ("minimum_coverage", 1001, "minimum_coverage"),
        ("colour", "blue", "colour"),
        ("dimensions.weather", DEFAULT["dimensions"]["support"], "weather"),
        (f"{NPS}.curve", [[0, 0]], "two points"),
        (f"{NPS}.curve", [[5, 0], [5, 10]], "ascending"),
        (f"{NPS}.curve", [[0, 0], [5, 100_001]], "100000"),
        (f"{NPS}.weight", 0, "weight"),
        ("dimensions.product_usage.signals.usage_trend.recent_days", 60, "at most 120"),
        ("tier_rules", [{"tier": "high_touch"}], "either"),
        ("dimensions.support.weight", {"no_touch": 5}, "no_touch"),
        ("exchange_rates", {"EUR": 0}, "exchange_rates"),
    ],
)
def test_refused(path, value, told):
    """A model that cannot mean anything is refused with the place and the reason."""
    if path.endswith("recent_days"):
        value = 60
        text = changed(path, value).replace("baseline_days: 76", "baseline_days: 90")
    else:
        text = changed(path, value)
    with pytest.raises(ValidationError, match=told):
        parse_model(text)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("dimensions.sentiment.signals.mood", {"weight": 1, "curve": [[0, 0], [1, 1]]}, "no such signal"),
        (f"{NPS}.window_weeks", 3, "does not use the option window_weeks"),
        (f"{NPS}.half_life_days", None, "needs the option half_life_days"),
        (
            "dimensions.community.signals.community_activity.window_weeks",
            15,
            "window_weeks may be 14 at most",
        ),
    ],
)
def test_signals_that_do_not_fit(path, value, told):
    """A model that names unknown signals, or options a signal does not use or lacks, makes no scorer."""
    with pytest.raises(ValueError, match=told):
        Scorer(parse_model(changed(path, value)))


def test_hash_covers_what_decides():
    """Changing any number that decides a score changes the hash; spelling the same model another way does not."""
    same = parse_model(
        yaml.safe_dump(yaml.safe_load(changed("name", "default")), sort_keys=False, default_flow_style=True)
    )
    assert same.hash == default_model().hash
    others = {
        parse_model(changed(p, v)).hash
        for p, v in [("bands.red", 39_000), (f"{NPS}.weight", 49), ("exchange_rates", {"EUR": 1.1})]
    }
    assert len(others | {same.hash}) == 4


def test_default_model():
    """The default model fits its signals, uses every one of them, and each tier has weight in it."""
    model = default_model()
    assert unusable(model) == []
    assert {name for d in model.dimensions.values() for name in d.signals} == set(SIGNALS)
    assert all(sum(model.weights(d)[i] for d in model.dimensions) > 0 for i in range(len(TIERS)))
    assert model.calibration == "none"
