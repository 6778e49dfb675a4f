"""Who the demo's agents are, what goes wrong for them and what they do about it. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from otelscore.model import Response

MODEL = "MODEL"
"""In a move, the model call itself instead of a tool."""


class Ending(Enum):
    ANSWERED = "answered"  # the final answer says nothing of trouble
    ACKNOWLEDGED = "acknowledged"  # the final answer says that it could not be done
    CRASHED = "crashed"  # the agent span ends with an error
    KILLED = "killed"  # the agent span never ends


@dataclass(frozen=True, slots=True)
class Fault:
    """How a failed call looks: an exception, or a soft error, which is a result that says so under a good status."""

    error_type: str = ""
    message: str = ""
    result: str = ""


FAULTS: Mapping[str, Fault] = {
    "timeout": Fault("TimeoutError", "timed out after 30 s"),
    "rate_limit": Fault("RateLimitError", "429 Too Many Requests"),
    "down": Fault("ConnectionError", "connection refused"),
    "forbidden": Fault("PermissionError", "403 Forbidden"),
    "missing": Fault("NotFoundError", "404 Not Found"),
    "bad_arguments": Fault("ValidationError", "1 validation error: id must be a number"),
    "garbled": Fault("JSONDecodeError", "Expecting value: line 1 column 1 (char 0)"),
    "soft_down": Fault(result='{"error": "service unavailable", "status": 503}'),
    "soft_limit": Fault(result='{"success": false, "message": "rate limit exceeded, try again later"}'),
    "soft_missing": Fault(result='{"isError": true, "content": [{"type": "text", "text": "not found"}]}'),
    "soft_exit": Fault(result="exit code 1\n2 failed, 41 passed in 3.2s"),
}
TRANSIENT = ("timeout", "rate_limit", "down", "garbled", "soft_down", "soft_limit")
PERMANENT = ("forbidden", "missing", "soft_missing")
FIXABLE = ("bad_arguments", "missing", "soft_missing", "soft_exit")


@dataclass(frozen=True, slots=True)
class Move:
    """One call of an episode."""

    tool: str  # the same letter, the same tool; U is one with side effects
    arguments: int  # the same number, the same arguments
    response: Response | None = None  # the call fails, and this is what the agent does about it
    in_turn: bool = False  # begins when the call before it in the same turn has ended, else together with it


@dataclass(frozen=True, slots=True)
class Episode:
    """A failure and what the agent does about it, turn by turn. The whole of it has one fault."""

    faults: tuple[str, ...]  # one of these
    turns: tuple[tuple[Move, ...], ...]
    ending: Ending | None = None  # the run ends with it


_FAILS = {response.value: Move("A", 1, response) for response in Response}
_A1, _A2, _B1, _C1 = Move("A", 1), Move("A", 2), Move("B", 1), Move("C", 1)

EPISODES: Mapping[str, Episode] = {
    "retried": Episode(TRANSIENT, ((_FAILS["retried"],), (_A1,))),
    "retried by the framework": Episode(("timeout", "down"), ((_FAILS["retried"], Move("A", 1, in_turn=True)),)),
    "one of several": Episode(TRANSIENT, ((_B1, _FAILS["retried"], _C1), (_A1,))),
    "sent twice": Episode(("timeout",), ((Move("U", 1, Response.RETRIED_UNSAFE),), (Move("U", 1),))),
    "revised": Episode(FIXABLE, ((_FAILS["revised"],), (_A2,))),
    "rerouted": Episode(TRANSIENT + PERMANENT, ((_FAILS["rerouted"],), (_B1,))),
    "repeated": Episode(PERMANENT, ((_FAILS["repeated"],), (_FAILS["repeated"],), (_FAILS["rerouted"],), (_B1,))),
    "hammered": Episode(
        TRANSIENT,
        ((_FAILS["retried"],), (_FAILS["retried"],), (_FAILS["repeated"],), (_FAILS["rerouted"],), (_B1,)),
    ),
    "model retried": Episode(("rate_limit", "timeout"), ((Move(MODEL, 1, Response.RETRIED),),)),
    "acknowledged": Episode(TRANSIENT + PERMANENT, ((_FAILS["acknowledged"],),), Ending.ACKNOWLEDGED),
    "given up at last": Episode(
        PERMANENT,
        ((_FAILS["repeated"],), (_FAILS["repeated"],), (_FAILS["acknowledged"],)),
        Ending.ACKNOWLEDGED,
    ),
    "concluded": Episode(TRANSIENT + PERMANENT, ((_FAILS["concluded"],),), Ending.ANSWERED),
    "crashed": Episode(TRANSIENT + PERMANENT, ((_FAILS["abandoned"],),), Ending.CRASHED),
    "model gone": Episode(("rate_limit", "down"), ((Move(MODEL, 1, Response.ABANDONED),),), Ending.CRASHED),
    "killed": Episode((), ((_A1,),), Ending.KILLED),
}


@dataclass(frozen=True, slots=True)
class Agent:
    name: str
    service: str
    version: str
    dialect: str  # "genai" or "openinference"
    model: str
    tools: Mapping[str, str]  # name to the name of its argument
    turns: tuple[int, int]  # fewest and most turns without trouble
    answer: str
    trouble: float  # share of turns that are followed by an episode
    episodes: Mapping[str, int]  # weights of the episodes in the middle of a run
    endings: Mapping[str, int]  # weights of the episodes at the end; "" is an ordinary end
    passes: float  # share of completed runs without an unrecovered failure in which the task was really done
    side_effects: Mapping[str, str] = field(default_factory=dict)  # further tools, which change the world
    retrievals: frozenset[str] = frozenset()  # those of its tools that are retrievals
    helper: Agent | None = None  # an agent that it sometimes asks
    weight: int = 0  # how often it runs, compared to the others


_READER = Agent(
    name="reader-agent",
    service="research",
    version="0.9.1",
    dialect="genai",
    model="small-1",
    tools={"open_page": "url", "extract_table": "page", "translate": "page"},
    turns=(1, 3),
    answer="The page says that revenue grew by 4%.",
    trouble=0.1,
    episodes={"retried": 2, "revised": 2, "retried by the framework": 1},
    endings={"": 1},
    passes=1.0,
)

AGENTS: tuple[Agent, ...] = (
    Agent(
        name="support-agent",
        service="support",
        version="2.4.0",
        dialect="genai",
        model="large-2",
        tools={
            "lookup_order": "order",
            "get_customer": "customer",
            "track_parcel": "parcel",
            "search_help": "query",
        },
        turns=(2, 5),
        answer="Your parcel is on its way and arrives on Thursday.",
        trouble=0.06,
        episodes={"retried": 5, "revised": 3, "rerouted": 2, "retried by the framework": 3, "sent twice": 1},
        endings={"": 95, "acknowledged": 4, "concluded": 1},
        passes=0.96,
        side_effects={"issue_refund": "order"},
        weight=4,
    ),
    Agent(
        name="coding-agent",
        service="coding",
        version="1.12.3",
        dialect="openinference",
        model="large-2",
        tools={"read_file": "path", "search_code": "query", "edit_file": "path", "run_tests": "target"},
        turns=(5, 14),
        answer="The test passes now.",
        trouble=0.12,
        episodes={
            "revised": 8,
            "retried": 3,
            "rerouted": 2,
            "one of several": 2,
            "hammered": 1,
            "model retried": 2,
        },
        endings={"": 88, "concluded": 5, "acknowledged": 4, "crashed": 2, "model gone": 1},
        passes=0.85,
        weight=3,
    ),
    Agent(
        name="research-agent",
        service="research",
        version="0.9.1",
        dialect="genai",
        model="large-2",
        tools={"search_web": "query", "paper_index": "query", "run_query": "sql", "take_note": "note"},
        turns=(4, 9),
        answer="Three of the five sources agree that revenue grew.",
        trouble=0.05,
        episodes={"retried": 4, "rerouted": 3, "one of several": 3, "model retried": 1},
        endings={"": 96, "acknowledged": 3, "concluded": 1},
        passes=0.7,
        retrievals=frozenset({"paper_index"}),
        helper=_READER,
        weight=2,
    ),
    Agent(
        name="ops-agent",
        service="ops",
        version="0.3.0-rc1",
        dialect="genai",
        model="small-1",
        tools={
            "query_metrics": "query",
            "read_logs": "pod",
            "describe_pod": "pod",
            "list_deployments": "namespace",
        },
        turns=(3, 8),
        answer="The service is healthy again.",
        trouble=0.3,
        episodes={"hammered": 4, "repeated": 4, "retried": 3, "rerouted": 2, "sent twice": 2, "model retried": 1},
        endings={"": 45, "concluded": 20, "given up at last": 10, "crashed": 15, "model gone": 5, "killed": 5},
        passes=0.6,
        side_effects={"restart_service": "service"},
        weight=2,
    ),
)
SIDE_EFFECTS = tuple(sorted(tool for agent in AGENTS for tool in agent.side_effects))
"""What the setting `side_effects` has to name for `retried_unsafe` to be seen."""
