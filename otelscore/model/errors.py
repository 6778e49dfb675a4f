"""Refusals: who is at fault, and so whether the sender should try again."""

from __future__ import annotations


class SenderError(ValueError):
    """The request is wrong and stays wrong: the sender must not retry (gRPC INVALID_ARGUMENT, HTTP 400)."""


class UnauthenticatedError(PermissionError):
    """The request does not say, or not truly, who sends it (gRPC UNAUTHENTICATED, HTTP 401)."""


class OverloadedError(RuntimeError):
    """The request is fine but there is no room now: the sender should retry (gRPC UNAVAILABLE, HTTP 503)."""
