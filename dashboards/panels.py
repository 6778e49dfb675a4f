"""Panels in the few forms that the dashboards use, so that each dashboard reads as a list of what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, table, text, timeseries, trend
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as m
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

from dashboards.queries import Query, per_minute, quantile

DATASOURCE = c.DataSourceRef(type_val="prometheus", uid="${datasource}")

NO_VERDICTS = "no verdicts in this window, or too few: see “Verdicts” in docs/figures.md"
FEW_RUNS = "too few runs came this far in this window, or the window is shorter than an hour"

GOOD, FAIR, BAD, NEUTRAL = "green", "yellow", "red", "blue"
Steps = Sequence[tuple[float | None, str]]  # (from this value on, the colour); None: where there is no value
SUCCESS: Steps = ((None, "text"), (0, BAD), (0.5, "orange"), (0.8, FAIR), (0.95, GOOD))
STEP_SUCCESS: Steps = ((None, "text"), (0, BAD), (0.9, "orange"), (0.95, FAIR), (0.99, GOOD))
FAILURE: Steps = ((None, "text"), (0, GOOD), (0.02, FAIR), (0.1, "orange"), (0.25, BAD))
SHOULD_BE_ZERO: Steps = ((None, "text"), (0, GOOD), (0.000001, BAD))
PLAIN: Steps = ((None, "text"),)

RESPONSES = {
    "retried": "green",
    "revised": "dark-green",
    "rerouted": "blue",
    "acknowledged": "light-blue",
    "concluded": "orange",
    "repeated": "red",
    "abandoned": "dark-red",
    "retried_unsafe": "purple",
    "unknown": "text",
}
"""The sane ones in cool colours, the others in warm ones."""

ERROR_CLASSES = {
    "timeout": "purple",
    "rate_limit": "orange",
    "unavailable": "red",
    "auth": "blue",
    "not_found": "yellow",
    "invalid_arguments": "green",
    "malformed_result": "light-blue",
    "cancelled": "dark-purple",
    "unknown": "text",
}
"""Of all classes, so that one has the same colour in every panel."""

_FORMATS = {
    "series": PromQueryFormat.TIME_SERIES,
    "table": PromQueryFormat.TABLE,
    "heatmap": PromQueryFormat.HEATMAP,
}

_Panel = TypeVar("_Panel", timeseries.Panel, stat.Panel, table.Panel, bargauge.Panel, trend.Panel)


def _target(query: Query, ref: str) -> Dataquery:
    target = Dataquery().expr(query.expr).ref_id(ref).datasource(DATASOURCE).format(_FORMATS[query.format])
    target = target.legend_format(query.legend or "__auto").exemplar(query.exemplars)
    return target.instant() if query.format != "series" else target.range()


def fill(panel: _Panel, title: str, description: str, queries: Sequence[Query], size: tuple[int, int]) -> _Panel:
    panel.title(title).description(description).datasource(DATASOURCE).span(size[0]).height(size[1])
    for i, query in enumerate(queries):
        panel.with_target(_target(query, chr(ord("A") + i)))
    return panel


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    levels = [m.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(m.ThresholdsMode.ABSOLUTE).steps(levels)


def _palette() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(m.FieldColorModeId.PALETTE_CLASSIC)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().placement(c.LegendPlacement.BOTTOM).show_legend(True)
    return legend.display_mode(c.LegendDisplayMode.LIST).calcs([])


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI).sort(c.SortOrder.DESCENDING)


def fixed(color: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": color}


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str = "percentunit",
    size: tuple[int, int] = (12, 8),
    top: float | None = None,
    bottom: float | None = 0,
    stacked: bool = False,
    shares: bool = False,
    no_value: str = "no data",
    colors: Mapping[str, str] | None = None,
    band: tuple[str, str] | None = None,
) -> timeseries.Panel:
    """Curves over time.

    Args:
        top: the upper end of the scale, where it is fixed; `bottom` likewise (None: as the data has it).
        shares: stacked to 100%.
        colors: by the names that legends give.
        band: names of a lower and an upper bound, drawn as an area.
    """
    panel = fill(timeseries.Panel(), title, description, queries, size).unit(unit).no_value(no_value)
    panel.legend(_legend()).tooltip(_tooltip())
    panel.color_scheme(_palette()).line_width(0 if stacked or shares else 2).show_points(c.VisibilityMode.NEVER)
    panel.fill_opacity(60 if stacked or shares else 0)
    if stacked or shares:
        mode = c.StackingMode.PERCENT if shares else c.StackingMode.NORMAL
        panel.stacking(common.StackingConfig().mode(mode).group("A"))
    if bottom is not None:
        panel.min(bottom)
    if top is not None:
        panel.max(top)
    elif bottom == 0 and unit == "short":
        panel.axis_soft_max(1)  # else counts of nothing go up to 100
    for name, color in (colors or {}).items():
        panel.override_by_name(name, [m.DynamicConfigValue("color", fixed(color))])
    if band:
        _draw_band(panel, *band)
    return panel


def _draw_band(panel: timeseries.Panel | trend.Panel, lower: str, upper: str) -> None:
    faint = [m.DynamicConfigValue("custom.lineWidth", 0), m.DynamicConfigValue("custom.hideFrom", _ONLY_IN_TOOLTIP)]
    panel.override_by_name(lower, faint)
    panel.override_by_name(
        upper,
        [*faint, m.DynamicConfigValue("custom.fillBelowTo", lower), m.DynamicConfigValue("custom.fillOpacity", 20)],
    )


_ONLY_IN_TOOLTIP = {"legend": True, "tooltip": False, "viz": False}


def curve(
    title: str,
    description: str,
    x: str,
    curves: Mapping[str, Query],
    size: tuple[int, int],
    colors: Mapping[str, str],
    dashed: Sequence[str] = (),
    bands: Sequence[tuple[str, str]] = (),
    no_value: str = FEW_RUNS,
) -> trend.Panel:
    """Ratios over a label that is a number: one table query for each curve, joined by the label `x`.

    The last band has a scale of its own at the right, without which the last number below would be cut off.
    """
    panel = fill(trend.Panel(), title, description, list(curves.values()), size)
    panel.unit("percentunit").no_value(no_value).x_field(x).color_scheme(_palette())
    panel.axis_soft_min(0).axis_soft_max(1)  # min and max would bound the steps, too
    panel.line_width(2).show_points(c.VisibilityMode.ALWAYS).point_size(6).span_nulls(True)
    panel.legend(_legend()).tooltip(_tooltip())
    names = {f"Value #{chr(ord('A') + i)}": name for i, name in enumerate(curves)}
    if len(curves) == 1:
        names["Value"] = names["Value #A"]
    panel.with_transformation(m.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(transformation("convertFieldType", fields={}, conversions=[_as_number(x)]))
    panel.with_transformation(transformation("sortBy", fields={}, sort=[{"field": x}]))
    panel.with_transformation(transformation("organize", excludeByName={"Time": True}, renameByName=names))
    panel.override_by_name(x, [m.DynamicConfigValue("unit", "none"), m.DynamicConfigValue("custom.axisLabel", x)])
    for name, color in colors.items():
        panel.override_by_name(name, [m.DynamicConfigValue("color", fixed(color))])
    for name in dashed:
        style = {"fill": "dash", "dash": [6, 6]}
        panel.override_by_name(name, [m.DynamicConfigValue("custom.lineStyle", style)])
    for name in bands[-1] if bands else ():
        panel.override_by_name(name, [m.DynamicConfigValue("custom.axisPlacement", "right")])
    for lower, upper in bands:
        _draw_band(panel, lower, upper)
        hidden_points = [m.DynamicConfigValue("custom.showPoints", "never")]
        panel.override_by_name(lower, hidden_points)
        panel.override_by_name(upper, hidden_points)
    return panel


def transformation(name: str, **options: Any) -> m.DataTransformerConfig:
    return m.DataTransformerConfig(id_val=name, options=options)


def _as_number(field: str) -> dict[str, str]:
    return {"targetField": field, "destinationType": "number"}


def number(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str = "percentunit",
    levels: Steps = PLAIN,
    size: tuple[int, int] = (4, 5),
    decimals: float | None = None,
    no_value: str = "–",
    names: str = "",
) -> stat.Panel:
    """The value at the end of the time range, large. `names` is a legend, whose text is shown instead."""
    query = Query(expr, names) if names else Query(expr, format="table")
    panel = fill(stat.Panel(), title, description, [query], size).unit(unit).no_value(no_value)
    panel.thresholds(thresholds(levels)).color_mode(c.BigValueColorMode.VALUE)
    panel.color_scheme(dashboard.FieldColor().mode(m.FieldColorModeId.THRESHOLDS))
    panel.graph_mode(c.BigValueGraphMode.NONE)  # its course would strike through the number
    panel.text_mode(c.BigValueTextMode.NAME if names else c.BigValueTextMode.VALUE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    if names:
        panel.text(common.VizTextDisplayOptions().value_size(20))
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def count(
    title: str,
    description: str,
    expr: str,
    *,
    levels: Steps = PLAIN,
    size: tuple[int, int] = (4, 5),
    no_value: str = "–",
) -> stat.Panel:
    """A whole number, large."""
    return number(title, description, expr, unit="locale", decimals=0, levels=levels, size=size, no_value=no_value)


def flow(
    title: str,
    description: str,
    series: str,
    by: str,
    *,
    legend: str = "",
    size: tuple[int, int] = (12, 8),
    no_value: str = "no data",
    exemplars: bool = True,
    colors: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """What a counter counts in a minute by a label, stacked; `legend` is the label's value, where it is not said."""
    query = Query(per_minute(series, by), legend or f"{{{{{by}}}}}", exemplars=exemplars)
    return lines(title, description, query, unit="short", size=size, stacked=True, no_value=no_value, colors=colors)


_QUANTILES = {0.5: ("median", NEUTRAL), 0.95: ("95%", "purple"), 0.99: ("99%", BAD)}


def durations(
    title: str,
    description: str,
    histogram: str,
    who: str,
    *quantiles: float,
    no_value: str = "no data",
    exemplars: bool = True,
) -> timeseries.Panel:
    """Quantiles of a histogram of seconds, from the median on, which has the exemplars."""
    shown = {q: _QUANTILES[q] for q in (0.5, *quantiles)}
    queries = [
        Query(quantile(q, histogram, who), name, exemplars=exemplars and q == 0.5) for q, (name, _) in shown.items()
    ]
    return lines(title, description, *queries, unit="s", colors=dict(shown.values()), no_value=no_value)


def bars(title: str, description: str, expr: str) -> bargauge.Panel:
    """One horizontal bar for each bucket of a histogram, at the end of the time range."""
    query = Query(expr, "≤ {{le}}", format="heatmap")
    panel = fill(bargauge.Panel(), title, description, [query], (8, 9)).unit("locale").no_value("no data").min(0)
    panel.override_by_name("≤ +Inf", [m.DynamicConfigValue("displayName", "more")])
    panel.color_scheme(dashboard.FieldColor().mode(m.FieldColorModeId.FIXED).fixed_color(NEUTRAL)).decimals(0)
    panel.orientation(c.VizOrientation.HORIZONTAL).display_mode(c.BarGaugeDisplayMode.BASIC)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    return panel.show_unfilled(True).value_mode(c.BarGaugeValueMode.TEXT)


def note(content: str, size: tuple[int, int]) -> text.Panel:
    """Words where a figure needs them."""
    return text.Panel().mode(TextMode.MARKDOWN).content(content).span(size[0]).height(size[1]).transparent(True)
