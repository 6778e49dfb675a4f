from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from otelscore.config import Address, Config
from otelscore.doors.guard import is_local, make_doors
from otelscore.doors.watched import DoorError

ANYWHERE = Address("0.0.0.0", 0)
SECTIONS = ["grpc", "http", "metrics"]


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    (tmp_path / "tokens").write_text("acme: token-0123456789\n")
    return str(tmp_path / "tokens")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1", "nowhere.invalid"])
def test_an_address_that_only_this_machine_reaches(host):
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"])
def test_an_address_that_others_reach(host):
    assert not is_local(host)


def test_nobody_is_asked_on_this_machine():
    doors = make_doors(Config())
    assert (doors.grpc.credentials(), doors.http.context(), doors.metrics.context()) == (None, None, None)
    assert {door.authenticate([]) for door in (doors.grpc, doors.http, doors.metrics)} == {""}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_door_without_tls_and_tokens_is_not_opened_to_others(section):
    config = replace(Config(), **{f"{section}_endpoint": ANYWHERE})
    with pytest.raises(DoorError) as error:
        make_doors(config)
    auth = "metrics.auth" if section == "metrics" else "auth"
    for word in (f"{section}.endpoint", "0.0.0.0:0", f"{section}.tls.cert_file", f"{auth}.tokens_file", "--insecure"):
        assert word in str(error.value)
    make_doors(replace(config, insecure=True))


@pytest.mark.parametrize("section", SECTIONS)
def test_tls_opens_a_door(section, pair):
    tls = {f"{section}_tls_cert_file": str(pair.cert), f"{section}_tls_key_file": str(pair.key)}
    doors = make_doors(replace(Config(), **{f"{section}_endpoint": ANYWHERE}, **tls))
    assert getattr(doors, section).context() is not None


def test_tokens_open_doors_with_a_warning_where_they_come_unencrypted(tokens, pair):
    anywhere = {f"{section}_endpoint": ANYWHERE for section in SECTIONS}
    with pytest.raises(DoorError, match=r"metrics\.endpoint"):
        make_doors(replace(Config(), **anywhere, auth_tokens_file=tokens))
    asked = replace(Config(), **anywhere, auth_tokens_file=tokens, metrics_auth_tokens_file=tokens)
    with capture_logs() as logs:
        doors = make_doors(asked)
    assert [line["log_level"] for line in logs] == ["warning"] * 3
    assert doors.http.authenticate([("x-api-key", "token-0123456789")]) == "acme"
    with capture_logs() as logs:
        make_doors(replace(asked, grpc_tls_cert_file=str(pair.cert), grpc_tls_key_file=str(pair.key)))
    assert len(logs) == 2


@pytest.mark.parametrize("given", ["cert", "key", "client_ca"])
def test_files_that_belong_together_are_wanted_together(given, pair):
    with pytest.raises(DoorError, match=r"http\.tls: cert_file and key_file belong together"):
        make_doors(replace(Config(), **{f"http_tls_{given}_file": str(pair.cert)}))


@pytest.mark.parametrize("field", ["auth_tokens_file", "metrics_auth_tokens_file", "grpc_tls_cert_file"])
def test_a_file_that_is_not_there_is_told_with_its_setting(field, pair, tmp_path):
    config = replace(Config(), grpc_tls_key_file=str(pair.key) if "tls" in field else "")
    with pytest.raises(DoorError, match="No such file") as error:
        make_doors(replace(config, **{field: str(tmp_path / "none")}))
    setting = {"grpc_tls_cert_file": "grpc.tls:"}.get(field, field.replace("_tokens", ".tokens").replace("s_a", "s.a"))
    assert str(error.value).startswith(setting)
