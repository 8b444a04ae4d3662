"""The drawing of the dashboard: what a series says is where it has to be."""

import importlib
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

GRAFANA = Path(__file__).parents[2] / "deploy/grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards/accountpulse.json").read_text("utf-8"))
SPAN = (1_000.0, 1_010.0)


@pytest.fixture(scope="module")
def chart():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(GRAFANA))
        return importlib.import_module("chart")


@pytest.fixture(scope="module")
def render(chart):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(GRAFANA))
        return importlib.import_module("render")


def spec(*, style="line", stacking="none", unit="short", **more):
    custom = {"drawStyle": style, "stacking": {"mode": stacking}, "fillOpacity": 10}
    field = {"defaults": {"unit": unit, "custom": custom}, "overrides": more.pop("overrides", [])}
    return {
        "type": "timeseries",
        "title": "T",
        "description": "D.",
        "fieldConfig": field,
        "options": {},
    } | more


def drawn(chart, series, **options):
    box = chart.Box(0, 0, 52 + 100 + 12, 30 + 100 + 44)  # the plot itself is 100 x 100 pixels
    told = [chart.Series(name, points) for name, points in series.items()]
    return ElementTree.fromstring(chart.panel(spec(**options), box, told, SPAN, 1.0))


def curves(svg):
    """The points of every line, as parts of the plot from its lower left corner."""
    out = []
    for path in svg.iter("path"):
        if path.get("fill") == "none":
            pairs = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d"))
            out.append(
                [(round((float(x) - 52) / 100, 2), round((130 - float(y)) / 100, 2)) for x, y in pairs]
            )
    return out


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0, "s", "0"), (0.25, "s", "250 ms"), (90, "s", "1.5 min"), (7_200, "s", "2 h"), (172_800, "s", "2 d"),
        (12.5, "eps", "12.5/s"), (15_000, "short", "15k"), (9_999, "short", "9999"),
    ],
)  # fmt: skip
def test_words(chart, value, unit, said):
    """Values are shown in their unit, short enough for an axis."""
    assert chart.words(value, unit) == said


@pytest.mark.parametrize(
    ("value", "unit", "top"),
    [(0, "short", 1), (7, "short", 10), (10, "short", 10), (10.1, "short", 20), (130, "s", 150), (100 * 86_400, "s", 8_640_000)],
)  # fmt: skip
def test_top_of_the_axis(chart, value, unit, top):
    """The axis ends at a round number that is not below the largest value."""
    assert chart.top_of(value, unit) == top


def test_a_line_is_where_its_values_are(chart):
    """A line runs through its values, on a plot from 0 to a round number and over the whole span."""
    [line] = curves(drawn(chart, {"a": [(1_000, 0), (1_001, 5), (1_002, 10)]}))
    assert line == [(0.0, 0.0), (0.1, 0.5), (0.2, 1.0)]


def test_stacked_areas_lie_on_each_other(chart):
    """The second of two stacked series begins where the first ends; the axis has room for both."""
    first, second = curves(
        drawn(
            chart,
            {"a": [(1_000, 4), (1_001, 4)], "b": [(1_000, 1), (1_001, 6)]},
            stacking="normal",
        )
    )
    assert (first, second) == ([(0.0, 0.4), (0.1, 0.4)], [(0.0, 0.5), (0.1, 1.0)])


def test_gaps_stay_gaps(chart):
    """Nothing is drawn across moments without a value, be they missing or not a number."""
    points = [(1_000, 1), (1_001, 1), (1_004, 1), (1_005, math.nan), (1_006, 1)]
    assert [len(line) for line in curves(drawn(chart, {"a": points}))] == [2, 1, 1]


def test_bars_end_at_their_moment(chart):
    """A bar stands left of the moment that counted it, one step wide at most, and as high as its value."""
    svg = drawn(chart, {"a": [(1_010, 10)]}, style="bars", stacking="normal")
    [bar] = [rect for rect in svg.iter("rect") if rect.get("fill-opacity")]
    x, width, height = (float(bar.get(name)) for name in ("x", "width", "height"))
    assert (x + width, height) == (152, 100)
    assert 0 < width <= 10


def test_legend_and_colours(chart):
    """A series has the colour that the panel gives its name; names that do not fit are counted; foreign text is escaped."""
    red = {"matcher": {"options": "red"}, "properties": [{"value": {"fixedColor": "red"}}]}
    many = {"red": [(1_000, 1)], "<b>": [(1_000, 1)], **{f"series {n}": [(1_000, 1)] for n in range(9)}}
    svg = drawn(chart, many, overrides=[red])
    told = [text.text for text in svg.iter("text")]
    assert {"red", "<b>"} <= set(told)
    shown = sum(name in told for name in many)
    assert f"+{len(many) - shown} more" in told
    assert next(path.get("stroke") for path in svg.iter("path") if path.get("fill") == "none") == "#f2495c"


def test_no_data_is_said(chart):
    """A panel without a value says so and draws no axis."""
    svg = drawn(chart, {"a": [(1_000, math.nan)]})
    assert [text.text for text in svg.iter("text")] == ["T", "no data"]


def test_whole(render):
    """Every panel asks each of its queries once, with nothing left to fill in, and has its place in the picture."""
    asked = []

    def ask(path, query, **arguments):
        asked.append(query)
        assert "$" not in query
        value = [SPAN[1], "7"]
        return {
            "result": [
                {"metric": {"band": "red"}} | ({"value": value} if path == "query" else {"values": [value]})
            ]
        }

    svg = ElementTree.fromstring(render.draw(DASHBOARD, ask, SPAN, 1))
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len(asked) == sum(len(panel["targets"]) for panel in panels)
    told = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {panel["title"] for panel in DASHBOARD["panels"]} <= set(told)


def test_program():
    """The program says how it is called, and ends with an error where no Prometheus answers."""
    call = [sys.executable, str(GRAFANA / "render.py")]
    told = subprocess.run([*call, "--help"], capture_output=True, text=True, check=True).stdout
    assert "--minutes" in told
    away = subprocess.run(
        [*call, "http://127.0.0.1:1", "out.svg"], capture_output=True, text=True, check=False
    )
    assert away.returncode != 0
    assert not Path("out.svg").exists()
