"""What a PromQL expression is made of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import promql_parser

from dashboards.answers import substitute

RATE_INTERVAL = timedelta(minutes=7, seconds=13)  # which no query would have by chance

SAMPLE = {"__rate_interval": "7m13s", "window": "1h", "horizon": "20"}
"""For the variables that stand outside quotes, or name what is looked up."""


def parse(expr: str) -> Any:
    return promql_parser.parse(substitute(expr, SAMPLE))


def walk(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Each node with all nodes above it, the outermost first."""
    yield node, above
    below = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector", "param")]
    for one in (*below, *getattr(node, "args", ())):
        if type(one).__module__.startswith("promql_parser"):
            yield from walk(one, (*above, node))


def selectors(node: Any) -> list[promql_parser.VectorSelector]:
    return [one for one, _ in walk(node) if isinstance(one, promql_parser.VectorSelector)]


def matchers(selector: promql_parser.VectorSelector) -> dict[str, tuple[str, str]]:
    """Label -> its operator and value."""
    return {one.name: (str(one.op), one.value) for one in selector.matchers.matchers}
