"""PromQL in the terms of otelscore: which series a dashboard asks for, and how several instances become one figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

INSTANCES = 'job=~"$job", instance=~"$instance"'
"""In every selector, so that a Prometheus with several otelscores can show each apart."""

ONE_AGENT = f'{INSTANCES}, service_name="$service_name", agent="$agent"'
AGENTS = f'{INSTANCES}, service_name=~"$service_name", agent=~"$agent"'
TOOL = f'{AGENTS}, tool="$tool"'

AGENT = "service_name, agent"
AGENT_NAME = "{{agent}} ({{service_name}})"
"""By what agents are told apart where several are shown, and how a legend names them."""


@dataclass(frozen=True, slots=True)
class Query:
    """One target of a panel. A `table` or `heatmap` is asked for the end of the time range only."""

    expr: str
    legend: str = ""
    format: Literal["series", "table", "heatmap"] = "series"
    exemplars: bool = False


def gauge(name: str, who: str, *more: str) -> str:
    """A gauge of the chosen window. `who` is one of the selectors above, `more` are further matchers."""
    return counter(name, who, 'window="$window"', *more)


def counter(name: str, who: str, *more: str) -> str:
    return f"otelscore_{name}{{{', '.join((who, *more))}}}"


def total(by: str, series: str) -> str:
    """A sum over instances and over whatever `by` (label names, or nothing) leaves out."""
    return f"sum by ({by}) ({series})" if by else f"sum({series})"


def rate(series: str, by: str = "") -> str:
    """A second's worth."""
    return total(by, f"rate({series}[$__rate_interval])")


def per_minute(series: str, by: str = "") -> str:
    return f"60 * {rate(series, by)}"


def grown(series: str, by: str = "") -> str:
    """By how much a counter grew in the chosen window."""
    return total(by, f"increase({series}[$window])")


def share(part: str, whole: str, by: str = "") -> str:
    """A ratio rebuilt from counters: exact over any number of instances."""
    return f"{grown(part, by)} / {grown(whole, by)}"


def quantile(q: float, histogram: str, who: str, by: str = "") -> str:
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, {rate(counter(f'{histogram}_bucket', who), labels)})"


def buckets(histogram: str, who: str) -> str:
    """A histogram's growth in the chosen window, with bounds as people write them: 20, not 20.0."""
    return rf'label_replace({grown(counter(f"{histogram}_bucket", who), "le")}, "le", "$1", "le", "(.*)\\.0")'


Evidence = Literal["window_steps", "window_trajectories", "window_verdicts"]


def pooled(name: str, who: str, evidence: Evidence, by: str = "", *more: str, own: str = "") -> str:
    """A gauge that instances (or versions) show apart, as one: their mean, weighed by the sample.

    That is exact for shares of the sample itself, such as `step_success_ratio`; for the others it is the best that
    gauges allow, and the figure itself where one instance has all of an agent's runs, as it should.

    Args:
        name: of the metric, without prefix.
        more: further matchers of this metric.
        own: labels that it has and its evidence has not, such as `steps`.
    """
    figure, weight = gauge(name, who, *more), gauge(evidence, who)
    times = f"* ignoring({own}) group_left()" if own else "*"
    plus = times.replace("*", "+", 1)
    return f"{total(by, f'{figure} {times} {weight}')} / {total(by, f'0 * {figure} {plus} {weight}')}"


AT_HORIZON = 'steps="$horizon"'


def at_horizon(name: str, who: str, evidence: Evidence, by: str = "") -> str:
    """A pooled figure at the chosen number of steps."""
    return pooled(name, who, evidence, by, AT_HORIZON, own="steps")


def step_success(who: str, by: str = "") -> str:
    return pooled("step_success_ratio", who, "window_steps", by)


def implied_success(who: str, by: str = "") -> str:
    """p^N of the pooled p, which unlike a mean of `implied_success_ratio` is exact over instances."""
    return f"({step_success(who, by)}) ^ $horizon"


def tool_or_model(expr: str) -> str:
    """Names the steps that have no tool: model calls."""
    return f'label_replace({expr}, "tool", "(model)", "tool", "")'


def responses(errors: str) -> str:
    """Failed steps of the window by response; those of killed runs have none."""
    return f'label_replace({grown(errors, "response")}, "response", "unknown", "response", "")'
