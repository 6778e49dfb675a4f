"""The tool of the script as an MCP server, on the SDK that otelscore has."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

sys.path.insert(0, str(Path(__file__).parent))
from script import list_orders

server = MCPServer("shop", log_level="CRITICAL")
server.tool(annotations=ToolAnnotations(read_only_hint=True))(list_orders)
server.run("stdio")
