"""A TCP proxy between senders and a server: its address stays while servers come and go, and it can cut connections."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset, as a broken connection does


class Proxy:
    """Listens on a free port from the beginning and passes bytes on to `port`; resets connections where that is 0."""

    def __init__(self) -> None:
        self.port = 0
        self.cuts = 0
        """Connections that were broken."""
        self._budget: dict[str, int | None] = {"request": None, "response": None}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self, direction: str, after: int) -> None:
        """Breaks the connection on which so many more bytes of requests ("request") or answers ("response") passed."""
        with self._lock:
            self._budget[direction] = after

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                sender, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sender,), daemon=True).start()

    def _serve(self, sender: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.port)) if self.port else None
        except OSError:
            server = None
        if server is None:
            _reset(sender)
            return
        for one in (sender, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = threading.Thread(target=self._pump, args=("response", server, sender), daemon=True)
        answers.start()
        self._pump("request", sender, server)
        answers.join()
        for one in (sender, server):
            one.close()

    def _pump(self, direction: str, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                passed = self._pass(direction, len(data))
                target.sendall(data[:passed])
                if passed < len(data):
                    _reset(source)
                    _reset(target)
                    return
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _pass(self, direction: str, size: int) -> int:
        """How many of so many bytes may pass; fewer than all where the connection is to break."""
        with self._lock:
            left = self._budget[direction]
            if left is None:
                return size
            if left >= size:
                self._budget[direction] = left - size
                return size
            self._budget[direction] = None
            self.cuts += 1
            return left


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for it
    connection.close()
