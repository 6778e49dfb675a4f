from __future__ import annotations

import socket

import pytest
from click.testing import CliRunner

from otelscore.cli.demo import demo


def test_without_a_server_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody answers, and nobody else takes it
        endpoint = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setattr("otelscore.demo.traffic.PATIENCE", 0.1)
        result = CliRunner().invoke(demo, ["--endpoint", endpoint])
    assert result.exit_code == 1
    assert result.output == f"Error: no OTLP/gRPC server at {endpoint}; start one with `otelscore serve`\n"


@pytest.mark.parametrize("args", [["--rate", "0"], ["--runs", "0"], ["--duration", "-1"]])
def test_wrong_values_are_wrong_usage(args: list[str]) -> None:
    assert CliRunner().invoke(demo, args).exit_code == 2
