"""Tables: columns that each ask a query, joined by the labels that the others show."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import dashboard as m

from dashboards.panels import NEUTRAL, Steps, fill, fixed, transformation
from dashboards.queries import Query


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
            found += [("custom.cellOptions", course), ("color", fixed(NEUTRAL))]
        if self.width:
            found.append(("custom.width", self.width))
        if self.link:
            found.append(("links", [{"title": self.link[0], "url": self.link[1]}]))
        return [m.DynamicConfigValue(name, value) for name, value in found]


def tally(title: str, query: str, width: int | None = None) -> Column:
    """A column of whole numbers."""
    return Column(title, query, unit="locale", width=width, decimals=0)


def graded(title: str, query: str, levels: Steps, width: int | None = None, decimals: int = 1) -> Column:
    """A column of shares, coloured by how good they are."""
    return Column(title, query, levels=levels, width=width, decimals=decimals)


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
    panel = fill(table.Panel(), title, description, queries, size).no_value(no_value)
    names = {column.label: column.title for column in columns if column.label}
    if courses := [chr(ord("A") + i) for i, column in enumerate(asked) if column.course]:
        panel.with_transformation(
            transformation("timeSeriesTable", **{ref: {"stat": "lastNotNull"} for ref in courses})
        )
    if len(asked) > 1:
        panel.with_transformation(transformation("merge"))
    for i, column in enumerate(asked):
        ref = chr(ord("A") + i)
        names[f"Trend #{ref}" if column.course else f"Value #{ref}" if len(asked) > 1 else "Value"] = column.title
    order = {field: i for i, field in enumerate(sorted(names, key=lambda field: _place(columns, names[field])))}
    panel.with_transformation(
        transformation("organize", excludeByName={"Time": True}, renameByName=names, indexByName=order)
    )
    for column in columns:
        panel.override_by_name(column.title, column.properties())
    return panel.sort_by([common.TableSortByFieldState().display_name(sort[0]).desc(sort[1])])


def _place(columns: Sequence[Column], title: str) -> int:
    return next(i for i, column in enumerate(columns) if column.title == title)
