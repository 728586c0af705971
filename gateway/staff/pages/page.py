"""A page: its frame, its style and script, and the policy that lets a browser run these and nothing else."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files

from starlette.responses import HTMLResponse


@cache
def asset(name: str) -> str:
    """A file beside this module."""
    return (files(__package__) / name).read_text("utf-8").strip()


def _allowed(*inline: str) -> str:
    return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in inline) or "'none'"


def page(title: str, body: str, *, language: str = "en", direction: str = "ltr", script: str = "") -> HTMLResponse:
    """A whole page. `body` is HTML already, everything in it escaped."""
    style = asset("page.css")
    run = f"<script>{script}</script>" if script else ""
    html = f"""<!doctype html>
<html lang="{escape(language)}" dir="{escape(direction)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
{run}
</body>
</html>
"""
    policy = {
        "default-src": "'none'",
        "style-src": _allowed(style),
        "script-src": _allowed(script) if script else "'none'",
        "connect-src": "'self'" if script else "'none'",
        "img-src": "data:",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    said = "; ".join(f"{name} {value}" for name, value in policy.items())
    return HTMLResponse(html, headers={"Content-Security-Policy": said})
