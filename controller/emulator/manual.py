"""The documentation of the controls, made from the routes themselves and served at `/_emulator/`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from starlette.routing import Route

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>merchantctl emulator: controls</title></head><body>
<h1>Controls of this emulator</h1>
<p>A local copy of the Codat Sync for Commerce API, as of its v1 flow. What is below
<code>/_emulator/</code> is not part of that API: it plays the merchant, the platform, the network and time.
No key; from this machine only; never counted in <code>/_emulator/requests</code>.</p>
<table border="1" cellpadding="4"><tr><th>call</th><th>does</th></tr>
"""
_TAIL = """</table>
<h2>Faults</h2>
<p><code>POST /_emulator/faults</code>
<code>{"match": "POST /meta/companies/sync", "times": 1, "do": "lose-answer"}</code></p>
<p><code>match</code> is a method and a path template as <code>/_emulator/requests</code> counts it, or a
concrete path. <code>do</code>: <code>lose-answer</code> (done, then the connection drops), <code>drop</code>
(dropped, nothing done), <code>status</code> (<code>code</code>, <code>retryAfter</code>; with
<code>"done": true</code> after the work), <code>delay</code> (<code>ms</code>: done at once, answered late),
<code>truncate</code> (done, the body cut short), <code>garbage</code> (done, 200 with no JSON),
<code>stale</code> (a GET answered from the world before the last write, if that is under 5 s old).</p>
</body></html>
"""


def page(routes: Iterable[Route]) -> str:
    """An HTML page with one row for each control: its call, and what its answerer's docstring promises."""
    rows = [
        f"<tr><td><code>{method} {escape(route.path)}</code></td>"
        f"<td>{escape(' '.join((route.endpoint.__doc__ or '').split()))}</td></tr>"
        for route in routes
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    return _HEAD + "\n".join(rows) + _TAIL
