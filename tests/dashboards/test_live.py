"""Every query of every dashboard has data from a real Prometheus that scrapes `otelscore serve --demo`."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from math import isnan
from urllib.error import URLError

import pytest
from live import FREE, PATIENCE, QUICK, Agent, Server, eventually, judge, span_exporter, start
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from dashboards.answers import Span, answer, ask, choose, load, queries

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Debian's package prometheus")

SCRAPE_INTERVAL = 1.0
CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: otelscore
    static_configs: [{{targets: ["{target}"]}}]
"""

EMPTY = {
    "Requests passed on a second": "nothing is forwarded",
    "Trouble with the backend, a minute": "nothing is forwarded",
    "Spool": "nothing is forwarded",
    "How far the backend is behind": "nothing is forwarded",
    "Limits reached in the window": "none is",
    "Left out in the window": "nothing is",
}
"""The title of a panel that stays empty here, and why."""


def inject_faults(server: Server) -> None:
    """Runs of an agent of the demo in which a tool's answer was wrong, and so the task's; an interval needs two."""
    provider = TracerProvider(resource=Resource({"service.name": "coding"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(span_exporter(server, "grpc")))
    tracer = provider.get_tracer("coding.agents")
    agent = Agent(tracer, "coding-agent")
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "run_tests",
        "otelscore.fault.kind": "wrong_value",
        "otelscore.fault.id": "1",
    }
    call = partial(tracer.start_span, "execute_tool run_tests", attributes=attributes)
    for _ in range(2):
        judge(server, (agent.run(agent.chat(call="1"), lambda: call().end(), agent.chat("All tests pass.")), "fail"))


@pytest.fixture
def prometheus(tmp_path) -> Iterator[str]:
    """The address of a Prometheus whose otelscore hears more demo runs than its own."""
    server = start(*FREE, *QUICK, "--demo", env={"OTELSCORE_STATE": str(tmp_path / "state")})
    more = ["demo", "--endpoint", server.grpc, "--rate", "600", "--seed", "7"]
    demo = subprocess.Popen([sys.executable, "-m", "otelscore", *more], stdout=subprocess.DEVNULL)
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(target=server.metrics))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    scraper = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address={address}",
        ],
        stderr=subprocess.DEVNULL,
    )
    inject_faults(server)
    yield f"http://{address}"
    for process in (demo, scraper, server.process):
        process.kill()
        process.wait()


def has_data(series: list[dict]) -> bool:
    samples = (sample for one in series for sample in one.get("values", [one.get("value")]))
    return any(not isnan(float(value)) for _, value in samples)


def unanswered(url: str, began: float) -> set[str]:
    """The queries without data, as `dashboard: panel, letter`."""
    span = Span(began, time.time(), SCRAPE_INTERVAL)
    return {
        f"{name}: {panel['title']}, {target['refId']}"
        for name, dashboard in load().items()
        for values in [choose(dashboard, url, span, {})]
        for panel, target in queries(dashboard)
        if panel["title"] not in EMPTY and not has_data(answer(target, url, span, values))
    }


def has_runs(url: str) -> bool:
    try:
        series = {"match[]": "otelscore_step_errors_total", "start": time.time() - PATIENCE, "end": time.time()}
        return bool(ask(url, "label/tool/values", series)) and bool(
            ask(url, "query", {"query": "otelscore_implied_success_ratio"})["result"]
        )
    except URLError:
        return False  # not up yet


def test_every_query_has_data(prometheus):
    began = time.time()
    assert eventually(lambda: has_runs(prometheus), True)
    assert eventually(lambda: unanswered(prometheus, began), set()) == set()


def test_exceptions_are_panels():
    asked = {panel["title"] for dashboard in load().values() for panel, _ in queries(dashboard)}
    assert EMPTY.keys() <= asked
