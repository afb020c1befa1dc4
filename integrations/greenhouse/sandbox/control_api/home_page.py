"""The sandbox's home page, for people who open its URL in a browser."""

from __future__ import annotations

from html import escape

from integrations.greenhouse.sandbox.control_api.endpoints import CONTROL_ENDPOINTS
from integrations.greenhouse.sandbox.http_server.messages import Response
from integrations.greenhouse.sandbox.state import SandboxState


def render_home_page(state: SandboxState) -> Response:
    rows = "".join(
        f"<li><code>{escape(method)} {escape(path)}</code></li>"
        for method, path in CONTROL_ENDPOINTS
    )
    counts = "".join(
        f"<li>{escape(name)}: {len(dataset.jobs)} jobs, {len(dataset.applications)} applications, "
        f"{len(dataset.users)} users</li>"
        for name, dataset in state.datasets.items()
    )
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        "<title>Greenhouse sandbox</title></head><body><main><h1>Greenhouse sandbox</h1>"
        "<p>A stand-in for the Harvest API, with made-up people. It speaks <code>/v1</code>, "
        "<code>/v3</code> and <code>/token</code>.</p>"
        f"<h2>Accounts</h2><ul>{counts}</ul><h2>Control endpoints</h2><ul>{rows}</ul>"
        "</main></body></html>"
    )
    return Response(200, text.encode(), content_type="text/html; charset=utf-8")
