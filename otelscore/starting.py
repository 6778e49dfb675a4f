"""What a start needs of the machine and of other servers; where it cannot have it, a StartError says so."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import structlog

from otelscore.config import Address, Config
from otelscore.export.backend import Backend
from otelscore.export.forward import Forwarder
from otelscore.export.sending import make_sender
from otelscore.export.spool import Spool
from otelscore.model import INSTANCE_HEADER
from otelscore.serving import PortInUseError
from otelscore.store.errors import StoreError
from otelscore.store.store import Store

log = structlog.stdlib.get_logger(__name__)

_OTHER_FILES = 500  # beside connections to senders


class StartError(RuntimeError):
    """The service cannot start; the message says why and what to do."""


def make_backend(config: Config, section: str, instance: str) -> Backend | None:
    """The backend that a section of the settings names, if it does; `instance` marks what is sent there as ours."""
    names = ("endpoint", "protocol", "headers", "tls_ca_file", "tls_cert_file", "tls_key_file")
    url, protocol, headers, *files = (getattr(config, f"{section}_{name}") for name in names)
    try:
        return Backend(url, protocol, (*headers, (INSTANCE_HEADER, instance)), *files) if url else None
    except ValueError as error:
        raise StartError(f"{section}.{error}") from None


def make_forwarder(config: Config, backend: Backend | None, reach: Callable[[str], None]) -> Forwarder | None:
    """What passes requests on to that backend; without one, a word about what still waits for it."""
    folder = None if config.state == "none" else Path(config.state).expanduser() / "forward"
    if backend is None:
        if folder is not None and any(folder.glob("*")):
            log.warning(
                "requests wait to be passed on, but nobody says where to: give --forward, or delete them",
                folder=str(folder),
            )
        return None
    try:
        spool = Spool(folder, config.limits_forward_spool, sync=config.durability == "power")
    except OSError as error:
        raise StartError(f"the forward spool {folder} cannot be used: {error.strerror}; see --state") from None
    log.info("passing requests on", endpoint=backend.url, waiting=spool.requests)
    return Forwarder(make_sender(backend), spool, config.forward_required, reach)


def allow_files(wanted: int) -> None:
    """Lets the process have so many connections, and what else it opens; else a crowd of them would stop the store."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + _OTHER_FILES:
        most = wanted + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(wanted + _OTHER_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < wanted + _OTHER_FILES:
            log.warning("this system allows too few open files for limits.connections", files=most, connections=wanted)


def open_store(config: Config) -> Store | None:
    """The store that is set, with what it holds."""
    if config.state == "none":
        return None
    folder = Path(config.state).expanduser()
    log.info("restoring state", folder=str(folder))  # a large one takes minutes
    try:
        store = Store.open(folder, "power" if config.durability == "power" else "process", config.limits_state)
    except StoreError as error:
        raise StartError(f"{error}; see --state") from None
    if store.set_aside is not None:
        log.error("the state was damaged and is set aside; beginning anew", set_aside=str(store.set_aside))
    return store


def open_door(what: str, flag: str, address: Address, start: Callable[[], int]) -> int:
    """Starts to listen; gives the port. `flag` is the one that names another address."""
    try:
        return start()
    except PortInUseError:
        owner = _owner(address.port)
        raise StartError(
            f"{address}, the address for {what}, is in use{owner}; "
            f"choose another one with {flag} HOST:PORT (port 0 takes a free one)"
        ) from None
    except OSError as error:
        raise StartError(f"cannot listen on {address} for {what}: {error.strerror or error}; see {flag}") from None


def _owner(port: int) -> str:
    """Who listens there, as far as this user may know."""
    import psutil  # noqa: PLC0415 - only when a start fails

    try:
        pids = {
            found.pid
            for found in psutil.net_connections("tcp")
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid
        }
        names = [f"{psutil.Process(pid).name()} (pid {pid})" for pid in sorted(pids)]
    except (psutil.Error, OSError):
        return ""
    return " by " + ", ".join(names) if names else " by another program"
