"""The front page: what this is, for a person who opens the address in a browser."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .control import CONTROLS
from .http import Response

if TYPE_CHECKING:
    from .app import App


def page(app: App) -> Response:
    """Give the front page."""
    rows = "".join(
        f"<li><code>{escape(method)} {escape(path)}</code></li>" for method, path in CONTROLS
    )
    counts = "".join(
        f"<li>{escape(name)}: {len(world.jobs)} jobs, {len(world.applications)} applications, "
        f"{len(world.users)} users</li>"
        for name, world in app.worlds.items()
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
