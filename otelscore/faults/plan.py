"""A fault plan: which tools get which faults, how often, and how many of them a run may get.

What a plan says is checked when it is read, so that a trial does not fail in its middle; every complaint names the
place and the nearest word that would have been right.
"""

from __future__ import annotations

import builtins
import difflib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from otelscore.faults.kinds import KINDS, Effect


class PlanError(ValueError):
    """A plan says what cannot be; the message names the place and what is expected."""


@dataclass(frozen=True)
class Rule:
    """One fault for some tools. Raises PlanError.

    `tools` are patterns (`search*`); `calls` are numbers of calls of one tool in one run, from 1, () for all;
    `probability` is the share of those calls. A tool with side effects is hit only where `side_effects` is set, and
    then every tool must be named in full: a pattern may match more than one thinks of.
    """

    kind: str
    tools: tuple[str, ...] = ("*",)
    probability: float = 1.0
    calls: tuple[int, ...] = ()
    side_effects: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise PlanError(f"{self.kind!r} is no kind of fault{_hint(self.kind, KINDS)}")
        if not self.tools or not all(isinstance(tool, str) and tool for tool in self.tools):
            raise PlanError("tools: give at least one name or pattern")
        if type(self.probability) not in (int, float) or not 0 <= self.probability <= 1:
            raise PlanError(f"probability: {self.probability!r} is not between 0 and 1")
        if not all(type(call) is int and call >= 1 for call in self.calls):
            raise PlanError("calls: they are numbered from 1")
        if type(self.side_effects) is not bool:
            raise PlanError("side_effects: true or false")
        if self.side_effects and any(set("*?[") & set(tool) for tool in self.tools):
            raise PlanError("side_effects: name each tool that may be hit in full, without * ? [")
        for name, value in self.parameters.items():
            if name not in kind.parameters:
                raise PlanError(f"{self.kind} takes no {name!r}{_hint(name, (*kind.parameters, *_RULE_KEYS))}")
            if not kind.parameters[name].check(value):
                raise PlanError(f"{name}: {value!r} is not {kind.parameters[name].expected}")
        if self.kind == "error":
            exception_type(self.parameter("type"))

    def parameter(self, name: str) -> Any:
        """What the plan says, else the kind's default."""
        return self.parameters.get(name, KINDS[self.kind].parameters[name].default)

    def covers(self, tool: str, call: int, side_effects: bool) -> bool:
        """Whether it is about this call; `side_effects`: the tool is marked as having some."""
        return (not self.calls or call in self.calls) and (self.side_effects or not side_effects) and self.matches(tool)

    def matches(self, tool: str) -> bool:
        """Whether its tools are of this name."""
        return any(fnmatchcase(tool, pattern) for pattern in self.tools)


@dataclass(frozen=True)
class FaultPlan:
    """Rules and what holds for all of them. Raises PlanError.

    `budget`: faults that one run gets at most; `side_effects`: patterns of tools that have some.
    """

    faults: tuple[Rule, ...]
    seed: int = 0
    budget: int = 1
    side_effects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if type(self.seed) is not int:
            raise PlanError(f"seed: {self.seed!r} is no whole number")
        if type(self.budget) is not int or self.budget < 0:
            raise PlanError(f"budget: {self.budget!r} is no number of faults a run")

    def is_marked(self, tool: str) -> bool:
        """Whether the plan says that a tool has side effects."""
        return any(fnmatchcase(tool, pattern) for pattern in self.side_effects)

    def changes(self, tool: str) -> bool:
        """Whether a rule may change what a tool gives."""
        return any(KINDS[rule.kind].effect is Effect.CHANGES and rule.matches(tool) for rule in self.faults)


_PLAN_KEYS = tuple(each.name for each in fields(FaultPlan))
_RULE_KEYS = tuple(each.name for each in fields(Rule) if each.name != "parameters")


def load_plan(path: Path) -> FaultPlan:
    """The plan in a YAML file. Raises PlanError."""
    try:
        return parse_plan(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: no YAML: {error}") from None
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from None


def parse_plan(given: object) -> FaultPlan:
    """The plan that plain values, as of YAML, say. Raises PlanError."""
    said = _mapping(given, "a plan", _PLAN_KEYS)
    rules = said.get("faults")
    if not isinstance(rules, list):
        raise PlanError("faults: a list of rules is missing")
    found = []
    for number, rule in enumerate(rules, start=1):
        try:
            found.append(_rule(rule))
        except PlanError as error:
            raise PlanError(f"faults, rule {number}: {error}") from None
    values = {key: value for key, value in said.items() if key not in ("faults", "side_effects")}
    return FaultPlan(tuple(found), side_effects=_texts(said.get("side_effects", []), "side_effects"), **values)


def _rule(given: object) -> Rule:
    said = _mapping(given, "a rule")
    kind = said.get("kind")
    if not isinstance(kind, str):
        raise PlanError(f"kind: one of {', '.join(KINDS)} is missing")
    calls = said.get("calls", [])
    known = {key: said[key] for key in ("probability", "side_effects") if key in said}
    return Rule(
        kind,
        tools=_texts(said.get("tools", "*"), "tools"),
        calls=tuple(calls) if isinstance(calls, list) else (calls,),
        parameters={key: value for key, value in said.items() if key not in _RULE_KEYS},
        **known,
    )


def _mapping(given: object, what: str, keys: Sequence[str] = ()) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise PlanError(f"{what} is a mapping, not {type(given).__name__}")
    for key in given:
        if keys and key not in keys:
            raise PlanError(f"{key!r} is nothing that {what} has{_hint(str(key), keys)}")
    return given


def _texts(given: object, name: str) -> tuple[str, ...]:
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise PlanError(f"{name}: a name, a pattern or a list of them")
    return tuple(found)


def _hint(word: str, known: Iterable[str]) -> str:
    options = list(known)
    nearest = difflib.get_close_matches(word, options, n=1)
    return f"; did you mean {nearest[0]!r}?" if nearest else f"; there are {', '.join(options)}"


def exception_type(name: str) -> type[Exception]:
    """The exception of that name, a built-in one or one in a module. Raises PlanError."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module) if module else builtins, attribute, None)
    except ImportError as error:
        raise PlanError(f"type: {name!r} cannot be imported: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Exception)):
        known = [
            each for each, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, Exception)
        ]
        nearest = difflib.get_close_matches(name, known, n=1)
        raise PlanError(f"type: {name!r} is no exception" + (f"; did you mean {nearest[0]!r}?" if nearest else ""))
    return found
