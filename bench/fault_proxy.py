"""What `otelscore fault-proxy` adds to a call: python bench/fault_proxy.py [CALLS]

One client calls a tool of a real MCP server directly and through the proxy, by turns, so that whatever else the machine
does hits both alike. The processor's time is that of the proxy's own process.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles

import anyio
import psutil
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

SERVER = (sys.executable, str(Path(__file__).parents[1] / "tests" / "injection" / "server.py"))
PROXY = (sys.executable, "-m", "otelscore", "fault-proxy", "--")


async def measure(calls: int) -> None:
    took: tuple[list[float], list[float]] = ([], [])
    async with AsyncExitStack() as stack:
        clients = []
        for command in (SERVER, (*PROXY, *SERVER)):
            started = StdioServerParameters(command=command[0], args=list(command[1:]), env=dict(os.environ))
            streams = await stack.enter_async_context(stdio_client(started))
            client = await stack.enter_async_context(ClientSession(*streams))
            await client.initialize()
            await client.call_tool("find_orders", {"customer": "c"})
            clients.append(client)
        (proxy,) = (child for child in psutil.Process().children() if "fault-proxy" in child.cmdline())
        before = sum(proxy.cpu_times()[:2])
        for _ in range(calls):
            for client, times in zip(clients, took, strict=True):
                began = time.perf_counter()
                await client.call_tool("find_orders", {"customer": "c"})
                times.append((time.perf_counter() - began) * 1000)
        processor = (sum(proxy.cpu_times()[:2]) - before) / calls * 1000
    for name, of in (("quickest", min), ("first tenth", lambda times: quantiles(times, n=10)[0]), ("median", median)):
        direct, through = map(of, took)
        print(
            f"{name}: {direct:.2f} ms direct, {through:.2f} through: {through - direct:+.2f}, x {through / direct:.2f}"
        )
    print(f"processor: {processor:.2f} ms a call")


anyio.run(measure, int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
