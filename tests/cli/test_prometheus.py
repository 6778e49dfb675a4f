"""A real Prometheus scrapes a real `otelscore serve`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from live import FREE, QUICK, Agent, eventually, judge, known_runs, span_exporter, start
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")), reason="needs Debian's package prometheus"
)

CONFIG = """
global: {{scrape_interval: 500ms}}
scrape_configs:
  - job_name: otelscore
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    def __init__(self, target: str, folder: Path) -> None:
        self.target = target
        (folder / "prometheus.yml").write_text(CONFIG.format(target=target))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={self.address}",
                "--enable-feature=exemplar-storage",
                "--log.format=json",
            ],
            stderr=self.log,
        )

    def ask(self, path: str, **parameters: str) -> list[dict]:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{query}") as answer:
                data = json.load(answer)["data"]
        except OSError:
            return []  # not up yet
        return data["result"] if isinstance(data, dict) else data

    def value(self, query: str) -> float | None:
        found = self.ask("query", query=query)
        return float(found[0]["value"][1]) if found else None

    def warnings(self) -> list[str]:
        self.log.seek(0)
        lines = [json.loads(line) for line in self.log if line.startswith("{")]
        return [line["msg"] for line in lines if line["level"] in ("warn", "error")]


@pytest.fixture
def scraped(tmp_path) -> Iterator[Prometheus]:
    server = start(*FREE, *QUICK)
    prometheus = Prometheus(server.metrics, tmp_path)
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(span_exporter(server, "grpc")))
    contexts = known_runs(Agent(provider.get_tracer("shop.agents")))
    provider.shutdown()
    judge(server, *zip(contexts, ("pass", "fail", "fail"), strict=True))
    yield prometheus
    for process in (prometheus.process, server.process):
        process.kill()
        process.wait()


def test_prometheus_has_the_figures_and_no_complaint(scraped):
    ratio = 'otelscore_step_success_ratio{window="1h",agent="planner"}'
    assert eventually(lambda: scraped.value(ratio), 0.8) == 0.8
    assert eventually(lambda: scraped.value("sum(otelscore_trajectories_total)"), 4.0) == 4.0
    assert eventually(lambda: scraped.value("sum(otelscore_judged_trajectories_total)"), 3.0) == 3.0
    assert scraped.value("up") == 1.0
    bad = ("exceeded_sample_limit", "sample_duplicate_timestamp", "sample_out_of_order", "sample_out_of_bounds")
    assert [scraped.value(f"prometheus_target_scrapes_{name}_total") for name in bad] in ([None] * 4, [0.0] * 4)
    assert scraped.warnings() == []
    shown = scraped.ask("query_exemplars", query="otelscore_step_errors_total", start="0", end="4000000000")
    assert {len(one["labels"]["trace_id"]) for series in shown for one in series["exemplars"]} == {32}


def test_promtool_has_nothing_to_say_about_the_metrics(scraped):
    assert eventually(lambda: scraped.value("sum(otelscore_judged_trajectories_total)"), 3.0) == 3.0
    with urllib.request.urlopen(f"http://{scraped.target}/metrics") as answer:
        text = answer.read()
    checked = subprocess.run(["promtool", "check", "metrics"], check=False, input=text, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
