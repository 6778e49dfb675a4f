from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.config import SETTINGS, Address, Config, ConfigError, Setting, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "otelscore.yaml"


def error_of(file: Path | None = None, env: dict[str, str] | None = None, flags: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(file, env or {}, flags or {})
    return str(caught.value)


def test_without_any_source_the_defaults_hold() -> None:
    assert load(None, {"PATH": "/bin", "OTEL_SERVICE_NAME": "x"}, {}) == Config()


def test_a_flag_beats_the_environment_which_beats_the_file(file: Path) -> None:
    file.write_text("root_grace: 1s\norphan_grace: 1s\nidle_timeout: 1s\n")
    env = {"OTELSCORE_ORPHAN_GRACE": "2s", "OTELSCORE_IDLE_TIMEOUT": "2s"}
    config = load(file, env, {"idle_timeout": "3s"})
    assert (config.root_grace, config.orphan_grace, config.idle_timeout) == (1, 2, 3)
    assert config.late_window == Config().late_window


def test_where_to_pass_on_is_a_url_and_may_be_without_http(file: Path) -> None:
    file.write_text("forward: {endpoint: 'https://a/otlp', headers: [k=v=w], tls: {ca_file: ca.pem}, required: true}")
    config = load(file, {"OTELSCORE_EVENTS_ENDPOINT": "[::1]:4317"}, {})
    assert (config.forward_endpoint, config.events_endpoint) == ("https://a/otlp", "http://[::1]:4317")
    assert config.forward_headers == (("k", "v=w"),)
    assert (config.forward_tls_ca_file, config.forward_required) == ("ca.pem", True)
    for wrong in ("nonsense", "ftp://a", "http://", "a:0", "a:99999", "http://user@a", "a b", "http://a..b", "[:::]:1"):
        assert "forward.endpoint: expected" in error_of(flags={"forward.endpoint": wrong})


def test_a_header_that_is_wrong_is_not_quoted() -> None:
    error = error_of(env={"OTELSCORE_FORWARD_HEADERS": "Bearer abcdef"})
    assert "expected headers as name=value" in error
    assert "abcdef" not in error


def test_a_file_nests_its_keys(file: Path) -> None:
    file.write_text(
        """
        grpc: {endpoint: "[::1]:0"}
        http:
          endpoint: 0.0.0.0:4318
        limits: {request_size: 1MiB, rows: 5}
        include:
          agent: [support-*, ops]
        exclude:
        horizons: [10, 20]
        soft_errors: ['denied{1,2}']
        labels: []
        cluster_by:
        """
    )
    config = load(file, {}, {})
    assert (config.grpc_endpoint, config.http_endpoint) == (Address("::1", 0), Address("0.0.0.0", 4318))
    assert (config.limits_request_size, config.limits_rows) == (2**20, 5)
    assert config.include_agent == ("support-*", "ops")
    assert config.horizons == (10, 20)
    assert [pattern.pattern for pattern in config.soft_errors] == ["denied{1,2}"]
    assert (config.labels, config.exclude_agent, config.cluster_by) == ((), (), "")


def test_an_empty_file_changes_nothing(file: Path) -> None:
    file.write_text("# nothing yet\n")
    assert load(file, {}, {}) == Config()


def test_the_environment_separates_lists_by_commas() -> None:
    config = load(None, {"OTELSCORE_WINDOWS": "500ms, 1m,2h", "OTELSCORE_SIDE_EFFECTS": "send_*,pay"}, {})
    assert config.windows == (0.5, 60, 7200)
    assert config.side_effects == ("send_*", "pay")


def test_an_empty_variable_is_unset() -> None:
    assert load(None, {"OTELSCORE_ROOT_GRACE": "", "OTELSCORE_WINDOWS": ""}, {}) == Config()


def test_variables_that_kubernetes_sets_for_a_service_are_no_settings() -> None:
    env = {
        "OTELSCORE_SERVICE_HOST": "10.0.0.1",
        "OTELSCORE_SERVICE_PORT": "4317",
        "OTELSCORE_SERVICE_PORT_OTLP_GRPC": "4317",
        "OTELSCORE_PORT": "tcp://10.0.0.1:4317",
        "OTELSCORE_PORT_4317_TCP_ADDR": "10.0.0.1",
    }
    assert load(None, env, {}) == Config()


WRONG = [
    ("grpc.endpoint", "4317"),
    ("grpc.endpoint", ":4317"),
    ("grpc.endpoint", "localhost:70000"),
    ("grpc.endpoint", "::1:4317"),
    ("root_grace", "10"),
    ("root_grace", "-1s"),
    ("root_grace", "ten seconds"),
    ("limits.request_time", "0s"),
    ("limits.request_size", "20MB"),
    ("limits.request_size", "0MiB"),
    ("limits.rows", "0"),
    ("limits.rows", "1e6"),
    ("min_steps", "-1"),
    ("verdicts.threshold", "1.5"),
    ("verdicts.threshold", "nan"),
    ("windows", "1h, 5m"),
    ("windows", "5m, 5m"),
    ("windows", "5m, 0s"),
    ("horizons", "10, 0"),
    ("step_kinds", "tool, agent"),
    ("labels", "service version"),
    ("soft_errors", "(unclosed"),
    ("log.level", "loud"),
    ("log.format", "textual"),
]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_a_wrong_value_is_named_with_its_source_and_what_is_expected(name: str, text: str) -> None:
    setting = next(setting for setting in SETTINGS if setting.name == name)
    message = error_of(env={setting.env: text})
    assert message == f"environment variable {setting.env}: {name}: expected {setting.form.expected}, got {text!r}"


def test_a_list_that_must_not_be_empty(file: Path) -> None:
    file.write_text("windows: []\n")
    assert "windows: expected" in error_of(file)
    file.write_text("step_kinds: []\n")
    assert "step_kinds: expected" in error_of(file)


def test_a_wrong_flag_is_named_as_a_flag() -> None:
    assert error_of(flags={"root_grace": "10"}).startswith("flag --root-grace: root_grace: expected a duration")


def test_the_file_says_on_which_line(file: Path) -> None:
    file.write_text("root_grace: 1s\nlimits:\n  rows: many\n")
    assert error_of(file).startswith(f"{file}:3: limits.rows: expected a whole number above zero")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("root_grce: 10s\n", ":1: unknown setting root_grce; did you mean root_grace?"),
        ("limits:\n  row: 10\n", ":2: unknown setting limits.row; did you mean limits.rows?"),
        ("limit:\n  rows: 10\n", ":1: unknown setting limit; did you mean limits?"),
        ("zzzz: 1\n", ":1: unknown setting zzzz"),
        ("? [a]\n: 1\n", ":1: unknown setting a list"),
        ("rows: &a\n  rows: *a\n", ":1: unknown setting rows"),
        ("limits: &a\n  limits: *a\n", ":2: unknown setting limits.limits"),
        ("root_grace: 1s\nroot_grace: 2s\n", "root_grace was already given at"),
        ("limits: 5\n", ":1: expected settings as `name: value`, got 5"),
        ("- root_grace\n", ":1: expected settings as `name: value`, got a list"),
        ("horizons: 10\n", "got '10'"),
        ("root_grace: [10s]\n", "got 'a list'"),
        ("labels: [[a]]\n", "got 'a list'"),
        ("labels: {a: b}\n", "got 'a mapping'"),
        ("a: b: c\n", ":1: not valid YAML: mapping values are not allowed here"),
        ("a: \x00\n", "not valid YAML"),
        ("[" * 10_000, "nested too deeply"),
        ("a: 1\n---\nb: 1\n", "not valid YAML: but found another document"),
    ],
)
def test_a_wrong_file_is_explained(file: Path, text: str, end: str) -> None:
    file.write_text(text)
    message = error_of(file)
    assert message.startswith(str(file))
    assert end in message


def test_a_file_that_cannot_be_read(file: Path) -> None:
    assert error_of(file) == f"{file}: No such file or directory"
    file.write_bytes(b"\xff\xfe\xfa")
    assert error_of(file) == f"{file}: not a text in UTF-8"


def test_an_unknown_variable_is_an_error() -> None:
    message = error_of(env={"OTELSCORE_ROOTGRACE": "10s"})
    expected = "unknown environment variable OTELSCORE_ROOTGRACE; did you mean OTELSCORE_ROOT_GRACE?"
    assert message == expected


def test_two_doors_cannot_have_the_same_address() -> None:
    message = error_of(flags={"http.endpoint": "127.0.0.1:4317"})
    assert message == "http.endpoint and grpc.endpoint are both 127.0.0.1:4317; give one another port"
    free = {"grpc.endpoint": "127.0.0.1:0", "http.endpoint": "127.0.0.1:0"}
    assert load(None, {}, free).http_endpoint == Address("127.0.0.1", 0)


def test_where_all_must_be_passed_on_the_largest_request_fits_into_the_spool() -> None:
    tight = {"OTELSCORE_LIMITS_FORWARD_SPOOL": "20MiB"}
    assert load(None, tight, {}).limits_forward_spool == load(None, {}, {}).limits_request_size
    message = error_of(env={**tight, "OTELSCORE_FORWARD_REQUIRED": "true"})
    assert message.startswith("limits.forward_spool is no larger than limits.request_size")


def tried(path: Path | None, env: dict[str, str]) -> Config | ConfigError:
    try:
        return load(path, env, {})
    except ConfigError as error:
        return error


@given(st.sampled_from(SETTINGS), st.text())
def test_any_text_gives_a_value_or_an_error_that_names_the_setting(setting: Setting, text: str) -> None:
    found = tried(None, {setting.env: text})
    assert isinstance(found, Config) or setting.name in str(found)


@given(st.binary() | st.text("abrootgrce_:{}[]&*?!-<>\n '\"").map(str.encode))
def test_any_file_gives_a_config_or_an_error_that_names_the_file(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        found = tried(Path(file.name), {})
    assert isinstance(found, Config) or file.name in str(found)
