from __future__ import annotations

import pytest

from otelscore.dialects.failure import classify
from otelscore.model import ErrorClass

TIMEOUT, RATE_LIMIT, UNAVAILABLE, AUTH, NOT_FOUND, INVALID, MALFORMED, CANCELLED, UNKNOWN = (
    ErrorClass.TIMEOUT,
    ErrorClass.RATE_LIMIT,
    ErrorClass.UNAVAILABLE,
    ErrorClass.AUTH,
    ErrorClass.NOT_FOUND,
    ErrorClass.INVALID_ARGUMENTS,
    ErrorClass.MALFORMED_RESULT,
    ErrorClass.CANCELLED,
    ErrorClass.UNKNOWN,
)


@pytest.mark.parametrize(
    ("error_type", "error_class"),
    [
        ("TimeoutError", TIMEOUT),
        ("asyncio.exceptions.TimeoutError", TIMEOUT),
        ("httpx.ConnectTimeout", TIMEOUT),
        ("ETIMEDOUT", TIMEOUT),
        ("grpc.StatusCode.DEADLINE_EXCEEDED", TIMEOUT),
        ("openai.RateLimitError", RATE_LIMIT),
        ("ThrottlingException", RATE_LIMIT),
        ("insufficient_quota", RATE_LIMIT),
        ("RESOURCE_EXHAUSTED", RATE_LIMIT),
        ("builtins.PermissionError", AUTH),
        ("AuthenticationError", AUTH),
        ("invalid_api_key", AUTH),
        ("FileNotFoundError", NOT_FOUND),
        ("ToolNotFoundError", NOT_FOUND),
        ("NoSuchToolError", NOT_FOUND),
        ("ENOENT", NOT_FOUND),
        ("ENOTFOUND", UNAVAILABLE),  # DNS
        ("java.net.ConnectException", UNAVAILABLE),
        ("ConnectionError", UNAVAILABLE),
        ("ECONNREFUSED", UNAVAILABLE),
        ("APIConnectionError", UNAVAILABLE),
        ("InternalServerError", UNAVAILABLE),
        ("overloaded_error", UNAVAILABLE),
        ("ValueError", INVALID),
        ("TypeError", INVALID),
        ("pydantic_core.ValidationError", INVALID),
        ("BadRequestError", INVALID),
        ("json.decoder.JSONDecodeError", MALFORMED),
        ("OutputParserException", MALFORMED),
        ("CancelledError", CANCELLED),
        ("AbortError", CANCELLED),
        ("KeyError", UNKNOWN),
        ("ZeroDivisionError", UNKNOWN),
        ("400", INVALID),
        ("401", AUTH),
        ("403", AUTH),
        ("404", NOT_FOUND),
        ("408", TIMEOUT),
        ("409", INVALID),
        ("422", INVALID),
        ("429", RATE_LIMIT),
        ("500", UNAVAILABLE),
        ("503", UNAVAILABLE),
        ("-32602", INVALID),
        ("-32601", NOT_FOUND),
        ("200", UNKNOWN),
    ],
)
def test_a_type_or_a_code_alone_gives_the_class(error_type: str, error_class: ErrorClass) -> None:
    assert classify((error_type,), ())[1] == error_class


@pytest.mark.parametrize(
    ("message", "error_class"),
    [
        ("the request timed out", TIMEOUT),
        ("Timeout waiting for the page", TIMEOUT),
        ("deadline exceeded", TIMEOUT),
        ("rate limit reached, slow down", RATE_LIMIT),
        ("Too many requests", RATE_LIMIT),
        ("You are not allowed to book", AUTH),
        ("Invalid API key", AUTH),
        ("An error occurred (AccessDeniedException) when calling Converse", AUTH),
        ("flight not found", NOT_FOUND),
        ("no such table: flights", NOT_FOUND),
        ("connection refused", UNAVAILABLE),
        ("The service is down", UNAVAILABLE),
        ("Unexpected token < in JSON", MALFORMED),
        ("date must be in the future", INVALID),
        ("missing 1 required positional argument: 'city'", INVALID),
        ("the call was cancelled", CANCELLED),
        ("boom", UNKNOWN),
        ("", UNKNOWN),
        ("HTTP 503", UNAVAILABLE),
        ("HTTP Error 404: Gone fishing", NOT_FOUND),
        ("Client error '403 Nope' for url 'https://example.org'", AUTH),
        ("Error code: 429 - slow", RATE_LIMIT),
        ("Request failed with status code 502", UNAVAILABLE),
        ("status=401", AUTH),
        ("404 Client Error", NOT_FOUND),
        ("the server said no (503)", UNAVAILABLE),
        ("MCP error -32602: bad", INVALID),
        ("Error: order 500 not found", NOT_FOUND),  # 500 is an order
        ("seat 403 is taken", UNKNOWN),
        ("5 of 404 items were lost", UNKNOWN),
        ("error 4040", UNKNOWN),
        ("it costs (404.50)", UNKNOWN),
    ],
)
def test_a_message_alone_gives_the_class_codes_only_as_whole_words(message: str, error_class: ErrorClass) -> None:
    assert classify((), (message,))[1] == error_class


@pytest.mark.parametrize(
    "wrapper",
    [
        "ToolRetryError",
        "ToolException",
        "tool_error",
        "TOOL_ERROR",
        "_OTHER",
        "Error",
        "Exception",
        "RuntimeError",
        "strands.types.exceptions.EventLoopException",
        "ToolExecutionError",
        "ModelRetry",
        "McpError",
    ],
)
def test_a_wrapper_says_nothing_where_the_message_names_the_error(wrapper: str) -> None:
    assert classify((wrapper,), ("TimeoutError: slow",)) == ("TimeoutError", TIMEOUT)
    assert classify((wrapper,), ("requests.exceptions.ConnectionError(...)",)) == ("ConnectionError", UNAVAILABLE)
    assert classify((wrapper,), ("it was not found",))[1] == NOT_FOUND
    assert classify((wrapper,), ("boom",)) == (wrapper.rsplit(".", 1)[-1], UNKNOWN)


def test_the_first_type_that_is_no_wrapper_names_the_error() -> None:
    assert classify(("ToolError", "KeyError"), ("boom",)) == ("KeyError", UNKNOWN)
    assert classify(("KeyError", "TimeoutError"), ()) == ("TimeoutError", TIMEOUT)  # the first that has a class


def test_a_code_in_any_message_beats_the_words_of_all() -> None:
    assert classify(("APIStatusError",), ("not found", "HTTP 503")) == ("APIStatusError", UNAVAILABLE)


def test_nothing_gives_nothing() -> None:
    assert classify((), ()) == ("", UNKNOWN)
    assert classify(("", " "), ("", " ")) == ("", UNKNOWN)


def test_types_are_short_and_without_their_packages() -> None:
    assert classify(("a.b/C:MyError",), ())[0] == "MyError"
    assert classify(("<class 'x.MyError'>",), ())[0] == "MyError"
    assert len(classify(("X" * 500 + "Error",), ())[0]) <= 80
    assert len(classify((), ("X" * 500 + "Error: boom",))[0]) <= 80


def test_the_message_of_a_type_error_goes_first_since_javascript_has_it_for_network_errors():
    assert classify(["TypeError"], ["fetch failed"]) == ("TypeError", ErrorClass.UNAVAILABLE)
    assert classify(["TypeError"], ["timed out"]) == ("TypeError", ErrorClass.TIMEOUT)
    assert classify(["TypeError"], ["f() takes 1 positional argument"]) == ("TypeError", ErrorClass.INVALID_ARGUMENTS)
