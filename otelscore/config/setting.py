"""What a setting is, and the making of those that are alike."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from otelscore.config.forms import ATTRIBUTES, FILE, HEADERS, NAMES, PROTOCOL, Form, T

ENV_PREFIX = "OTELSCORE_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a person sees it."""

    name: str  # dotted, as in the file
    default: str  # as it would be written in the environment
    doc: str
    form: Form[Any]
    flag: str = ""  # "": has none

    @property
    def field(self) -> str:
        """The attribute of `Config`."""
        return self.name.replace(".", "_")

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.field.upper()


def setting(name: str, form: Form[T], default: str, doc: str, flag: str = "") -> T:
    """The field of `Config` for a setting."""
    made = Setting(name, default, doc, form, flag)
    shown = not form.is_secret
    return dataclasses.field(default=form.parse(made.form.split(default)), repr=shown, metadata={"setting": made})


_OF_BACKEND: dict[str, tuple[Form[Any], str]] = {
    "protocol": (
        PROTOCOL,
        "`grpc` or `http/protobuf`. Without one, gRPC if the port ends in 4317 and there is no path, else HTTP.",
    ),
    "headers": (HEADERS, "Headers that it gets with each request, such as an API key."),
    "tls.ca_file": (
        FILE,
        "PEM file of the authority that signed its certificate. Without one, those that this machine trusts.",
    ),
    "tls.cert_file": (FILE, "PEM file of our own certificate, where it wants one."),
    "tls.key_file": (FILE, "PEM file of the key to that."),
}


def of_backend(name: str) -> Any:
    """One of the settings that say how to reach a backend."""
    form, doc = _OF_BACKEND[name.partition(".")[2]]
    return setting(name, form, "", doc)


def same(name: str, door: str) -> str:
    """The file of another door."""
    return setting(name, FILE, "", f"The same for {door}")


def values(name: str, meaning: str) -> tuple[str, ...]:
    """What the user's own attribute says of a span of this meaning."""
    return setting(name, NAMES, "", f"Values of `mapping.kind` that mean {meaning}.")


def likewise(name: str, what: str) -> tuple[str, ...]:
    """In which of the user's own attributes this is."""
    return setting(name, ATTRIBUTES, "", f"Likewise with {what}.")
