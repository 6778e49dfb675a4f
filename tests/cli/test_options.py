from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from otelscore.cli.options import with_config
from otelscore.config import SETTINGS, Config


@click.command()
@with_config(SETTINGS)
@click.option("--loud", is_flag=True)
def flagged(config: Config, loud: bool) -> None:
    """Prints what it was given."""
    click.echo(f"{config.grpc_endpoint} {config.root_grace:g} {loud}")


@click.command()
@with_config()
def plain(config: Config) -> None:
    click.echo(config.root_grace)


def run(command: click.Command, *args: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(command, args, env=env)


def test_the_command_gets_its_config_and_its_own_options() -> None:
    assert run(flagged).output == "127.0.0.1:4317 10 False\n"
    assert run(flagged, "--grpc", "127.0.0.1:0", "--loud").output == "127.0.0.1:0 10 True\n"


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("root_grace: 1s\ngrpc: {endpoint: 'localhost:1'}\n")
    env = {"OTELSCORE_ROOT_GRACE": "2s"}
    assert run(flagged, "--config", str(file), env=env).output == "localhost:1 2 False\n"
    assert run(flagged, "--config", str(file), "--root-grace", "3s", env=env).output == "localhost:1 3 False\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--root-grace", "10"], "flag --root-grace: root_grace: expected a duration"),
        (["--config", "/nowhere.yaml"], "/nowhere.yaml: No such file or directory"),
    ],
)
def test_what_is_wrong_ends_as_wrong_usage(args: list[str], said: str) -> None:
    result = run(flagged, *args)
    assert result.exit_code == 2
    assert said in result.output


def test_a_command_has_only_the_flags_that_it_wants() -> None:
    assert run(plain, env={"OTELSCORE_ROOT_GRACE": "7s"}).output == "7.0\n"
    assert run(plain, "--grpc", "127.0.0.1:0").exit_code == 2


def test_the_help_says_what_each_flag_does_and_its_default() -> None:
    text = " ".join(run(flagged, "--help").output.split())
    for setting in SETTINGS:
        if setting.flag:
            assert setting.flag in text
            assert f"{setting.doc} [default: {setting.default}]" in text
    assert "Prints what it was given." in text
