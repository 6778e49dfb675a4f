"""The floor: a server that receives requests and does nothing, in the least that Python can do it with.

`python bench/floor.py grpc` or `http` listens on a free port of this machine, prints it, and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import threading

import grpc
import grpc.aio

MAX_REQUEST = 20 * 2**20


async def serve_grpc() -> None:
    """The kind of server that otelscore has, with the same options, so that it leaves compression alone too."""

    async def export(_: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.read()
        return b""

    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", MAX_REQUEST), ("grpc.per_message_decompression", 0)]
    )
    method = grpc.stream_unary_rpc_method_handler(export)
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


def serve_http() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_swallow, args=(connection,), daemon=True).start()


def _swallow(connection: socket.socket) -> None:
    buffer = bytearray(2**20)
    while size := connection.recv_into(buffer):
        while (end := buffer.find(b"\r\n\r\n", 0, size)) < 0:
            size += connection.recv_into(memoryview(buffer)[size:])
        head = bytes(buffer[:end])
        length = re.search(rb"content-length:\s*(\d+)", head, re.IGNORECASE)
        assert length is not None, "a request without a length"
        left = int(length[1]) - (size - end - 4)
        while left > 0:
            left -= connection.recv_into(buffer)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


if __name__ == "__main__":
    if sys.argv[1] == "grpc":
        asyncio.run(serve_grpc())
    else:
        serve_http()
