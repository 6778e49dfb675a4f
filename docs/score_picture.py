"""Draws docs/score.svg: `otelscore score` on a few captured runs of tests/corpus. Run it from the project's root.

These runs are short, so the horizons are, too.
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from otelscore.cli.batch import score_paths
from otelscore.cli.report import print_report

PATHS = [
    Path("tests/corpus/pydantic_ai"),
    Path("tests/corpus/langchain_openinference"),
    Path("tests/corpus/smolagents"),
]

console = Console(record=True, width=124, force_terminal=True, file=io.StringIO(), highlight=False)
print_report(score_paths(PATHS), (2, 4, 6), console=console)
console.save_svg(
    "docs/score.svg", title="OTELSCORE_HORIZONS=2,4,6 otelscore score " + " ".join(path.name for path in PATHS)
)
