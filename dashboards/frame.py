"""What all dashboards share: their variables, the links between them, and that nobody edits them in Grafana."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as m

from dashboards.panels import DATASOURCE
from dashboards.queries import INSTANCES

TAG = "otelscore"
Variable = dashboard.QueryVariable | dashboard.DatasourceVariable
Section = tuple[str, Sequence[Builder[m.Panel]]]  # the title of a row ("" for none) and its panels


def _labels(
    name: str, title: str, series: str, label: str = "", *, many: bool = False, default: str = "", sort: m.VariableSort
) -> dashboard.QueryVariable:
    """A variable whose values are those of a label. `many`: several or all can be chosen, and all are at first."""
    query = f"label_values({series}, {label or name})"
    variable = dashboard.QueryVariable(name).label(title).datasource(DATASOURCE).query(query).definition(query)
    variable.refresh(m.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(sort).multi(many).include_all(many)
    if many:
        variable.all_value(".+").current(m.VariableOption(True, ["All"], ["$__all"]))
    elif default:
        variable.current(m.VariableOption(True, default, default))
    return variable


_BY_NAME, _BY_NUMBER = m.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC, m.VariableSort.NUMERICAL_ASC
_OF_SERVICE = f'{INSTANCES}, service_name=~"$service_name"'
_OF_AGENT = f'{_OF_SERVICE}, agent=~"$agent"'
_RUNS = "otelscore_window_trajectories"
_RUNS_OR_FAULTS = f"{_RUNS}|otelscore_injected_faults_total"  # agents in a trial have no run of production


def instances() -> list[Variable]:
    """The data source, and which otelscores in it."""
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    info = "otelscore_build_info"
    return [
        source,
        _labels("job", "Job", info, many=True, sort=_BY_NAME),
        _labels("instance", "Instance", f'{info}{{job=~"$job"}}', many=True, sort=_BY_NAME),
    ]


def agents(many: bool) -> list[Variable]:
    """Which agents of which services: one, or several."""
    series = f'__name__="{_RUNS}"' if many else f'__name__=~"{_RUNS_OR_FAULTS}"'
    return [
        _labels("service_name", "Service", f"{{{series}, {INSTANCES}}}", many=many, sort=_BY_NAME),
        _labels("agent", "Agent", f"{{{series}, {_OF_SERVICE}}}", many=many, sort=_BY_NAME),
    ]


def tool() -> Variable:
    return _labels("tool", "Tool", f'otelscore_steps_total{{{_OF_AGENT}, tool!=""}}', sort=_BY_NAME)


def window() -> Variable:
    return _labels("window", "Window", f"{_RUNS}{{{INSTANCES}}}", default="1h", sort=_BY_NUMBER)


def horizon() -> Variable:
    series = f"otelscore_implied_success_ratio{{{INSTANCES}}}"
    return _labels("horizon", "Horizon (steps)", series, "steps", default="20", sort=_BY_NUMBER)


def link(uid: str, *chosen: str, **values: str) -> str:
    """The address of another dashboard with the same data source, window and time, `chosen` variables and `values`."""
    kept = [f"${{{name}:queryparam}}" for name in ("datasource", "job", "instance", "window", *chosen)]
    given = [f"var-{name}={value}" for name, value in values.items()]
    return f"/d/{uid}?{'&'.join([*kept, *given])}&${{__url_time_range}}"


def build(
    uid: str, title: str, description: str, variables: Sequence[Variable], sections: Sequence[Section]
) -> m.Dashboard:
    """The whole dashboard, its panels laid out row by row and numbered."""
    whole = dashboard.Dashboard(title).uid(uid).description(description).tags([TAG])
    whole.readonly().tooltip(m.DashboardCursorSync.CROSSHAIR).time("now-6h", "now").refresh("1m").timezone("browser")
    whole.link(
        dashboard.DashboardLink("Dashboards")
        .type(m.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    for variable in variables:
        whole.with_variable(variable)
    for name, panels in sections:
        if name:
            whole.with_row(dashboard.Row(name))
        for panel in panels:
            whole.with_panel(panel)
    built = whole.build()
    for number, placed in enumerate(built.panels or [], 1):
        placed.id_val = number
    return built
