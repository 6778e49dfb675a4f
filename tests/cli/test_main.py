from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

import otelscore
from otelscore.cli import main as main_module
from otelscore.cli.main import main


def test_it_says_its_version() -> None:
    result = CliRunner().invoke(main, ["--version"], prog_name="otelscore")
    assert result.output == f"otelscore {otelscore.__version__}\n"


@pytest.mark.parametrize(("typo", "meant"), [("projct", "project"), ("dmeo", "demo"), ("sreve", "serve")])
def test_a_mistyped_command_gets_the_nearest_one(typo: str, meant: str) -> None:
    result = CliRunner().invoke(main, [typo])
    assert result.exit_code == 2
    assert f"No such command '{typo}'" in result.output
    assert meant in result.output


def test_ctrl_c_exits_130_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module._Commands, "get_command", lambda self, ctx, name: interrupted)
    result = CliRunner().invoke(main, ["anything"])
    assert result.exit_code == 130
    assert result.output == ""


def test_a_light_command_does_not_import_the_heavy_ones() -> None:
    script = (
        "import sys; from otelscore.cli.main import main; main(['project'], standalone_mode=False);"
        "sys.exit(any(name in sys.modules for name in ('grpc', 'opentelemetry', 'uvicorn', 'google.protobuf')))"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0
