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
concrete path; the first <code>skip</code> calls that match pass, the next <code>times</code> do not.
<code>do</code>: <code>lose-answer</code> (done, then the connection drops), <code>drop</code>
(dropped, nothing done), <code>status</code> (<code>code</code>, <code>retryAfter</code>; with
<code>"done": true</code> after the work; with <code>"html": true</code> in a gateway's words instead of the
service's), <code>delay</code> (<code>ms</code>: done at once, answered late),
<code>truncate</code> (done, the body cut short), <code>garbage</code> (done, 200 with no JSON),
<code>stale</code> (a GET answered from the world before the last write, if that is under 5 s old),
<code>complete-late</code> (a change that is done only after
<code>seconds</code> of the emulated clock; its caller gets a gateway's page of status <code>code</code>, or
without one a dropped connection; not kept over a restart).</p>
<h2>What somebody else does meanwhile</h2>
<p><code>POST /_emulator/meanwhile</code>
<code>{"match": "GET /meta/companies", "skip": 1, "when": "before",
"calls": [{"method": "DELETE", "path": "/companies/…"},
{"method": "POST", "path": "/meta/companies/sync", "body": {"name": "another"}}]}</code></p>
<p>At the moment of a call that matches, others act: <code>before</code> it is done, or <code>after</code> it is
done and before it is answered. Their calls are of the API (as with the key, not counted) or controls;
<code>{companyId}</code> and the like in their paths are those of the call that they happen beside. The example
shifts the second page of a listing whose total stays the same. <code>GET</code> tells what is open, and of what
was done the status.</p>
<h2>Settings</h2>
<p><code>PATCH /_emulator/settings</code>: <code>tidyNames</code> (white space of company names is trimmed and
collapsed), <code>sortLists</code> and <code>lowerWords</code> (a configuration's lists and words are kept in an
order and a case of the service's own), <code>idempotencyKeys</code> (on: <code>Idempotency-Key</code> is honoured,
off: passed over), <code>accountHidden</code> (403 for <code>GET /profile/syncSettings</code>), and what else
<code>GET</code> shows. A reset puts them back; the account stays.</p>
</body></html>
"""


def render_docs(routes: Iterable[Route]) -> str:
    """An HTML page with one row for each control: its call, and what its answerer's docstring promises."""
    rows = [
        f"<tr><td><code>{method} {escape(route.path)}</code></td>"
        f"<td>{escape(' '.join((route.endpoint.__doc__ or '').split()))}</td></tr>"
        for route in routes
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    return _HEAD + "\n".join(rows) + _TAIL
