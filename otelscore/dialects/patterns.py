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
        (
            ErrorClass.AUTH,
            r"permission|forbidden|unauthori[sz]ed|unauthenticated|access_?denied|authenticat|authoriz|credential|api_?key",
        ),
        (ErrorClass.NOT_FOUND, r"^(?!enotfound$).*not_?found|no_?such|does_?not_?exist|^enoent$"),
        (ErrorClass.CANCELLED, r"cancell?ed|abort"),
        (ErrorClass.MALFORMED_RESULT, r"json_?decode|parse_?error|malformed|unicode|output_?parser"),
        (
            ErrorClass.INVALID_ARGUMENTS,
            r"^value_?error$|validation|invalid|bad_?request|schema|unprocessable|argument|range_?error",
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
    r"(?:\b(?:http(?:/\d(?:\.\d)?)?|status|code|error)"
    r"(?:[ :=_'\"(\-]|code|status|error|is|was|of|http|returned|with){0,8}"
    r"|^|[(\[])(-326\d\d|-32700|[45]\d\d)\b(?![.,]\d)",
    re.IGNORECASE,
)
"""A code as a whole word where it can only be one: first in the text, in brackets or after a word that announces it."""

TYPE_IN_TEXT = re.compile(
    r"^\W{0,3}(?i:(?:(?:tool|agent)[ _](?:execution )?)?error\W{1,3})?(?:[a-z_]\w*\.)*"
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
            r"\bforbidden\b|\bunauthori[sz]ed\b|\bpermission\b|\baccess ?denied"
            r"|\bnot (?:permitted|allowed|authori[sz]ed)\b|\bauthentication\b"
            r"|\binvalid (?:api[ _]?key|token|credentials)\b",
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
            r"\bfetch failed\b|\bnetwork error\b|\bconnection (?:refused|reset|error|closed|lost)\b"
            r"|\bunavailable\b|\bunreachable\b|\boverloaded\b"
            r"|\binternal (?:server )?error\b|\bbad gateway\b|\b(?:is|are|was) down\b"
            r"|\bconnect(?:ion)? (?:to .{1,40} )?failed\b",
        ),
        (
            ErrorClass.INVALID_ARGUMENTS,
            r"\binvalid\b|\bvalidation error|\bbad request\b|\bmissing (?:\d+ )?required\b"
            r"|\bmust be\b|\bfield required\b|\bunexpected (?:keyword )?argument",
        ),
        (ErrorClass.CANCELLED, r"\bcancell?ed\b|\baborted\b"),
    )
)
"""Error class by the words of a message, tried after types and codes."""

WRAPPER_TYPES = re.compile(
    r"^(?:|_other|unknown|error|exception|(?:ai_)?(?:retry_?error|tool\w*(?:error|exception))|base_?exception|runtime_?error|mcp_?error"
    r"|event_?loop_?exception"
    r"|agent\w*(?:error|exception)|model_?retry|unexpected_?model_?behavior|exception_?group|user_?error)$",
    re.IGNORECASE,
)
"""Types that only say that something failed; what they wrap is looked for in the message."""

CANCELLATION_TYPES = re.compile(
    r"(?:^|\.)(?:\w*cancell?ed(?:error|exception)?|aborterror|\w*cancellation(?:error|exception)?"
    r"|calldeferred|approvalrequired|parentcommand|(?:tool|graph|node)interrupt(?:error)?|userinputrequired(?:exception)?)$",
    re.IGNORECASE,
)
"""Exception types with which a runtime takes back, or puts off, a call that did not fail."""

ERROR_WORDS = frozenset({"error", "errored", "failed", "failure", "exception", "timeout", "timed_out"})
"""Values of a result's `status` that say that the call failed."""

_AFTER_ERROR = (
    r"(?:[ \t]*(?:$|\n)|\s*[:=](?!\s*(?:null|none|nil|false|no|0)\s*(?:$|[,;}\n]))|\s*[!|>\])(<;\[{'\"`]|\.(?=\s|$)"
    r"|\s+[-\u2013\u2014]|\s+(?:code\W{1,3})?\d|\s+message\s*:"
    r"|\s+(?:in|while|when|during|at|on|from|with|trying|occurred|response from|status|no such|unable|could"
    r"|cannot|can't|failed|invalid|missing|unknown"
    r"|(?!handling|logging|reporting|tracking|monitoring|tracing|correcting|budgeting|propagating)[a-z]+ing)\b)"
)
"""What follows the word "error" where it is said of the call and not of a topic such as error handling."""

_IPYTHON = r"(?:(?:\x1b\[[\d;]*m|-){10,}\s+(?:\x1b\[[\d;]*m)*\w+(?:\x1b\[[\d;]*m)* +)"
"""A line, and a name and much space, before what is otherwise a traceback."""

_DENIED_TAIL = r"\s*(?:$|[:.,!(\-\n]|(?:to|for|by(?! default)|on|while|when|after|trying)\b)"

SOFT_ERROR_TEXT = re.compile(
    "|".join(
        f"(?P<{rule}>{pattern})"
        for rule, pattern in (
            ("error_prefix", rf"(?i:[\[(*#><\s\u274c\u26a0\ufe0f\u2717\u2718]{{0,4}}error\b{_AFTER_ERROR})"),
            ("traceback", rf"{_IPYTHON}?Traceback \(most recent call last\)|File \"[^\"\n]+\", line \d+\n"),
            (
                "exception_type",
                r"(?:[a-z_]\w*\.)*(?:[A-Z]\w*(?:Error|Exception)|(?:Read|Connect|Write|Pool|Gateway)Timeout)(?:\s*[:(\[]|\s*$)",
            ),
            ("exception_prefix", r"(?i:<?exception>?)\s*(?:[:(]|$|(?<=>)|(?i:while|during|occurred|raised|in)\b)"),
            ("http_status", r"(?i:http(?:/\d(?:\.\d)?)?(?: error| status)?)[ :]{1,2}[45]\d\d\b"),
            (
                "http_reason",
                r"[45]\d\d (?:Client Error|Server Error|Bad Request|Unauthorized|Forbidden|Not Found|Method Not Allowed"
                r"|Request Timeout|Conflict|Gone|Unprocessable|Too Many Requests|Internal Server Error|Bad Gateway"
                r"|Service Unavailable|Gateway Time-?out)\b",
            ),
            (
                "tool_error",
                r"(?i:(?:an? )?(?:tool|mcp|function|api|command|execution|unexpected|internal|fatal|runtime"
                r"|(?:input |output )?validation)"
                r"(?: call| execution| server)? (?:error|exception)\b(?:\s*[:\-(]|\s+occurred|\s*$|\s+-?\d))"
                r"|\d+ validation errors? for ",
            ),
            (
                "tool_failed",
                r"(?i:(?:tool|command|request|call|function|operation)(?: call| execution)?"
                r" (?:failed|timed out)\b(?!\?))",
            ),
            (
                "error_occurred",
                r"(?i:(?:sorry, )?(?:an (?:\w+ )?(?:error|exception) (?:has )?occurred|there was an error)\b)",
            ),
            ("failed_to", r"[\u274c\u26a0\ufe0f\s]*(?:Failed to \w+|Failed:|FAILED:|Failure:|fatal: )"),
            (
                "unknown_tool",
                r"(?i:unknown (?:action|tool|function)\b"
                r"|(?:tool|function) ['\"`]?[\w.\-]+['\"`]? "
                r"(?:not found|does not exist|is not (?:available|a valid tool)))",
            ),
            (
                "denied",
                rf"(?i:(?:permission|access) denied{_DENIED_TAIL}|timed out\b"
                rf"|connection (?:refused|reset|timed out){_DENIED_TAIL}"
                r"|time-?out(?: error)?(?:\s*:(?!\s*\d)| after\b|\s*$))",
            ),
            ("tool_use_error", r"<tool_use_error>"),  # Claude Code
            (
                "edit_refused",  # the editors of Anthropic, SWE-agent, OpenHands and Codex
                r"No replacement was performed\b|Invalid `\w+` parameter\b|The path \S+ does not exist\. Please"
                r"|Your proposed edit has introduced new syntax error|apply_patch verification failed|patch rejected:",
            ),
            (
                "framework",  # what CrewAI, LangGraph and smolagents tell the model
                r"I encountered an error while trying to use the tool|Action '[^'\n]*' don't exist"
                r"|\S+ is not a valid tool, try one of \[|Code execution failed at line ",
            ),
            (
                "system_error",  # of C's library, of Node, of requests, of databases' drivers
                r"\[Errno -?\d+\] |(?:network|Network|Connection) error(?:[:.]|$)"
                r"|E(?:NOENT|ACCES|PERM|EXIST|ISDIR|NOTDIR|NOTEMPTY|MFILE|CONNREFUSED|CONNRESET|TIMEDOUT): "
                r"|(?:connect|read|write|getaddrinfo|spawn) E[A-Z_]{4,}\b|HTTPS?ConnectionPool\(host="
                r"|\((?:psycopg2?|sqlite3|pymysql|MySQLdb|asyncpg|pyodbc|oracledb)\.[\w.]+\) ",
            ),
            (
                "browser",  # Playwright, Puppeteer
                r"(?:(?:page|locator|frame|browser\w*|elementHandle)\.\w+: )?"
                r"(?:net::ERR_[A-Z_]+|Timeout \d+ ?ms exceeded)",
            ),
            ("rate_limit", r"(?i:(?:api )?rate limit (?:exceeded|reached)\b(?!\?))"),
            (
                "program",  # how programs write that they could not do it
                r"npm (?:ERR!|error) |curl: \(\d+\) |E: (?:Unable|Could|Package|Failed) |python[\d.]*: can't open file "
                r"|make(?:\[\d+\])?: \*\*\* |ORA-\d{5}: |error TS\d+: "
                r"|(?:psql|docker|kubectl|helm|git|ssh): (?:error|fatal): "
                r"|[\w./\-]+: command not found\s*$|Segmentation fault(?: \(core dumped\))?\s*$|Killed\s*$",
            ),
            (
                "reason",  # alone, as some servers answer
                r"(?i:(?:service unavailable|bad gateway|gateway time-?out|unauthorized|forbidden|internal server error"
                r"|too many requests|invalid api key)[.!]?\s*$)",
            ),
            (
                "shell_not_found",
                r"(?:/bin/)?(?:ba|z|da|k)?sh: [^\n]*(?:not found|No such file or directory|Permission denied)",
            ),
            (
                "cut_object",  # JSON or a Python repr that cannot be parsed, often since it was cut
                r"\{\s*[\"'](?:errors?[\"']\s*:\s*(?![Nn](?:one|ull)|[Ff]alse|0\b|\"\"|''|\[\s*\]|\{\s*\})[\"'\[{TtDd\d]"
                r"|(?:is_?[Ee]rror)[\"']\s*:\s*[Tt]rue|(?:success|ok)[\"']\s*:\s*[Ff]alse"
                r"|status[\"']\s*:\s*[\"'](?:error|failed|failure)[\"'])",
            ),
        )
    )
)
"""What a failed call's text starts with, by rule (the name of the group that matched); matched after white space."""

_COMMAND = r"(?:the |your )?(?:last )?(?:command|process|program|script|execution|code|shell|tool)\b"

EXIT_STATUS = re.compile(
    r"(?i:<(?:returncode|exit_?code|exit_?status)>\s*(-?\d+)\s*</"
    rf"|\W{{0,3}}(?:{_COMMAND}[^\n]{{0,200}}?\s)?"
    r"(?:exit(?:ed|s)?(?:\s+with)?(?:\s+non-?zero)?(?:[ _-]?(?:code|status))+|return[ _]?code)\s*[:=]?\s*(-?\d+)"
    r"(?=[ \t]*(?:$|[\n.,:;)\]}<|(])))"
)
"""The exit status of a command as coding agents write it; matched at the first and at the last line."""

EXIT_BLOCK = re.compile(
    r"\n(?:Process exited with code (-?\d+)\n(?:Original token count|Output):"
    r"|\[The command completed with exit code (-?\d+)\.\]\n\[Current working directory:"
    r"|Exit Code: (-?\d+)\n(?:Signal|Background PIDs|Process Group PGID):)"
)
"""The same inside the fixed lines with which Codex, OpenHands and Gemini CLI frame a command's output. Each begins
after a line break, put before the text where it is the first: much faster found than any beginning of a line."""

KILLED = re.compile(
    rf"(?i:\W{{0,3}}(?:{_COMMAND}[^\n]{{0,200}}?|the last command <command>(?s:.{{0,350}}?)</command>) "
    r"(?:timed out(?: (?:after|and)\b|\]?$)|(?:(?:was|has been) )?(?:killed|terminated|cancell?ed|stopped|aborted)"
    r" (?:after \d|because it (?:took|ran|exceeded)|due to (?:a )?time-?out)"
    r"|exceeded (?:the |its )?(?:\w+ )?time ?(?:limit|out)))"
    r"|(?i:execution time exceeded)|EXECUTION TIMED OUT\b"
)
"""A command that was stopped for taking too long; matched at the first and at the last line."""

RETRY_PROMPT = "\n\nFix the errors and try again."
"""How Pydantic AI ends what it tells a model of a call that failed; until 2025-08 it was the only sign of it."""

TOOL_MESSAGE_REPR = re.compile(
    r"content=(?P<quote>['\"])(?P<content>.*?)(?P=quote) (?=(?:name|id|tool_call_id|additional_kwargs)=)(?P<rest>.*)",
    re.DOTALL,
)
"""What `str()` makes of a LangChain tool message."""

NOTHING = frozenset({"", "none", "null", "nil", "no", "false", "no error", "no errors", "0", "ok", "n/a"})
"""Texts under `error` that say that there is none."""

NOTHING_FOUND_COMMANDS = frozenset(
    {"grep", "egrep", "fgrep", "zgrep", "rg", "ag", "ack", "diff", "cmp", "which", "pgrep", "test", "["}
)
"""Programs whose exit status 1 says that nothing was found or that things differ."""

ACKNOWLEDGEMENTS: dict[str, tuple[str, ...]] = {
    "not": (
        "could not",
        "ca not ",  # can't
        "cannot",
        "can not",
        "not able to",
        "not possible",
        "not permitted",
        "not allowed",
        "not authorized",
        "not authorised",
        "not successful",
        "not been successful",
        "not succeed",
        "did not complete",
        "not completed",
        "not been completed",
        "did not work",
        "did not go through",
    ),
    "able to": (
        "unable to",
        "never able to",
    ),
    "fail": (
        "failed to ",
        "fails to ",
        "fail to ",
    ),
    "impossible": ("impossible to",),
    "denied": (
        "permission denied",
        "access denied",
    ),
    "unsuccessful": ("unsuccessful",),
}
"""What an answer says where something could not be done, in lower case, `n't` read as ` not`; not sorrow alone. By the
word that is in each phrase: most texts have none of them."""

AGENT_NAME = re.compile(r"(?!(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)\b|/)(.+)")
"""A span's name that may be an agent's: an HTTP route is none."""

TOOL_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        (Role.HANDOFF, r"transfer_?(?:back_?)?to_.*|hand_?off(?:s|_?to)?(?:_.*)?|(?:agent_)?handoff.*"),
        (
            Role.FINAL_ANSWER,
            r"final_?answer(?:_?tool)?|final_?result(?:_.*)?|final_?output|submit_?final_?answer|set_model_response",
        ),
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
