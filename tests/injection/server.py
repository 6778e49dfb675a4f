"""An MCP server to test the proxy with: `python server.py [drifted] [http PORT]`. It can hang, die and send garbage."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TypedDict

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

DRIFTED = "drifted" in sys.argv
server = MCPServer("orders", log_level="CRITICAL")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def find_orders(customer: str) -> dict[str, object]:
    """Orders of a customer."""
    total = "total_amount" if DRIFTED else "total"
    orders = [{"order_id": f"{customer}-{number}", total: number * 10.5} for number in range(1, 5)]
    return {"customer": customer, "orders": orders}


class Typed(TypedDict):
    number: int
    text: str


@server.tool()
def typed() -> Typed:
    """Promises a schema."""
    return {"number": 1, "text": "one"}


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def cancel_order(order_id: str) -> str:
    """Cancels."""
    return f"cancelled {order_id}"


@server.tool()
def fail(message: str) -> str:
    """Fails."""
    raise ValueError(message)


@server.tool()
async def hang() -> str:
    """Never answers."""
    await asyncio.sleep(3600)
    return ""


@server.tool()
def garbage() -> str:
    """Writes to the wire what is no message."""
    os.write(WIRE, b"this is no JSON\n\xff\xfe\n{}\n")
    return "said"


@server.tool()
def die() -> str:
    """Ends the process."""
    os._exit(3)


WIRE = os.dup(1)

if __name__ == "__main__":
    if "http" in sys.argv:
        server.run("streamable-http", port=int(sys.argv[-1]))
    else:
        server.run("stdio")
