"""The documents name every metric, and no metric that there is none of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otelscore.config import LIMITS
from otelscore.scoring.metrics import METRICS, PREFIX, Type

ROOT = Path(__file__).parents[1]
FORMS = {"*.md", "*.yaml", "*.yml", "*.json", "*.py", "*.tpl", "*.txt"}
FILES = sorted(
    {ROOT / "README.md", ROOT / "CHANGELOG.md"}
    | {
        path
        for folder in ("docs", "dashboards", "deploy")
        for form in FORMS
        for path in (ROOT / folder).rglob(form)
        if "node_modules" not in path.parts
    }
)
PARTS = ("_bucket", "_sum", "_count", "_created")
"""What exporters append to the name of a histogram."""

NO_METRICS = {"otelscore_acme"}
"""A package in an example, named as a metric could be."""


def named(text: str) -> set[str]:
    """What looks like the name of a metric: not a path, a module, a file, a recorded rule or a prefix alone."""
    return set(re.findall(rf"(?<![\w./:-]){PREFIX}[a-z][a-z_]*[a-z](?![\w.:/*]*[*:/]|\w|\.\w)", text))


EXISTING = {PREFIX + name for name in METRICS} | {
    PREFIX + name + part for name, metric in METRICS.items() if metric.type is Type.HISTOGRAM for part in PARTS
}


def test_every_metric_is_in_the_document_of_figures():
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "figures.md").read_text()))
    assert METRICS.keys() <= documented, sorted(METRICS.keys() - documented)


def test_every_limit_is_in_the_document_of_operations():
    text = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(limits\.[a-z_]+)`", text, re.MULTILINE))
    assert documented == {setting.name for setting in LIMITS.values()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_metric_that_is_named_exists(path):
    assert named(path.read_text()) <= EXISTING | NO_METRICS, sorted(named(path.read_text()) - EXISTING)
