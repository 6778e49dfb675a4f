"""The thread that looks at the clock outlives its errors, and the service says so."""

from __future__ import annotations

import threading

import pytest
from live import eventually
from structlog.testing import capture_logs

from otelscore.config import Address, Config
from otelscore.durable import Durable
from otelscore.model import Score
from otelscore.service import Service

FREE = Address("127.0.0.1", 0)
CONTENT = "what somebody asked an agent"


def test_an_error_while_runs_are_closed_is_logged_once_without_content_and_the_next_look_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = threading.Event()
    tick = Durable.tick

    def tick_or_break(durable: Durable) -> list[Score]:
        if broken.is_set():
            raise ValueError(CONTENT)
        return tick(durable)

    monkeypatch.setattr(Durable, "tick", tick_or_break)
    config = Config(state="none", root_grace=0.1, grpc_endpoint=FREE, http_endpoint=FREE, metrics_endpoint=FREE)
    with capture_logs() as lines:
        service = Service(config)
        service.start()
        try:
            for wanted in (True, False, True, False, True):
                (broken.clear if wanted else broken.set)()
                assert eventually(service._is_ready, wanted) is wanted
        finally:
            service.stop()
    errors = [line for line in lines if line["log_level"] == "error"]
    assert [line["error"] for line in errors] == ["ValueError"]
    assert "tick_or_break" in errors[0]["where"]
    assert CONTENT not in str(lines)
