"""A real MCP server with one tool: the orders of a customer."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

ORDERS = {
    "ada": [
        ("A-1", 120, "2026-03-02"),
        ("A-2", 35, "2026-03-09"),
        ("A-3", 80, "2026-04-01"),
        ("A-4", 15, "2026-04-03"),
    ],
    "bob": [("B-1", 60, "2026-02-11"), ("B-2", 44, "2026-02-20")],
    "cleo": [("C-1", 9, "2026-01-05"), ("C-2", 250, "2026-01-30"), ("C-3", 31, "2026-02-02")],
}

server = MCPServer("shop", log_level="CRITICAL")
READ_ONLY = ToolAnnotations(read_only_hint=True)


@server.tool(annotations=READ_ONLY)
def list_orders(customer: str) -> dict[str, object]:
    """All orders of a customer, how many there are and their sum."""
    orders: list[dict[str, Any]] = [
        {"order_id": number, "total": total, "date": date} for number, total, date in ORDERS[customer]
    ]
    return {"customer": customer, "orders": orders, "count": len(orders), "sum": sum(one["total"] for one in orders)}


if __name__ == "__main__":
    server.run("stdio")
