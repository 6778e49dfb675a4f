"""How file, environment and flags become one `Config`.

A flag beats the environment, which beats the file, which beats the default. Whatever the source, a value is read from
its text, so that it means the same everywhere.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from otelscore.config.forms import Address
from otelscore.config.setting import ENV_PREFIX, Setting
from otelscore.config.settings import SETTINGS, Config

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_BY_ENV = {setting.env: setting for setting in SETTINGS}
_SECTIONS = {setting.name[:at] for setting in SETTINGS for at, letter in enumerate(setting.name) if letter == "."}


class ConfigError(ValueError):
    """A setting is unknown or its value is wrong; the message names it, where it came from and what is expected."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as somebody gave it."""

    setting: Setting
    texts: Sequence[str]
    origin: str

    def parse(self) -> Any:
        try:
            return self.setting.form.parse(self.texts)
        except ValueError:
            raise _wrong(self.setting, ", ".join(self.texts), self.origin) from None


def load(file: Path | None, env: Mapping[str, str], flags: Mapping[str, str]) -> Config:
    """The settings in force, from all sources.

    `env` is a whole environment; variables without the prefix `OTELSCORE_` are ignored. `flags` holds texts by dotted
    name, only of the flags that were given. Raises ConfigError.
    """
    given: dict[str, _Given] = {}
    for source in (_from_file(file) if file else (), _from_env(env), _from_flags(flags)):
        given.update((value.setting.name, value) for value in source)
    config = Config(**{value.setting.field: value.parse() for value in given.values()})
    _check_addresses(config)
    _check_spool(config)
    return config


def _from_file(path: Path) -> Iterator[_Given]:
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text in UTF-8") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if root is not None:
        yield from _from_node(path, 1, "", root, {})


def _from_node(path: Path, line: int, name: str, node: yaml.Node, seen: dict[str, str]) -> Iterator[_Given]:
    """What a node of the file gives; `name` is "" for the whole file, else that of a section or a setting."""
    origin = f"{path}:{line}"
    if name and name not in _SECTIONS and name not in _BY_NAME:
        raise _unknown(f"{origin}: unknown setting", name, [*_BY_NAME, *_SECTIONS])
    if node.tag == "tag:yaml.org,2002:null":
        return
    if name in _BY_NAME:
        if name in seen:
            raise ConfigError(f"{origin}: {name} was already given at {seen[name]}")
        seen[name] = origin
        setting = _BY_NAME[name]
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        texts = [item.value for item in items if isinstance(item, yaml.ScalarNode)]
        if isinstance(node, yaml.SequenceNode) != setting.form.is_list or len(texts) != len(items):
            raise _wrong(setting, _shown(node), origin)
        yield _Given(setting, texts, origin)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            full_name = f"{name}.{_shown(key)}" if name else _shown(key)
            yield from _from_node(path, key.start_mark.line + 1, full_name, value, seen)
    else:
        raise ConfigError(f"{origin}: expected settings as `name: value`, got {_shown(node)}")


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


# Kubernetes sets these in every pod for a Service named "otelscore".
_SERVICE_LINK = re.compile(rf"{ENV_PREFIX}(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_\w+)?)")


def _from_env(env: Mapping[str, str]) -> Iterator[_Given]:
    for variable, text in env.items():
        if not variable.startswith(ENV_PREFIX) or _SERVICE_LINK.fullmatch(variable):
            continue
        if variable not in _BY_ENV:
            raise _unknown("unknown environment variable", variable, list(_BY_ENV))
        if text:  # empty means unset, as in all of OpenTelemetry
            yield _Given(_BY_ENV[variable], _BY_ENV[variable].form.split(text), f"environment variable {variable}")


def _from_flags(flags: Mapping[str, str]) -> Iterator[_Given]:
    for name, text in flags.items():
        yield _Given(_BY_NAME[name], _BY_NAME[name].form.split(text), f"flag {_BY_NAME[name].flag}")


def _unknown(said: str, name: str, known: Sequence[str]) -> ConfigError:
    nearest = difflib.get_close_matches(name, known, n=1)
    return ConfigError(f"{said} {name}" + (f"; did you mean {nearest[0]}?" if nearest else ""))


def _wrong(setting: Setting, shown: str, origin: str) -> ConfigError:
    got = "something else" if setting.form.is_secret else repr(shown)
    return ConfigError(f"{origin}: {setting.name}: expected {setting.form.expected}, got {got}")


def _check_addresses(config: Config) -> None:
    names: dict[Address, str] = {}
    for setting in (_BY_NAME["grpc.endpoint"], _BY_NAME["http.endpoint"], _BY_NAME["metrics.endpoint"]):
        address: Address = getattr(config, setting.field)
        if address.port and address in names:
            raise ConfigError(f"{setting.name} and {names[address]} are both {address}; give one another port")
        names[address] = setting.name


def _check_spool(config: Config) -> None:
    if config.forward_required and config.limits_forward_spool <= config.limits_request_size:
        raise ConfigError(
            "limits.forward_spool is no larger than limits.request_size: with forward.required a request that never "
            "fits would be refused for ever; make the spool larger, or requests smaller"
        )
