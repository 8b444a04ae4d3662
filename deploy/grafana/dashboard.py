"""Writes dashboards/accountpulse.json: `make dashboards`. Change the dashboard here, not in Grafana.

A panel is a title, what it tells, a unit and its queries; the rest is the same for all.
"""  # noqa: INP001 - a program, not a package

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders.common import StackingConfig, VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, DynamicConfigValue

OUT: Final = Path(__file__).with_name("dashboards") / "accountpulse.json"
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {"red": "red", "amber": "orange", "green": "green", "insufficient_data": "#8e8e8e"}
)
WIDTH: Final = 24


class P(NamedTuple):
    """A panel: `queries` maps the legend to the expression; `width` is of 24."""

    title: str
    tells: str
    unit: str
    queries: Mapping[str, str]
    width: int = 8
    stacked: bool = False
    bars: bool = False
    stat: bool = False


def quantiles(histogram: str) -> dict[str, str]:
    """Median, p95 and p99 of a histogram of seconds."""
    rate = f"sum by (le) (rate(accountpulse_{histogram}_bucket[$__rate_interval]))"
    return {
        name: f"histogram_quantile({q}, {rate})" for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


def per_bar(counter: str, by: str) -> str:
    """How much a counter grew from bar to bar; `increase` over `$__interval` misses what falls between two windows."""
    return f"sum by ({by}) (rate(accountpulse_{counter}[$__rate_interval])) * $__interval_ms / 1000"


ROWS: Final[Mapping[str, tuple[P, ...]]] = MappingProxyType(
    {
        "Fleet": (
            P("Accounts", "Accounts that are scored.", "short",
              {"accounts": "sum(accountpulse_accounts)"}, 4, stat=True),
            P("Red accounts", "Accounts in the red band now.", "short",
              {"red": 'sum(accountpulse_scores{band="red"}) or vector(0)'}, 4, stat=True),
            P("Alerts in 24 hours", "Rules about accounts that fired, whether or not somebody was told.", "short",
              {"alerts":
               'round(sum(increase(accountpulse_alert_transitions_total{phase="firing"}[24h]))) or vector(0)'},
              4, stat=True),
            P("Model and release", "Release and model, and how many workers run them.",
              "short",
              {"{{version}}, model {{model}}": "count by (version, model) (accountpulse_build_info)"}, 12, stat=True),
            P("Accounts by band", "A band moves at a tick, after its hold.", "short",
              {"{{band}}": "sum by (band) (accountpulse_scores)"}, 8, stacked=True),
            P("Accounts by band and tier", "The same, per tier.", "short",
              {"{{tier}} {{band}}": "sum by (tier, band) (accountpulse_scores)"}, 8, stacked=True),
            P("Threshold crossings by rule and severity", "Alerts that began to fire.", "short",
              {"{{rule}} ({{severity}})":
               per_bar('alert_transitions_total{phase="firing"}', "rule, severity") + " > 0"},
              8, stacked=True, bars=True),
        ),
        "Freshness": (
            P("Score age", "How long scores that changed wait for publication; above a minute, read on below.", "s",
              {"{{instance}}": "max by (instance) (accountpulse_score_age_seconds)"}),
            P("Stream-clock lag", "How far a partition's clock is behind wall time; up to a tick is normal.", "s",
              {"partition {{partition}}": "max by (partition) (accountpulse_clock_lag_seconds)"}),
            P("Commit age", "Time since the last flush that went through.", "s",
              {"{{instance}}": "max by (instance) (accountpulse_commit_age_seconds)"}),
            P("Consumer lag", "How long events wait before they are scored.", "s",
              {"{{source}}": "max by (source) (accountpulse_consumer_lag_seconds)"}, 12),
            P("Events waiting", "Records appended and not yet taken.", "short",
              {"{{source}}": "sum by (source) (accountpulse_consumer_lag_events)"}, 12),
        ),
        "Events": (
            P("Events by source", "Events read per second.", "eps",
              {"{{source}}": "sum by (source) (rate(accountpulse_events_total[$__rate_interval]))"}, stacked=True),
            P("Events by fate", "What became of them; read = applied + duplicate + replayed + late + dead.", "eps",
              {"{{fate}}": "sum by (fate) (rate(accountpulse_events_total[$__rate_interval]))"}, stacked=True),
            P("Dead letters by reason, unknown fields by type",
              "Rejected records; `accountpulse dead-letters list` shows them. Unknown fields are ignored, and logged.",
              "short", {"{{reason}}": per_bar("dead_letters_total", "reason") + " > 0",
                        "fields of {{type}}": per_bar("unknown_fields_total", "type") + " > 0"},
              stacked=True, bars=True),
        ),
        "Workers": (
            P("Flush duration", "One commit: scores and alerts, rows, offsets.", "s", quantiles("flush_seconds")),
            P("Batch duration", "Taking and folding one batch of records.", "s", quantiles("batch_seconds")),
            P("Uncommitted records", "Taken since the last flush; read again after a crash.", "short",
              {"{{instance}}": "sum by (instance) (accountpulse_uncommitted_records)"}),
            P("Partitions by worker", "A partition belongs to one worker.", "short",
              {"{{instance}}": "sum by (instance) (accountpulse_partitions)"}, 6, stacked=True),
            P("Recovery: rows left", "Changelog rows still to be read after a takeover.", "short",
              {"{{instance}}": "sum by (instance) (accountpulse_recovery_rows_left)"}, 6),
            P("Recovery: rows read", "Per second.", "rowsps",
              {"{{instance}}": "sum by (instance) (rate(accountpulse_recovered_rows_total[$__rate_interval]))"}, 6),
            P("Held back by quotas", "Of each second, how much brokers made a client wait.", "percentunit",
              {"{{instance}} {{client}}":
               "sum by (instance, client) (rate(accountpulse_throttle_seconds_total[$__rate_interval]))"}, 6),
            P("Refused writes", "Of workers whose partition had a new owner; nothing was written.", "short",
              {"{{instance}}": per_bar("fenced_writes_total", "instance")},
              6, bars=True),
        ),
        "Delivery": (
            P("Deliveries by sink and fate", "Alerts that met their fate at a sink.", "short",
              {"{{sink}} {{fate}}": per_bar("deliveries_total", "sink, fate") + " > 0"},
              stacked=True, bars=True),
            P("Alerts waiting", "Read and not yet delivered.", "short",
              {"{{sink}}": "sum by (sink) (accountpulse_deliveries_waiting)"}),
            P("Repeated attempts", "Attempts that failed; the alert is kept and tried again.", "short",
              {"{{sink}} {{cause}}": per_bar("delivery_retries_total", "sink, cause")}, bars=True),
        ),
        "View": (
            P("View lag", "Score records that are not in the view yet.", "short",
              {"{{instance}}": "max by (instance) (accountpulse_view_lag_records)"}, 6),
            P("Age of the view", "Of the newest record in it: by when it was written, and by its stream time.", "s",
              {"{{time}}": "max by (time) (accountpulse_view_age_seconds)"}, 6),
            P("Accounts in the view", "By band.", "short",
              {"{{band}}": "max by (band) (accountpulse_view_accounts)"}, 6, stacked=True),
            P("Instances that answer", "By role.", "short",
              {"{{job}}": 'sum by (job) (up{job=~"accountpulse-.+"})'}, 6),
        ),
    }
)  # fmt: skip


def panel(spec: P) -> Stat | Timeseries:
    """The panel of a specification."""
    built = _stat(spec) if spec.stat else _timeseries(spec)
    built = (
        built.title(spec.title).description(spec.tells).datasource(SOURCE).span(spec.width).unit(spec.unit)
    )
    for at, (legend, expr) in enumerate(spec.queries.items()):
        query = Dataquery().ref_id(chr(ord("A") + at)).expr(expr).legend_format(legend)
        built = built.with_target(query.instant() if spec.stat else query.range())
    return built


def _stat(spec: P) -> Stat:
    named = "{{" in "".join(spec.queries)
    return Stat().height(4).text_mode(BigValueTextMode.VALUE_AND_NAME if named else BigValueTextMode.VALUE)


def _timeseries(spec: P) -> Timeseries:
    shape = (
        Timeseries()
        .height(8)
        .min(0)
        .draw_style(GraphDrawStyle.BARS if spec.bars else GraphDrawStyle.LINE)
        .fill_opacity(60 if spec.stacked or spec.bars else 8)
        .show_points(VisibilityMode.NEVER)
        .stacking(StackingConfig().mode(StackingMode.NORMAL if spec.stacked else StackingMode.NONE))
        .legend(
            VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    )
    if "{{band}}" in spec.queries:
        for band, colour in COLOURS.items():
            fixed = DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
            shape = shape.override_by_name(band, [fixed])
    # bars count what happened in their step: windows that overlap would count it again and again
    return shape.interval("1m") if spec.bars else shape


def dashboard() -> Dashboard:
    """The whole dashboard."""
    built = (
        Dashboard("accountpulse")
        .uid("accountpulse")
        .description(
            "Customer health scores while the events happen: the fleet, and the installation that scores it."
        )
        .tags(["accountpulse"])
        .readonly()
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for title, specs in ROWS.items():
        built = built.with_row(Row(title))
        for spec in specs:
            built = built.with_panel(panel(spec))
    return built


def render() -> str:
    """The dashboard as JSON, the same text for the same program."""
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard().build()) + "\n"


if __name__ == "__main__":
    OUT.write_text(render(), "utf-8")
