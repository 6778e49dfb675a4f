"""Draws docs/score.svg: `otelscore score` on the captured traces of tests/corpus. Run it from the project's root."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from otelscore.cli.batch import score_paths
from otelscore.cli.report import print_report
from otelscore.config import Config

console = Console(record=True, width=104, force_terminal=True, file=io.StringIO(), highlight=False)
print_report(score_paths([Path("tests/corpus")]), Config().horizons, console=console)
console.save_svg("docs/score.svg", title="otelscore score tests/corpus")
