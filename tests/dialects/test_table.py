from __future__ import annotations

import re

import pytest

from otelscore.dialects import Context, Registry
from otelscore.dialects.content import text_digest
from otelscore.model import ERROR, OK, UNSET, ErrorClass, Kind, Verdict

KEY = bytes(16)
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}


def exception(error_type: str = "", message: str = "") -> tuple[str, dict[str, str]]:
    return ("exception", {"exception.type": error_type, "exception.message": message})


@pytest.mark.parametrize("status", [UNSET, OK])
def test_a_span_without_evidence_has_no_failure(read, status: int) -> None:
    assert read("x", TOOL, status=status, message="not an error").failure is None


def test_an_error_status_alone_is_a_failure_of_which_nothing_is_known(read) -> None:
    failure = read("x", TOOL, status=ERROR).failure
    assert (failure.error_type, failure.error_class) == ("", ErrorClass.UNKNOWN)
    assert (failure.exception, failure.typed, failure.messages) == (False, False, frozenset())


def test_an_error_type_is_a_failure_under_any_status(read) -> None:
    for status in (UNSET, OK, ERROR):
        failure = read("x", {**TOOL, "error.type": "TimeoutError"}, status=status).failure
        assert (failure.error_type, failure.error_class) == ("TimeoutError", ErrorClass.TIMEOUT)
        assert (failure.typed, failure.exception) == (True, False)


def test_an_exception_event_is_a_failure_under_any_status(read) -> None:
    for status in (UNSET, OK, ERROR):
        failure = read("x", TOOL, status=status, events=[exception("builtins.PermissionError", "no")]).failure
        assert (failure.error_type, failure.error_class) == ("PermissionError", ErrorClass.AUTH)
        assert (failure.typed, failure.exception) == (False, True)


def test_the_last_exception_counts(read) -> None:
    events = [exception("TimeoutError"), exception("PermissionError")]
    assert read("x", TOOL, events=events).failure.error_type == "PermissionError"


def test_the_real_exception_comes_before_the_type_and_the_wrapper_before_nothing(read) -> None:
    both = read("x", {**TOOL, "error.type": "tool_error"}, events=[exception("TimeoutError")]).failure
    assert (both.error_type, both.typed, both.exception) == ("TimeoutError", True, True)
    wrapped = read("x", TOOL, events=[exception("lib.ToolRetryError", "ConnectionError: refused")]).failure
    assert (wrapped.error_type, wrapped.error_class) == ("ConnectionError", ErrorClass.UNAVAILABLE)
    bare = read("x", {**TOOL, "error.type": "_OTHER"}).failure
    assert (bare.error_type, bare.error_class) == ("_OTHER", ErrorClass.UNKNOWN)


@pytest.mark.parametrize(
    ("key", "code", "error_class"),
    [
        ("http.response.status_code", 429, ErrorClass.RATE_LIMIT),
        ("http.status_code", "503", ErrorClass.UNAVAILABLE),
        ("rpc.response.status_code", "-32602", ErrorClass.INVALID_ARGUMENTS),
        ("http.response.status_code", 200, ErrorClass.UNKNOWN),
    ],
)
def test_a_code_on_the_span_gives_the_class(read, key: str, code: int | str, error_class: ErrorClass) -> None:
    assert read("x", {**TOOL, key: code}, status=ERROR).failure.error_class == error_class
    assert read("x", {**TOOL, key: code}).failure is None


def test_a_flagged_failure_is_classified_by_its_result(read) -> None:
    failed = {**TOOL, "gen_ai.tool.status": "error", "gen_ai.tool.call.result": "Error: TimeoutError - slow"}
    reading = read("x", failed, status=OK)
    assert reading.flagged
    assert reading.failure.error_class == ErrorClass.TIMEOUT


def test_messages_are_kept_as_hashes_by_which_copies_are_found(make_span) -> None:
    registry = Registry(Context(key=KEY))
    reading = registry.read(make_span("x", TOOL, status=ERROR, message="boom", events=[exception("E", "bang ")]))
    assert reading.failure is not None
    assert reading.failure.messages == {text_digest("boom", KEY), text_digest("bang", KEY)}


@pytest.mark.parametrize(
    "cancellation",
    [
        "asyncio.exceptions.CancelledError",
        "CancelledError",
        "cancelled",
        "AbortError",
        "TaskCanceledException",
        "System.OperationCanceledException",
        "java.util.concurrent.CancellationException",
        "context.Canceled",
        "ToolInterruptError",  # Genkit: it waits for a human
        "agent_framework.exceptions.UserInputRequiredException",
    ],
)
def test_a_cancelled_call_is_skipped(read, cancellation: str) -> None:
    assert read("x", TOOL, status=ERROR, events=[exception(cancellation)]).skipped
    assert read("x", {**TOOL, "error.type": cancellation}, status=ERROR).skipped


@pytest.mark.parametrize("error_type", ["TimeoutError", "OrderCancelledByBankFault", "AbortedError", ""])
def test_any_other_error_is_not_skipped(read, error_type: str) -> None:
    assert not read("x", TOOL, status=ERROR, events=[exception(error_type)]).skipped


def test_a_call_that_is_cancelled_since_it_took_too_long_has_failed(read) -> None:
    message = "The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing."
    reading = read("x", {**TOOL, "error.type": "TaskCanceledException"}, status=ERROR, message=message)
    assert (reading.skipped, reading.failure.error_class) == (False, ErrorClass.TIMEOUT)


def test_retrievals_are_read_for_soft_errors_and_models_are_not(read) -> None:
    said = {"gen_ai.tool.call.result": '{"error": "no index"}', "gen_ai.output.messages": '{"error": "no index"}'}
    assert read("x", {"gen_ai.operation.name": "retrieval", **said}).soft_error == "error"
    assert read("x", {"gen_ai.operation.name": "chat", **said}).soft_error == ""


def test_the_command_of_a_call_decides_what_its_exit_status_means(read) -> None:
    for command, rule in (("grep foo x", ""), ("ls x", "exit_status")):
        called = {
            "gen_ai.tool.call.arguments": f'{{"command": "{command}"}}',
            "gen_ai.tool.call.result": "Exit code: 1",
        }
        assert read("bash", {**TOOL, **called}).soft_error == rule


def test_the_users_patterns_are_read(make_span) -> None:
    registry = Registry(Context(key=KEY, soft_errors=(re.compile("KEIN ERGEBNIS"),)))
    assert (
        registry.read(make_span("x", {**TOOL, "gen_ai.tool.call.result": "KEIN ERGEBNIS"})).soft_error == "configured"
    )


def test_labels_are_taken_from_agent_spans_alone(make_span) -> None:
    registry = Registry(Context(key=KEY, labels=frozenset({"team", "tier"})))
    assert registry.wants("team")
    assert registry.read(make_span("x", {**AGENT, "team": "blue" * 100})).labels == {"team": ("blue" * 100)[:256]}
    assert registry.read(make_span("x", {**AGENT, "tier": 3})).labels == {"tier": "3"}
    assert registry.read(make_span("x", {**TOOL, "team": "blue"})).labels == {}


def test_the_cluster_is_on_any_span_or_its_resource(make_span) -> None:
    registry = Registry(Context(key=KEY, cluster_by="task.id"))
    assert registry.wants("task.id")
    assert registry.read(make_span("x", {**TOOL, "task.id": 7})).cluster == "7"
    assert registry.read(make_span("x", {"task.id": "t1"})).cluster == "t1"
    assert registry.read(make_span("x", TOOL, resource={"task.id": "t2"})).cluster == "t2"
    assert registry.read(make_span("x", TOOL)).cluster == ""


def test_an_injected_fault_is_marked(read) -> None:
    assert read("x", {**TOOL, "otelscore.fault.kind": "timeout"}).fault == "timeout"
    assert read("x", TOOL).fault == ""


def test_evaluations_on_a_span_of_any_kind_are_verdicts_about_it(read) -> None:
    said = {"gen_ai.evaluation.name": "task_success", "gen_ai.evaluation.score.label": "fail"}
    events = [
        ("gen_ai.evaluation.result", said),
        ("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "unreadable"}),
    ]
    about = 7, b"t" * 16, b"s" * 8
    expected = (Verdict("task_success", False, *about), Verdict("unreadable", None, *about))
    assert read("x", AGENT, events=events).verdicts == expected
    plain = read("GET /", events=events)
    assert (plain.kind, plain.verdicts) == (Kind.OTHER, expected)
