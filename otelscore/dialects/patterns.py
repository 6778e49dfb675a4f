"""What words mean: the tables behind soft errors, error classes, acknowledgements and tools that are none.

Data only. Precision comes first: a marker counts at the start or end of a text, never in the middle, since a search
result about errors is not an error.
"""

from __future__ import annotations

import re

from otelscore.model import ErrorClass, Role

ERROR_TYPES: tuple[tuple[ErrorClass, re.Pattern[str]], ...] = tuple(
    (error_class, re.compile(pattern, re.IGNORECASE))
    for error_class, pattern in (
        (ErrorClass.TIMEOUT, r"timed?_?out|deadline_?exceeded"),
        (ErrorClass.RATE_LIMIT, r"rate_?limit|too_?many_?requests|throttl|quota|resource_?exhausted"),
        (ErrorClass.AUTH, r"permission|forbidden|unauthori[sz]ed|unauthenticated|access_?denied|authenticat|authoriz"),
        (ErrorClass.NOT_FOUND, r"not_?found|no_?such|does_?not_?exist|^eno?ent$"),
        (ErrorClass.CANCELLED, r"cancell?ed|abort"),
        (ErrorClass.MALFORMED_RESULT, r"json_?decode|parse_?error|malformed|unicode|output_?parser"),
        (
            ErrorClass.INVALID_ARGUMENTS,
            r"^value_?error$|^type_?error$|validation|invalid|bad_?request|schema|unprocessable|argument|range_?error",
        ),
        (
            ErrorClass.UNAVAILABLE,
            r"connect|unavailable|unreachable|bad_?gateway|internal_?server|overloaded|econn|network|server_?error"
            r"|^ssl|socket|broken_?pipe|^ehostunreach$|^enotfound$|dns|service_?error",
        ),
    )
)
"""Error class by the name of an exception type or an `error.type`; the first that is found."""

ERROR_CODES: dict[int, ErrorClass] = {
    400: ErrorClass.INVALID_ARGUMENTS,
    401: ErrorClass.AUTH,
    403: ErrorClass.AUTH,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.TIMEOUT,
    410: ErrorClass.NOT_FOUND,
    422: ErrorClass.INVALID_ARGUMENTS,
    429: ErrorClass.RATE_LIMIT,
    499: ErrorClass.CANCELLED,
    -32700: ErrorClass.INVALID_ARGUMENTS,
    -32600: ErrorClass.INVALID_ARGUMENTS,
    -32601: ErrorClass.NOT_FOUND,
    -32602: ErrorClass.INVALID_ARGUMENTS,
    -32603: ErrorClass.UNAVAILABLE,
}
"""HTTP (RFC 9110) and JSON-RPC 2.0 codes; every other 5xx is `unavailable`."""

CODE_IN_TEXT = re.compile(
    r"(?:\b(?:http|status|code|error)\b[ :=_/\-a-z0-9.]{0,16}?|^|[(\[])(-326\d\d|-32700|[45]\d\d)\b(?![.,]\d)",
    re.IGNORECASE,
)
"""A code as a whole word where it can only be one: first in the text, in brackets or after a word that announces it."""

TYPE_IN_TEXT = re.compile(
    r"^\W{0,3}(?:(?:tool|agent)[ _](?:execution )?error\W{1,3})?(?:[a-z_]\w*\.)*"
    r"([A-Z]\w*(?:Error|Exception|Timeout|Denied|Exceeded|Interrupt))\b(?!\s+\w+ing\b)",
)
"""The exception class that a message starts with: `TimeoutError: ...`, `requests.exceptions.ReadTimeout(...)`."""

ERROR_MESSAGES: tuple[tuple[ErrorClass, re.Pattern[str]], ...] = tuple(
    (error_class, re.compile(pattern, re.IGNORECASE))
    for error_class, pattern in (
        (ErrorClass.TIMEOUT, r"\btim(?:ed|e)[ -]?out\b|\btime limit\b|\bdeadline exceeded\b"),
        (ErrorClass.RATE_LIMIT, r"\brate[ -]limit|\btoo many requests\b|\bquota\b|\bthrottl"),
        (
            ErrorClass.AUTH,
            r"\bforbidden\b|\bunauthori[sz]ed\b|\bpermission\b|\baccess denied\b|\bnot (?:permitted|allowed|authori[sz]ed)\b"
            r"|\bauthentication\b|\binvalid (?:api[ _]?key|token|credentials)\b",
        ),
        (
            ErrorClass.NOT_FOUND,
            r"\bnot found\b|\bno such\b|\bdoes not exist\b|\bdoesn't exist\b|\bunknown (?:tool|action|function)\b",
        ),
        (
            ErrorClass.MALFORMED_RESULT,
            r"\bmalformed\b|\bunexpected token\b|\bcould not parse\b|\bfailed to parse\b|\binvalid json\b",
        ),
        (
            ErrorClass.UNAVAILABLE,
            r"\bconnection (?:refused|reset|error|closed|lost)\b|\bunavailable\b|\bunreachable\b|\boverloaded\b"
            r"|\binternal (?:server )?error\b|\bbad gateway\b|\b(?:is|are|was) down\b|\bconnect(?:ion)? (?:to .{1,40} )?failed\b",
        ),
        (
            ErrorClass.INVALID_ARGUMENTS,
            r"\binvalid\b|\bvalidation error|\bbad request\b|\bmissing (?:\d+ )?required\b|\bmust be\b|\bfield required\b|\bunexpected (?:keyword )?argument",
        ),
        (ErrorClass.CANCELLED, r"\bcancell?ed\b|\baborted\b"),
    )
)
"""Error class by the words of a message, tried after types and codes."""

WRAPPER_TYPES = re.compile(
    r"^(?:|_other|error|exception|tool_?error|tool\w*(?:error|exception)|base_?exception|runtime_?error|mcp_?error|event_?loop_?exception"
    r"|agent\w*(?:error|exception)|model_?retry|unexpected_?model_?behavior|exception_?group|user_?error)$",
    re.IGNORECASE,
)
"""Types that only say that something failed; what they wrap is looked for in the message."""

CANCELLATION_TYPES = re.compile(
    r"(?:^|\.)(?:\w*Cancell?ed(?:Error|Exception)?|AbortError|Task(?:Group)?Cancell?ed\w*|Cancellation\w*)$"
)
"""Exception types with which a runtime takes back a call that did not fail."""

ERROR_WORDS = frozenset({"error", "errored", "failed", "failure", "exception", "timeout", "timed_out"})
"""Values of a result's `status` that say that the call failed."""

SOFT_ERROR_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (rule, re.compile(pattern))
    for rule, pattern in (
        (
            "error_prefix",
            r"(?i:[\[(*#> ]{0,4}error\b)(?!(?i:[ -]+(?:handling|messages?|codes?|rates?|budgets?|logs?|logging|reports?|reporting|tracking|types?"
            r"|analysis|correction|bars?|propagation|monitoring|detection|margins?|terms?|recovery|pages?|tolerance|estimates?|boundar(?:y|ies)|free|prone)\b))",
        ),
        ("traceback", r"Traceback \(most recent call last\)"),
        ("exception_type", r"(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?:\s*[:(\[]|\s*$)"),
        ("exception_prefix", r"(?i:exception)\s*(?:[:(]|$|(?i:while|during|occurred|raised|in)\b)"),
        ("http_status", r"(?i:http(?:/\d(?:\.\d)?)?(?: error| status)?)[ :]{1,2}[45]\d\d\b"),
        (
            "http_reason",
            r"[45]\d\d (?:Bad Request|Unauthorized|Forbidden|Not Found|Method Not Allowed|Request Timeout|Conflict|Gone"
            r"|Unprocessable|Too Many Requests|Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)",
        ),
        (
            "tool_error",
            r"(?i:(?:an? )?(?:tool|mcp|function|api|command|unexpected|internal|fatal|runtime|validation)(?: call| execution| server)? (?:error|exception)\b(?:\s*[:\-(]|\s+occurred|\s*$|\s+-?\d))",
        ),
        ("tool_failed", r"(?i:(?:tool|command|request|call|function)(?: call| execution)? (?:failed|timed out)\b)"),
        ("error_occurred", r"(?i:an (?:unexpected |internal )?error (?:has )?occurred)"),
        ("failed_to", r"(?:Failed to \w+|Failed:|FAILED:|Failure:|fatal: )"),
        ("unknown_tool", r"(?i:unknown (?:action|tool|function)\b)"),
        ("denied", r"(?i:(?:permission|access) denied\b|timed out\b|connection (?:refused|reset|timed out)\b)"),
        (
            "shell_not_found",
            r"(?:/bin/)?(?:ba|z|da|k)?sh: [^\n]*(?:not found|No such file or directory|Permission denied)",
        ),
    )
)
"""What a failed call's text starts with, by rule; matched at the start after white space."""

TRUNCATED_ERROR = re.compile(r'\{\s*"(?:error|errors)"\s*:\s*(?!null|false|0\b|""|\[\s*\]|\{\s*\})["\[{t\d]')
"""A JSON object that begins with an error and was cut before its end, so that it cannot be parsed."""

EXIT_STATUS = re.compile(
    r"(?i:<(?:returncode|exit_?code|exit_?status)>\s*(-?\d+)\s*</|"
    r"(?:(?:process|command|program|script)\s+)?(?:exit(?:ed|s)?(?:\s+with)?(?:\s+non-?zero)?(?:[ _]?(?:code|status))+|return[ _]?code)\s*[:=]?\s*(-?\d+)\b)"
)
"""The exit status of a command as coding agents write it; searched in the first and last line."""

KILLED = re.compile(
    r"(?i:\b(?:command|process|execution|program|script|tool)\b[^\n]{0,60}\b(?:timed out|killed|terminated)\b[^\n]{0,40}\b(?:after|exceeded|time limit|timeout)\b"
    r"|\b(?:command|process|execution|program|script)\b[^\n]{0,40}\bexceeded\b[^\n]{0,30}\b(?:time ?limit|timeout)\b)"
)
"""A command that was stopped for taking too long; searched in the first and last line."""

NOTHING_FOUND_COMMANDS = frozenset(
    {"grep", "egrep", "fgrep", "rg", "ag", "diff", "cmp", "which", "pgrep", "find", "test", "["}
)
"""Programs whose exit status 1 says that nothing was found or that things differ."""

ACKNOWLEDGEMENT = re.compile(
    r"\b(?:could(?:n't| not)|can(?:'t|not| not)|unable to|(?:wasn't|weren't|isn't|aren't|not|never) able to|fail(?:ed|s) to|"
    r"(?:is|was|are|were|it's)(?:n't| not) possible|not possible|impossible to|not permitted|permission denied|access denied|"
    r"(?:has|have|had|was|were|did)(?:n't| not) (?:been )?(?:succeed(?:ed)?|successful|completed?)|unsuccessful)\b",
    re.IGNORECASE,
)
"""An answer that says that something could not be done; being sorry alone does not."""

TOOL_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        (Role.HANDOFF, r"transfer_?(?:back_?)?to_.*|hand_?off(?:s|_?to)?(?:_.*)?|handoff.*"),
        (Role.FINAL_ANSWER, r"final_?answer|final_?result(?:_.*)?|final_?output|submit_?final_?answer"),
        (Role.BOOKKEEPING, r"\(merged(?: tools)?\)"),
        (Role.DELEGATION, r"delegate[ _]work[ _]to[ _]co-?worker|ask[ _]question[ _]to[ _]co-?worker"),
    )
)
"""Tools that are no steps, by their whole name."""

VERDICT_LABELS: dict[str, bool] = {
    **dict.fromkeys(
        (
            "pass",
            "passed",
            "true",
            "correct",
            "success",
            "successful",
            "succeeded",
            "yes",
            "good",
            "complete",
            "completed",
            "resolved",
        ),
        True,
    ),
    **dict.fromkeys(
        (
            "fail",
            "failed",
            "false",
            "incorrect",
            "failure",
            "unsuccessful",
            "no",
            "bad",
            "incomplete",
            "unresolved",
            "wrong",
        ),
        False,
    ),
}
"""Evaluation labels that can be read; all others leave it to the score."""
