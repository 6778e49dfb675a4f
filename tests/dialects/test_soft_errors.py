from __future__ import annotations

import json
import re
from typing import Any

import pytest

from otelscore.dialects.soft_errors import soft_error

ERROR_OBJECTS = [
    ({"error": "timeout"}, "error"),
    ({"error": {"code": 4711, "message": "no seat"}}, "error"),
    ({"error": True, "message": "no seat"}, "error"),
    ({"error": 404}, "error"),
    ({"errors": [{"field": "date", "message": "is in the past"}]}, "errors"),
    ({"data": None, "errors": ["no such field"]}, "errors"),
    ({"isError": True, "content": [{"type": "text", "text": "no seat"}]}, "is_error"),
    ({"type": "tool_result", "tool_use_id": "1", "content": "no seat", "is_error": True}, "is_error"),
    ({"success": False}, "success"),
    ({"ok": False, "description": "chat not found"}, "ok"),
    ({"status": "error", "message": "no seat"}, "status_word"),
    ({"status": "FAILED"}, "status_word"),
    ({"status": 404}, "status_code"),
    ({"status": "503", "body": ""}, "status_code"),
    ({"statusCode": 500, "body": "{}"}, "status_code"),
    ({"status_code": 429}, "status_code"),
    ({"code": 404, "message": "not found"}, "status_code"),
    ({"code": 500}, "status_code"),
    ({"code": 500, "msg": "busy", "data": None}, "status_code"),
    ({"exit_code": 2, "stdout": ""}, "exit_code"),
    ({"returncode": -9, "output": ""}, "exit_code"),
    ({"exitCode": "127"}, "exit_code"),
    ({"output": "no such file", "metadata": {"exit_code": 1, "duration_seconds": 0.1}}, "exit_code"),  # Codex
    ({"stdout": "", "timed_out": True}, "killed"),
]

ORDINARY_OBJECTS = [
    {},
    {"error": None},
    {"error": ""},
    {"error": False},
    {"error": "none"},
    {"error": "No error"},
    {"error": {}},
    {"error": {"code": 0, "message": None}},
    {"error": 0.05},
    {"errors": []},
    {"errors": 0},
    {"errors": 3, "warnings": 1},
    {"success": True},
    {"ok": True, "data": "x"},
    {"success": None},
    {"isError": False, "content": [{"type": "text", "text": "booked"}]},
    {"code": 4711},
    {"code": 200, "message": "OK"},
    {"code": "415", "city": "San Francisco"},
    {"country": "Morocco", "code": 504},
    {"status": "booked"},
    {"status": 200},
    {"status": "no errors"},
    {"status_code": 204},
    {"exit_code": 0, "stderr": "warning"},
    {"returncode": None},
    {"metadata": {"exit_code": 0}},
    {"orders": [{"id": 1, "status": "failed"}, {"id": 2, "status": "error"}]},
    {"results": [{"title": "Error: 404 explained", "error": "yes"}]},
    {"title": "Error: what now?", "url": "https://example.org"},
    {"message": "Error handling done"},
    {"flights": [], "note": "timeout"},
    {"error_rate": 0.5, "error_count": 4},
    {"timed_out": False},
    [],
    [{"status": "error"}, {"status": "ok"}],
    [{"error": "x"}],
    [{"text": "Error: first hit"}, {"text": "Error: second hit"}],
    [404, 500],
    404,
    False,
    None,
]

ERROR_TEXTS = [
    ("Error", "error_prefix"),
    ("Error: no flights found", "error_prefix"),
    ("error: unknown option", "error_prefix"),
    ("ERROR - disk full", "error_prefix"),
    ("[Error] no seat", "error_prefix"),
    ("<error>no seat</error>", "error_prefix"),
    ("\u274c Error: no seat", "error_prefix"),
    ("**Error:** no seat", "error_prefix"),
    ("Error executing tool book: no seat", "error_prefix"),
    ("Error calling the API", "error_prefix"),
    ("Error in book_flight: no seat", "error_prefix"),
    ("Error while booking", "error_prefix"),
    ("Error occurred", "error_prefix"),
    ("Error 404", "error_prefix"),
    ("Error code: 429 - {'error': {'message': 'slow down'}}", "error_prefix"),
    ("Error message: no seat", "error_prefix"),
    ('Error from server (NotFound): pods "web" not found', "error_prefix"),
    ("Error response from daemon: no such container", "error_prefix"),
    ("error[E0308]: mismatched types", "error_prefix"),
    ("Error\nno seat", "error_prefix"),
    ("Error: None of the flights can be booked", "error_prefix"),
    ("Error: 503 Service Unavailable", "error_prefix"),
    ("Traceback (most recent call last):\n  File ...", "traceback"),
    ("ValueError: bad date", "exception_type"),
    ("requests.exceptions.HTTPError: 404 Client Error", "exception_type"),
    ("TimeoutError('slow')", "exception_type"),
    ("httpx.ReadTimeout: slow", "exception_type"),
    ("Exception: boom", "exception_prefix"),
    ('Exception in thread "main"', "exception_prefix"),
    ("HTTP 404", "http_status"),
    ("HTTP/1.1 500 Internal Server Error", "http_status"),
    ("HTTP error 503: try later", "http_status"),
    ("HTTP Status: 429", "http_status"),
    ("404 Not Found", "http_reason"),
    ("404 Client Error: Not Found for url: https://example.org", "http_reason"),
    ("503 Service Unavailable", "http_reason"),
    ("Tool error: no seat", "tool_error"),
    ("MCP error -32602: bad date", "tool_error"),
    ("Unexpected error occurred", "tool_error"),
    ("Input validation error: 'date' is a required property", "tool_error"),
    ("1 validation error for Booking", "tool_error"),
    ("Tool execution failed: no seat", "tool_failed"),
    ("Request failed with status code 500", "tool_failed"),
    ("Request timed out.", "tool_failed"),
    ("An error occurred while running the tool. Please try again.", "error_occurred"),
    ("An unexpected error occurred", "tool_error"),
    ("There was an error", "error_occurred"),
    ("Failed to fetch the page", "failed_to"),
    ("fatal: not a git repository", "failed_to"),
    ("Unknown tool: fly", "unknown_tool"),
    ("Tool 'fly' not found", "unknown_tool"),
    ("Permission denied", "denied"),
    ("Access denied for user 'a'", "denied"),
    ("Connection refused", "denied"),
    ("Timed out waiting for the page", "denied"),
    ("Timeout: the page did not load", "denied"),
    ("bash: foo: command not found", "shell_not_found"),
    ("zsh: command not found: foo", "shell_not_found"),
    ('{"error": "the text was cut her', "cut_object"),
    ("{'error': 'a Python repr'}", "cut_object"),
    ("{'success': False, 'reason': 'no seat'}", "cut_object"),
    ('{"status": "error", "message": "cut her', "cut_object"),
    ('{"isError": true, "content": [{"type": "te', "cut_object"),
    ("   \n Error: after white space", "error_prefix"),
]

EXITS = [
    "Exit code: 1\nno such file",  # Codex, Cursor
    "Exit code 1\nls: cannot access 'x'",  # Claude Code
    "exit status 1",
    "some output\nexit status 2",  # go run
    "exitcode: 1 (execution failed)\nCode output: NameError",  # AutoGen
    "<returncode>1</returncode>\n<output>\n</output>",  # mini-swe-agent
    "no such file\n[The command completed with exit code 2.]",  # OpenHands
    "out\n[Current working directory: /app]\n[Command finished with exit code 127]",
    "[Command failed with exit code 1]",
    "Command 'ls /x' returned non-zero exit status 2.",
    "Command exited with non-zero status 1: ls",
    "Process exited with code 1",
    "Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 1\nOutput:\nno such file",  # Codex
    "Command: ls\nOutput: (empty)\nError: (none)\nExit Code: 2\nSignal: 0\nProcess Group PGID: 7",  # Gemini CLI
    "out\nreturn code: 3",
]

KILLS = [
    "Command timed out after 2m 0.0s",  # Claude Code
    "[The command timed out after 30 seconds. Try another one.]",  # OpenHands
    "The command 'sleep 99' was cancelled because it took more than 30 seconds.",  # SWE-agent
    "The last command <command>sleep 99\nls</command> timed out and has been killed.",  # mini-swe-agent
    "out\nProcess killed after 120s",
    "Execution exceeded the time limit",
    "EXECUTION TIME EXCEEDED",
]

ORDINARY_TEXTS = [
    "",
    "Booked AF123.",
    "No errors found.",
    "0 errors, 3 warnings",
    "Error handling in Go: a guide",
    "Error-handling patterns",
    "Error rates fell by 5% in May",
    "Error messages and what they mean",
    "Error codes of HTTP",
    "Error logging with Sentry",
    "Error monitoring for teams",
    "Error correction in quantum computers",
    "Error Boundaries in React",
    "# Error Handling",
    "Errors and exceptions in Python",
    "Errors: 0",
    "error: null",
    "error: none\nresult: booked",
    "Error: None",
    "error = 0, warnings = 2",
    "Errorless learning",
    "Exception handling in Java",
    "Exceptional service!",
    "Traceback is a Python module",
    "HTTP status codes explained",
    "HTTP 200 OK",
    "404 rooms are free",
    "4040 Not Found Street",
    "1. How to fix 'Error: 404'\n2. TimeoutError explained",
    "Search results: ValueError: invalid literal",
    "The page says: Error: not found",
    "ValueError is raised when a value is wrong",
    "Failure is an option",
    "Access denied errors in S3: a guide",
    "Connection refused explained",
    "Timeout: 30\nRetries: 3",
    "The tool failed yesterday, today it is fine",
    "Exit code 0",
    "exitcode: 0 (execution succeeded)\nCode output: Error: only printed",
    "done\n[The command completed with exit code 0.]",
    "<returncode>0</returncode>\n<output>Error</output>",
    "exit code 137 means that a container ran out of memory",
    "What does exit code 1 mean in Docker?",
    "Docker exits with exit code 1 - questions and answers",
    "line one\nthe word: exit code 1 stands in a middle line\nline three",
    "set -e\nls\nexit 1",
    "The command timed out because of you, they said",
    "A killed process can be restarted after a while",
    '{"result": "Error hand',
    '{"error": null, "data": [1, 2',
    '{"errors": [], "data": [1, 2',
    "{'error': None, 'data': 1}",
    "{'success': True}",
    '"Error-free"',
]


@pytest.mark.parametrize(("result", "rule"), ERROR_OBJECTS)
@pytest.mark.parametrize("written", [lambda value: value, json.dumps, lambda value: json.dumps(json.dumps(value))])
def test_objects_that_say_that_the_call_failed(result: Any, rule: str, written: Any) -> None:
    found = soft_error(written(result))
    assert found is not None
    assert found.rule == rule


@pytest.mark.parametrize("result", ORDINARY_OBJECTS)
def test_objects_that_do_not(result: Any) -> None:
    assert soft_error(result) is None
    assert soft_error(json.dumps(result)) is None


@pytest.mark.parametrize(("text", "rule"), ERROR_TEXTS)
def test_texts_that_start_with_an_error(text: str, rule: str) -> None:
    found = soft_error(text)
    assert found is not None
    assert found.rule == rule


@pytest.mark.parametrize("text", ORDINARY_TEXTS)
def test_texts_that_do_not(text: str) -> None:
    assert soft_error(text) is None
    assert soft_error(json.dumps(text)) is None
    assert soft_error({"content": [{"type": "text", "text": text}]}) is None


@pytest.mark.parametrize("text", EXITS)
def test_a_commands_exit_status_other_than_0_is_an_error(text: str) -> None:
    found = soft_error(text)
    assert found is not None
    assert found.rule == "exit_status"


@pytest.mark.parametrize("text", KILLS)
def test_a_command_that_was_killed_after_a_time_limit_timed_out(text: str) -> None:
    found = soft_error(text)
    assert found is not None
    assert (found.rule, found.text) == ("killed", "timed out")


@pytest.mark.parametrize(
    "command",
    [
        "grep foo file",
        "cd /app && grep -rn foo .",
        "cat file | grep foo",
        "grep -E 'foo|bar' file",
        'rg "a; b" src',
        "git diff --exit-code",
        "sudo /usr/bin/which foo",
        "LANG=C diff a b",
        json.dumps({"command": "grep foo file"}),
        {"cmd": ["bash", "-lc", "grep foo file"]},
        {"command": ["grep", "foo", "file"]},
    ],
)
def test_exit_status_1_of_a_search_means_nothing_found(command: Any) -> None:
    assert soft_error("Exit code: 1", command=command) is None
    assert soft_error({"exit_code": 1, "stdout": ""}, command=command) is None
    assert soft_error("Exit code: 2", command=command) is not None


@pytest.mark.parametrize("command", [None, "", "ls /x", "grep foo file; ls /x", "pytest -k grep", {"path": "grep"}, 7])
def test_exit_status_1_of_any_other_command_is_an_error(command: Any) -> None:
    assert soft_error("Exit code: 1", command=command) is not None


def test_the_command_may_be_in_the_result() -> None:
    assert soft_error({"command": "grep foo file", "exit_code": 1}) is None


WRAPPERS = [
    lambda inner: {"content": [{"type": "text", "text": inner}], "isError": False},  # MCP
    lambda inner: [{"type": "text", "text": inner}],
    lambda inner: [{"type": "text", "text": inner}, {"type": "image", "data": "..."}],
    lambda inner: [{"text": inner}],  # Bedrock
    lambda inner: {"toolResult": {"toolUseId": "1", "status": "success", "content": [{"text": inner}]}},
    lambda inner: {"type": "tool", "data": {"content": inner, "tool_call_id": "1", "status": "success"}},  # LangChain
    lambda inner: {"lc": 1, "type": "constructor", "kwargs": {"content": inner, "tool_call_id": "1"}},
    lambda inner: {"role": "tool", "tool_call_id": "1", "content": inner},  # OpenAI
    lambda inner: {"type": "function_call_output", "call_id": "1", "output": inner},
    lambda inner: {
        "type": "tool_result",
        "tool_use_id": "1",
        "content": [{"type": "text", "text": inner}],
    },  # Anthropic
    lambda inner: [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": [{"text": inner}]}]}
    ],
    lambda inner: {"result": inner},
    lambda inner: {"output": {"content": inner}},
]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_wrappers_are_looked_through(wrap: Any) -> None:
    for inner, rule in (("Error: no seat", "error_prefix"), ('{"error": "no seat"}', "error"), ("Booked.", None)):
        found = soft_error(json.dumps(wrap(inner)))
        assert (found.rule if found else None) == rule


@pytest.mark.parametrize(
    "message",
    [
        {"type": "tool", "data": {"content": "no seat", "tool_call_id": "1", "status": "error"}},
        {"lc": 1, "type": "constructor", "kwargs": {"content": "no seat", "tool_call_id": "1", "status": "error"}},
        {"toolUseId": "1", "status": "error", "content": [{"text": "no seat"}]},
        {"toolResult": {"toolUseId": "1", "status": "error", "content": [{"text": "no seat"}]}},
        "content='no seat' name='book' tool_call_id='1' status='error'",
    ],
)
def test_a_tool_messages_own_status_is_a_flag(message: Any) -> None:
    found = soft_error(message)
    assert found is not None
    assert (found.rule, found.flag) == ("tool_message_status", True)


def test_the_repr_of_a_tool_message_is_looked_through() -> None:
    found = soft_error("content='Error: no seat' name='book' tool_call_id='1'")
    assert found is not None
    assert (found.rule, found.flag) == ("error_prefix", False)
    assert soft_error("content='booked' name='book' tool_call_id='1'") is None


def test_pydantic_ais_retry_prompt_is_a_flag_where_it_ends_the_text() -> None:
    found = soft_error("The city is unknown.\n\nFix the errors and try again.")
    assert found is not None
    assert (found.rule, found.flag) == ("retry_prompt", True)
    assert soft_error("Fix the errors and try again. Then go on.") is None


def test_an_mcp_error_is_a_flag_and_a_guess_is_none() -> None:
    flags = {rule: found.flag for value, rule in ERROR_OBJECTS if (found := soft_error(value))}
    assert {rule for rule, flag in flags.items() if flag} == {"is_error"}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"error": {"message": "slow down"}, "code": 429}, "slow down"),
        ({"status": 503, "body": "busy"}, "HTTP 503"),
        ({"success": False, "reason": "no seat"}, "no seat"),
        ("Error: no seat", "no seat"),
    ],
)
def test_the_text_to_classify_by_has_the_words_of_the_error(result: Any, text: str) -> None:
    found = soft_error(result)
    assert found is not None
    assert text in found.text


def test_the_users_own_patterns_are_matched_at_the_start() -> None:
    patterns = (re.compile("KEIN ERGEBNIS"),)
    assert soft_error("KEIN ERGEBNIS gefunden") is None
    found = soft_error({"content": [{"type": "text", "text": "KEIN ERGEBNIS gefunden"}]}, extra=patterns)
    assert found is not None
    assert found.rule == "configured"
    assert soft_error("Wir haben KEIN ERGEBNIS", extra=patterns) is None


def test_wrappers_inside_wrappers_without_end_are_given_up() -> None:
    value: Any = "Error: no seat"
    for _ in range(500):
        value = {"result": value}
    assert soft_error(value) is None


TOLD_ERRORS = [
    ("<tool_use_error>File has not been read yet.</tool_use_error>", "tool_use_error"),  # Claude Code
    ("No replacement was performed, old_str `x` did not appear verbatim in /a.py.", "edit_refused"),
    ("Invalid `path` parameter: x. Relative path is not allowed.", "edit_refused"),
    ("The path /a.py does not exist. Please provide a valid path.", "edit_refused"),
    ("apply_patch verification failed: Failed to find expected lines in a.py", "edit_refused"),
    ("serch is not a valid tool, try one of [search].", "framework"),
    ("I encountered an error while trying to use the tool. This was the error: 'q'.", "framework"),
    ("Code execution failed at line 'x()' due to: InterpreterError: no", "framework"),
    ("[Errno 111] Connection refused", "system_error"),
    ("ENOENT: no such file or directory, open '/x'", "system_error"),
    ("connect ECONNREFUSED 127.0.0.1:5432", "system_error"),
    ("HTTPSConnectionPool(host='api', port=443): Max retries exceeded", "system_error"),
    ('(psycopg2.errors.UndefinedTable) relation "users" does not exist', "system_error"),
    ("Connection error.", "system_error"),
    ("net::ERR_NAME_NOT_RESOLVED at https://x", "browser"),
    ("page.goto: Timeout 30000ms exceeded.", "browser"),
    ("API rate limit exceeded for user ID 1.", "rate_limit"),
    ("npm ERR! code ENOENT", "program"),
    ("curl: (7) Failed to connect to localhost port 8080", "program"),
    ("E: Unable to locate package foo", "program"),
    ("python: can't open file '/x.py': [Errno 2] No such file or directory", "program"),
    ("make: *** [Makefile:2: all] Error 1", "program"),
    ("foo: command not found", "program"),
    ("Segmentation fault (core dumped)", "program"),
    ("Service Unavailable", "reason"),
    ('{"message": "Forbidden"}', "reason"),
    ("execution error: Io(Os { code: 2 })", "tool_error"),
    ("Operation timed out after 30 seconds", "tool_failed"),
    ("Sorry, an error occurred while processing", "error_occurred"),
    ("\u274c Failed to book", "failed_to"),
    (
        "-" * 75 + "\nNameError                                 Traceback (most recent call last)\nCell In[1]",
        "traceback",
    ),
    (
        "\x1b[0;31m" + "-" * 75 + "\x1b[0m\n\x1b[0;31mNameError\x1b[0m      Traceback (most recent call last)",
        "traceback",
    ),
    ('  File "x.py", line 1\n    x x\n      ^\nSyntaxError: invalid syntax', "traceback"),
    ("[The command has no new output after 30 seconds.]\n[Command timed out]", "killed"),
    ("EXECUTION TIMED OUT because the command took longer than 25 seconds.", "killed"),
    (
        "x\n[The command completed with exit code 2.]\n[Current working directory: /w]\n[Python interpreter: /p]",
        "exit_status",
    ),
    ({"Error": "Not authorized"}, "Error"),
    ({"Error Message": "Invalid API call."}, "Error Message"),  # Alpha Vantage
    ({"errorMessage": "Task timed out after 3.00 seconds", "errorType": "Sandbox.Timedout"}, "aws"),
    ({"__type": "ResourceNotFoundException", "message": "Requested resource not found"}, "aws"),
]


@pytest.mark.parametrize(("result", "rule"), TOLD_ERRORS)
def test_what_tools_and_frameworks_tell_a_model_of_a_failed_call(result: Any, rule: str) -> None:
    found = soft_error(result)
    assert found is not None
    assert found.rule == rule


@pytest.mark.parametrize(
    "result",
    [
        "error.log  access.log",
        "Tool failed? Here is how to repair your drill",
        "Timeout 30 minutes per game",
        "rate limit: 5000 remaining",
        "Network errors last week: 0",
        "make: 'x' is up to date.",
        "foo: command line options",
        "Killed it at the show last night",
        "Service unavailable dates: none",
        "Forbidden City - Beijing, 9am-5pm",
        "Segmentation faults explained",
        "HTTPSConnectionPool is a class in urllib3",
        "connect to the server with ssh",
        "npm errors: a guide",
        "Permission denied by default is the policy of least privilege",
        "The path /a.py exists.",
        "x\n[The command completed with exit code 0.]\n[Current working directory: /w]\n[Python interpreter: /p]",
        {"Error": None, "rows": []},
        {"errorType": "none known", "count": 3},
        {"__type": "Hotel", "name": "x"},
        {"message": "Unauthorized biography of X"},
    ],
)
def test_what_only_sounds_like_it(result: Any) -> None:
    assert soft_error(result) is None
