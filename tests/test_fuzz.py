"""A short run of each fuzzer, the same every time; docs/operations.md has the figures of a long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.targets import TARGETS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_it(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuzz", target, "-runs=3000", "-seed=1", "-timeout=10", "-print_final_stats=1"]
    ran = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "stat::number_of_executed_units: 3000" in ran.stderr
