from __future__ import annotations

from pathlib import Path

import pytest

from otelscore.config import SETTINGS, Address, Config, load

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"


def table() -> str:
    rows = ["| Setting | Default | Flag | Meaning |", "| --- | --- | --- | --- |"]
    rows += [
        f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else 'none'} "
        f"| {f'`{setting.flag}`' if setting.flag else ''} | {setting.doc} |"
        for setting in SETTINGS
    ]
    return "\n".join(rows)


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    assert table() in DOCS.read_text("utf-8"), f"put this table into {DOCS.name}:\n{table()}"


def test_every_setting_has_a_place_in_the_config_and_names_of_its_own() -> None:
    config = Config()
    for setting in SETTINGS:
        assert hasattr(config, setting.field)
    assert len({setting.env for setting in SETTINGS}) == len(SETTINGS)
    flags = [setting.flag for setting in SETTINGS if setting.flag]
    assert len(set(flags)) == len(flags)


def test_defaults_listen_on_this_machine_only() -> None:
    config = Config()
    assert {config.grpc_endpoint.host, config.http_endpoint.host, config.metrics_endpoint.host} == {"127.0.0.1"}


def test_durations_are_seconds_and_sizes_bytes() -> None:
    config = Config()
    assert (config.root_grace, config.orphan_grace, config.verdict_window) == (10, 120, 7 * 86400)
    assert config.windows == (300, 3600, 6 * 3600, 24 * 3600)
    assert config.limits_request_size == 20 * 1024 * 1024


@pytest.mark.parametrize("text", ["127.0.0.1:4317", "[::1]:0", "collector.example:65535"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    endpoint = next(setting for setting in SETTINGS if setting.name == "grpc.endpoint")
    assert str(endpoint.form.parse([text])) == text


def test_an_ipv6_address_is_kept_without_brackets() -> None:
    endpoint = next(setting for setting in SETTINGS if setting.name == "grpc.endpoint")
    assert endpoint.form.parse(["[::1]:4317"]) == Address("::1", 4317)


def test_a_secret_is_not_shown_with_the_other_settings() -> None:
    config = load(None, {"OTELSCORE_FORWARD_HEADERS": "x-api-key=KEY", "OTELSCORE_EVENTS_HEADERS": "x-api-key=KEY"}, {})
    assert config.forward_headers == config.events_headers == (("x-api-key", "KEY"),)
    assert "KEY" not in repr(config)
    assert not [setting.name for setting in SETTINGS if setting.form.is_secret and setting.flag]  # seen by `ps`
