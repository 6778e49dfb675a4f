"""The traces in files as `otelscore explain` prints them: a tree of spans, the runs in it, and the rules used."""

from __future__ import annotations

import dataclasses
import secrets
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

from rich.console import Console
from rich.text import Text

from otelscore import __version__
from otelscore.config import Config
from otelscore.dialects import Registry
from otelscore.ingest.files import Decoded, Skipped, find_sources, read_requests
from otelscore.model import Kind, RawLog, RawSpan, Reading, Span, SpanFacts, Trajectory, Verdict
from otelscore.pipeline import Pipeline
from otelscore.service import make_decoder, make_reader
from otelscore.trajectory.explanation import Row, explain_trace
from otelscore.trajectory.facts import merge
from otelscore.trajectory.life import Closed

NAME, READ_AS = 44, 30  # characters of the first two columns that are kept on a screen


class NotedRegistry:
    """A registry that remembers by which rule it read each span. A `Reader`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.rules: dict[tuple[bytes, bytes], tuple[str, str]] = {}
        """Trace and span id -> the dialect, and what the kind was seen by."""

    def wants(self, key: str) -> bool:
        return self._registry.wants(key)

    def read(self, span: RawSpan) -> Reading:
        reading = self._registry.read(span)
        if reading.dialect:
            self.rules[span.trace_id, span.span_id] = self._registry.explain(span)
        return reading

    def read_log(self, log: RawLog) -> Verdict | SpanFacts | None:
        return self._registry.read_log(log)


@dataclass(slots=True)
class Trace:
    """What files hold of one trace."""

    spans: dict[bytes, Span] = field(default_factory=dict)
    facts: dict[bytes, SpanFacts] = field(default_factory=dict)
    trajectories: list[Trajectory] = field(default_factory=list)


@dataclass(slots=True)
class Explained:
    """What files gave."""

    traces: dict[bytes, Trace]  # in order of their first span
    rules: dict[tuple[bytes, bytes], tuple[str, str]]
    pipeline: Pipeline
    errors: list[str]  # "path: where: why", one for each part that could not be read


def read_traces(paths: Iterable[Path], config: Config) -> Explained:
    """All traces in files and folders of OTLP requests, joined over all of them; `-` is standard input."""
    config = dataclasses.replace(config, limits_open_spans=sys.maxsize)  # files are not refused
    reader = NotedRegistry(make_reader(config, secrets.token_bytes(32)))
    pipeline = Pipeline(config, __version__)
    traces: dict[bytes, Trace] = defaultdict(Trace)
    errors: list[str] = []
    for item in read_requests(find_sources(str(path) for path in paths), make_decoder(config, reader)):
        if isinstance(item, Decoded):
            pipeline.ingest(item.batch, 0.0)
            for span in item.batch.spans:
                traces[span.trace_id].spans.setdefault(span.span_id, span)
            for facts in item.batch.facts:
                known = traces[facts.trace_id].facts
                known[facts.span_id] = reduce(merge, filter(None, (known.get(facts.span_id), facts)))
        elif not isinstance(item, Skipped):
            errors.append(": ".join(filter(None, (item.path, item.where, item.reason))))
    for event in pipeline.assembler.close_all():
        if isinstance(event, Closed):
            for trajectory in event.trajectories:
                traces[trajectory.trace_id].trajectories.append(trajectory)
    seen = {trace_id: trace for trace_id, trace in traces.items() if trace.spans}
    first = {trace_id: min(span.start for span in trace.spans.values()) for trace_id, trace in seen.items()}
    return Explained(
        {trace_id: seen[trace_id] for trace_id in sorted(seen, key=first.__getitem__)}, reader.rules, pipeline, errors
    )


def print_traces(found: Explained, wanted: str) -> int:
    """Prints the traces whose hex id begins with `wanted`, and the rules that read them; gives how many there were."""
    console = Console(highlight=False)
    width = console.width if console.is_terminal else 10_000  # a pipe has no edge to wrap at
    console.width = width
    numbers: dict[tuple[str, str], int] = {}
    count = 0
    for trace_id, trace in found.traces.items():
        if trace_id.hex().startswith(wanted.lower()):
            if count:
                console.print()
            count += 1
            _print_trace(console, width, trace_id, trace, found, numbers)
    if numbers:
        console.print("\n[bold]read by[/]")
    for (dialect, says), number in numbers.items():
        console.print(Text(f"[{number}] {dialect}: {says}"))
    return count


def _print_trace(
    console: Console,
    width: int,
    trace_id: bytes,
    trace: Trace,
    found: Explained,
    numbers: dict[tuple[str, str], int],
) -> None:
    services = ", ".join(sorted({span.origin.service for span in trace.spans.values()}))
    console.print(Text(f"trace {trace_id.hex()}", "bold").append(f"  {services}, {len(trace.spans)} spans", "default"))
    rows = explain_trace(list(trace.spans.values()), trace.facts, trace.trajectories)
    names = [row.branch + ("(no span) " if row.untraced else "") + row.span.name for row in rows]
    meanings = [_meaning(row) for row in rows]
    limits = (NAME, READ_AS) if width < 10_000 else (1000, 1000)
    widths = [min(max(map(len, column)), limit) for column, limit in zip((names, meanings), limits, strict=True)]
    for row, name, meaning in zip(rows, names, meanings, strict=True):
        rule = found.rules.get((trace_id, row.span.span_id))
        by = f"[{numbers.setdefault(rule, len(numbers) + 1)}] {rule[0]}" if rule else ""
        index = "" if row.step is None else "-" if row.step.index is None else str(row.step.index)
        line = Text(_fit(name, widths[0]), "" if row.kind is not Kind.OTHER else "dim")
        line.append(f" {index:>4} ", "bold").append(_fit(meaning, widths[1])).append(f" {by}".rstrip(), "dim")
        line.rstrip()
        console.print(line, soft_wrap=True)
        for part in textwrap.wrap(row.note, max(width - len(row.below), 20)):
            style = "red" if row.step is not None and row.step.failed else "yellow"
            console.print(Text(row.below, "").append(part, style), soft_wrap=True)
    for trajectory in trace.trajectories:
        console.print(_summary(trajectory, found.pipeline), soft_wrap=True)
    if not trace.trajectories:
        alone = any(row.kind is Kind.MODEL for row in rows)
        console.print("no trajectory: " + ("model calls alone are no agent" if alone else "no agent works here"))


def _meaning(row: Row) -> str:
    if row.kind is Kind.OTHER:
        return ""
    return f"{row.kind} {row.span.reading.name}".rstrip()


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _summary(trajectory: Trajectory, pipeline: Pipeline) -> Text:
    failed = sum(step.failed for step in trajectory.steps)
    steps = sum(step.index is not None for step in trajectory.steps)
    line = Text(f"trajectory {trajectory.trajectory_id}", "bold")
    line.append(f"  {trajectory.agent}: {steps} steps, {failed} failed, ", "default")
    outcome = trajectory.outcome or "no outcome"
    line.append(f"{outcome}", "red" if trajectory.hard_failure else "default")
    line.append(f" ({trajectory.because})", "default")
    if trajectory.fault:
        line.append(f"; {trajectory.fault} injected: in figures of faults only", "yellow")
    if not pipeline.runs.is_scored(trajectory):
        line.append("; left out by the settings", "yellow")
    return line
