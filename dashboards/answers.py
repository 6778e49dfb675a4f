"""What Grafana would ask Prometheus for a dashboard of dashboards/json: its variables first, then its panels."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "json"
POINTS = 240  # on a curve


def load() -> dict[str, dict[str, Any]]:
    """The committed dashboards by the names of their files."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def queries(dashboard: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each query with its panel."""
    return ((panel, target) for panel in dashboard["panels"] for target in panel.get("targets", ()))


@dataclass(frozen=True, slots=True)
class Span:
    """The time shown, in Unix seconds."""

    start: float
    end: float
    scrape_interval: float

    @property
    def step(self) -> float:
        return max(self.scrape_interval, round((self.end - self.start) / POINTS))

    @property
    def rate_interval(self) -> str:
        """Grafana's $__rate_interval: never too short for a rate."""
        return f"{int(max(self.step + self.scrape_interval, 4 * self.scrape_interval))}s"


def ask(url: str, path: str, parameters: Mapping[str, str | float]) -> Any:
    """The data that Prometheus at `url` answers.

    Raises:
        urllib.error.HTTPError: it cannot read the query.
        OSError: it does not answer.
    """
    query = urllib.parse.urlencode(parameters)
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{query}") as answer:  # noqa: S310  # its caller's own address
        return json.load(answer)["data"]


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Puts the values of variables in, written as $name or ${name}; others stay."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: values.get(found[1] or found[2], found[0]), text)


def choose(dashboard: Mapping[str, Any], url: str, span: Span, wanted: Mapping[str, str]) -> dict[str, str]:
    """A value for each variable: the one in `wanted`, else all, else the default, else the first that there is."""
    values: dict[str, str] = {"__rate_interval": span.rate_interval}
    for variable in dashboard["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "datasource":
            continue
        series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"], re.DOTALL).groups()  # type: ignore[union-attr]
        selector = substitute(series, values)
        found = ask(url, f"label/{label}/values", {"match[]": selector, "start": span.start, "end": span.end})
        default = variable.get("current", {}).get("value", "")
        if name in wanted:
            values[name] = wanted[name]
        elif variable.get("includeAll"):
            values[name] = variable["allValue"]
        else:
            values[name] = default if default in found else found[0]
    return values


def answer(target: Mapping[str, Any], url: str, span: Span, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The series of one query: each with `metric` (its labels) and `value` or `values`."""
    expr = substitute(target["expr"], values)
    if target.get("instant"):
        found = ask(url, "query", {"query": expr, "time": span.end})
    else:
        found = ask(url, "query_range", {"query": expr, "start": span.start, "end": span.end, "step": span.step})
    return list(found["result"])
