"""The look of the sandbox's pages for people: light and dark, from phone to desktop."""

from __future__ import annotations

from html import escape

from integrations.greenhouse.sandbox.http_server.messages import Response

_STYLE = """
:root{color-scheme:light dark;--page:#eef2f0;--card:#fff;--text:#14251f;--muted:#50625b;
--line:#c3cfca;--accent:#00684a;--on-accent:#fff;--bad:#a1141c}
@media(prefers-color-scheme:dark){:root{--page:#0e1614;--card:#18221f;--text:#e6efeb;
--muted:#a3b5ad;--line:#3d4d46;--accent:#4fd1a5;--on-accent:#06251a;--bad:#ff9c9c}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:2rem 1rem;background:var(--page);
color:var(--text)}
main{max-width:34rem;margin:0 auto;padding:2rem;background:var(--card);
border:1px solid var(--line);border-radius:.75rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}
h2{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:0 0 1rem}
.note{color:var(--muted)}
.error{color:var(--bad);font-weight:600}
label{font-weight:600}
select{display:block;width:100%;min-height:2.75rem;margin-top:.25rem;padding:.5rem;font:inherit;
color:inherit;background:var(--card);border:1px solid var(--muted);border-radius:.5rem}
.tick{display:flex;gap:.5rem;align-items:flex-start;margin:1rem 0}
.tick label{font-weight:400}
.tick input{width:1.25rem;height:1.25rem;margin:.125rem 0 0;flex:none}
ul{margin:0;padding:.75rem 1rem .75rem 2rem;max-height:14rem;overflow:auto;
border:1px solid var(--line);border-radius:.5rem;font:.875rem/1.6 ui-monospace,monospace;
overflow-wrap:anywhere}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0 0}
button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.25rem;cursor:pointer;
color:inherit;background:transparent;border:1px solid var(--muted);border-radius:.5rem}
button.primary{color:var(--on-accent);background:var(--accent);border-color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
@media(max-width:32rem){body{padding:0}main{border:0;border-radius:0;padding:1.25rem;
min-height:100vh}}
""".replace("\n", "")


def render_page(status: int, body: str, title: str = "Greenhouse sandbox") -> Response:
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
    return Response(status, text.encode(), content_type="text/html; charset=utf-8")
