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

from dashboards.queries import Query

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


def _fill(panel: _Panel, title: str, description: str, queries: Sequence[Query], size: tuple[int, int]) -> _Panel:
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


def _fixed(color: str) -> dict[str, str]:
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
    panel = _fill(timeseries.Panel(), title, description, queries, size).unit(unit).no_value(no_value)
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
        panel.override_by_name(name, [m.DynamicConfigValue("color", _fixed(color))])
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
    """Ratios over a label that is a number: one table query for each curve, joined by the label `x`."""
    panel = _fill(trend.Panel(), title, description, list(curves.values()), size)
    panel.unit("percentunit").no_value(no_value).x_field(x).color_scheme(_palette())
    panel.axis_soft_min(0).axis_soft_max(1)  # min and max would bound the steps, too
    panel.line_width(2).show_points(c.VisibilityMode.ALWAYS).point_size(6).span_nulls(True)
    panel.legend(_legend()).tooltip(_tooltip())
    names = {f"Value #{chr(ord('A') + i)}": name for i, name in enumerate(curves)}
    if len(curves) == 1:
        names["Value"] = names["Value #A"]
    panel.with_transformation(m.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(_transformation("convertFieldType", fields={}, conversions=[_as_number(x)]))
    panel.with_transformation(_transformation("sortBy", fields={}, sort=[{"field": x}]))
    panel.with_transformation(_transformation("organize", excludeByName={"Time": True}, renameByName=names))
    panel.override_by_name(x, [m.DynamicConfigValue("unit", "none"), m.DynamicConfigValue("custom.axisLabel", x)])
    for name, color in colors.items():
        panel.override_by_name(name, [m.DynamicConfigValue("color", _fixed(color))])
    for name in dashed:
        style = {"fill": "dash", "dash": [6, 6]}
        panel.override_by_name(name, [m.DynamicConfigValue("custom.lineStyle", style)])
    for lower, upper in bands:
        _draw_band(panel, lower, upper)
        hidden_points = [m.DynamicConfigValue("custom.showPoints", "never")]
        panel.override_by_name(lower, hidden_points)
        panel.override_by_name(upper, hidden_points)
    return panel


def _transformation(name: str, **options: Any) -> m.DataTransformerConfig:
    return m.DataTransformerConfig(id_val=name, options=options)


def _as_number(field: str) -> dict[str, str]:
    return {"targetField": field, "destinationType": "number"}


def number(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str = "percentunit",
    levels: Steps = PLAIN,
    size: tuple[int, int] = (4, 5),
    decimals: float | None = None,
    no_value: str = "–",
    sparkline: bool = True,
    names: bool = False,
) -> stat.Panel:
    """The last value, large, before its course. `names` shows the legend's text instead of the value."""
    panel = _fill(stat.Panel(), title, description, [query], size).unit(unit).no_value(no_value)
    panel.thresholds(thresholds(levels)).color_mode(c.BigValueColorMode.VALUE)
    panel.color_scheme(dashboard.FieldColor().mode(m.FieldColorModeId.THRESHOLDS))
    panel.graph_mode(c.BigValueGraphMode.AREA if sparkline else c.BigValueGraphMode.NONE)
    panel.text_mode(c.BigValueTextMode.NAME if names else c.BigValueTextMode.VALUE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    if names:
        panel.text(common.VizTextDisplayOptions().value_size(20))
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def bars(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str = "short",
    size: tuple[int, int] = (8, 9),
    no_value: str = "no data",
) -> bargauge.Panel:
    """One horizontal bar for each series, at the end of the time range."""
    panel = _fill(bargauge.Panel(), title, description, [query], size).unit(unit).no_value(no_value).min(0)
    panel.color_scheme(dashboard.FieldColor().mode(m.FieldColorModeId.FIXED).fixed_color(NEUTRAL)).decimals(0)
    panel.orientation(c.VizOrientation.HORIZONTAL).display_mode(c.BarGaugeDisplayMode.BASIC)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
    return panel.show_unfilled(True).value_mode(c.BarGaugeValueMode.TEXT)


class Column:
    """One column of a table.

    Args:
        query: what it shows, else it shows the `label` of that name.
        levels: thresholds; they colour the text, or the whole cell where it is `loud`.
        link: the title and address of where a click leads.
        course: the query's course over time as a small curve.
    """

    def __init__(
        self,
        title: str,
        query: str = "",
        *,
        label: str = "",
        unit: str = "percentunit",
        levels: Steps | None = None,
        width: int | None = None,
        link: tuple[str, str] | None = None,
        course: bool = False,
        loud: bool = False,
        decimals: int | None = None,
    ) -> None:
        self.title, self.query, self.label, self.unit, self.levels = title, query, label, unit, levels
        self.width, self.link, self.course, self.loud, self.decimals = width, link, course, loud, decimals

    def properties(self) -> list[m.DynamicConfigValue]:
        found: list[tuple[str, object]] = []
        if self.query:
            found.append(("unit", self.unit))
        if self.decimals is not None:
            found.append(("decimals", self.decimals))
        if self.levels:
            cell = {"type": "color-background", "mode": "basic"} if self.loud else {"type": "color-text"}
            nothing = "transparent" if self.loud else "text"
            levels = [{"value": value, "color": nothing if value is None else color} for value, color in self.levels]
            found += [
                ("color", {"mode": "thresholds"}),
                ("thresholds", {"mode": "absolute", "steps": levels}),
                ("custom.cellOptions", cell),
            ]
        if self.course:
            course = {"type": "sparkline", "hideValue": True, "fillOpacity": 15, "lineWidth": 2, "drawStyle": "line"}
            found += [("custom.cellOptions", course), ("color", _fixed(NEUTRAL))]
        if self.width:
            found.append(("custom.width", self.width))
        if self.link:
            found.append(("links", [{"title": self.link[0], "url": self.link[1]}]))
        return [m.DynamicConfigValue(name, value) for name, value in found]


def rows(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    size: tuple[int, int],
    sort: tuple[str, bool],
    no_value: str = "–",
) -> table.Panel:
    """A table: columns with queries are joined by the labels that the others show.

    Args:
        sort: the title of a column, and whether the largest comes first.
        no_value: in a cell without one.
    """
    asked = [column for column in columns if column.query]
    queries = [Query(one.query) if one.course else Query(one.query, format="table") for one in asked]
    panel = _fill(table.Panel(), title, description, queries, size).no_value(no_value)
    names = {column.label: column.title for column in columns if column.label}
    if courses := [chr(ord("A") + i) for i, column in enumerate(asked) if column.course]:
        panel.with_transformation(
            _transformation("timeSeriesTable", **{ref: {"stat": "lastNotNull"} for ref in courses})
        )
    if len(asked) > 1:
        panel.with_transformation(_transformation("merge"))
    for i, column in enumerate(asked):
        ref = chr(ord("A") + i)
        names[f"Trend #{ref}" if column.course else f"Value #{ref}" if len(asked) > 1 else "Value"] = column.title
    order = {field: i for i, field in enumerate(sorted(names, key=lambda field: _place(columns, names[field])))}
    panel.with_transformation(
        _transformation("organize", excludeByName={"Time": True}, renameByName=names, indexByName=order)
    )
    for column in columns:
        panel.override_by_name(column.title, column.properties())
    return panel.sort_by([common.TableSortByFieldState().display_name(sort[0]).desc(sort[1])])


def _place(columns: Sequence[Column], title: str) -> int:
    return next(i for i, column in enumerate(columns) if column.title == title)


def note(content: str, size: tuple[int, int]) -> text.Panel:
    """Words where a figure needs them."""
    return text.Panel().mode(TextMode.MARKDOWN).content(content).span(size[0]).height(size[1]).transparent(True)
