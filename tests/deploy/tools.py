"""The real tools that judge what is in deploy/; ./test installs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


def run(tool: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """What a tool has to say, with its exit code. The test is skipped where the tool is missing."""
    path = shutil.which(tool, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if path is None:
        pytest.skip(f"{tool} is missing; ./test installs it")
    return subprocess.run([path, *map(str, args)], check=False, capture_output=True, text=True, cwd=DEPLOY)


def approved(tool: str, *args: str | Path) -> str:
    """The standard output of a tool that has nothing to complain about."""
    done = run(tool, *args)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
