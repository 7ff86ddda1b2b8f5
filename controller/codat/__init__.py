"""The client of the remote API. Everything sent to Codat goes through here, and every answer is translated here.

    client · read_only     typed calls; the second one can only read
    from_wire · dates      wire → model: how Codat spells things
    document_edit          model → wire: a configuration document with other values
    wire · wire_model      the JSON as it comes, as classes; how those are filled
    raw_json               a configuration document that goes back as it came
    pagination             the list of companies, and whether it is complete
    write_check            what a write changed beside what it was meant to
    aiohttp_transport      HTTP over this machine's network
    transport              authorization, time-outs, retries
    circuit_breaker        when to stop retrying
    rate_limiter           how many requests a minute, and how many at once
    quota_headers          what the rate-limit headers say
    answer_body · answer_parsing   a body within bounds; its rows, each on its own
    error_mapping          an answer, or its absence → a typed error

Never here: a decision about a merchant, a file, the state. No exception of httpx, aiohttp or pydantic-core leaves.
Written from the API notes alone (docs/api-notes.md); it shares nothing with the emulator.
"""

from __future__ import annotations

import sys

# httpx imports its own command line, and with that click, rich and pygments: as much again as the rest of httpx.
# Where the import fails it goes without, as it does where its extra `cli` is not installed.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
