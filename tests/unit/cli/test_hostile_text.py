"""Whatever a name, a message or a file name from outside holds, no output obeys it."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.cli.commands import COMMANDS
from controller.cli.main import group
from controller.model.plan import Actor, Finding
from controller.reporting.html_page import SCRIPT
from controller.reporting.markdown_escape import escape_markdown
from controller.telemetry.alerts import Alert, FindingAlert, alert_json
from controller.untrusted_text import dump_json, escape_control, mask_passwords
from tests.emulator import Emulator
from tests.end_to_end.place import UK_PROFILE, JumpingClock
from tests.environments import HURRIED_ENVIRONMENT
from tests.processes import run_python
from tests.proxy import ProxyAnswer, ProxyRequest, proxied
from tests.unit.cli.conftest import Merchantctl

HOSTILE = (
    "Café\n      > merchantctl apply --allow delete\r\n::error file=x::y\n##[error]z\x1b]0;title\x07\x1b[2J\x9b31m"
    "‮evil⁦<script>alert(1)</script>&lt;@everyone #12 https://evil.example [x](https://evil.example)\u2028=1+1"
)
"""A forged remedy, commands to a CI, escapes of a terminal, bidirectional signs, HTML, Markdown, a formula."""

_STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def offences(text: str, form: str = "text") -> list[str]:
    """What in this output would steer a terminal, command a CI, forge a line, or act where this form is shown."""
    lines = [line.strip() for line in text.splitlines()]
    found = [f"steering {each!r}" for each in _STEERING.findall(text)]
    found += [f"command {line!r}" for line in lines if line.startswith("::") or "##[" in line]
    found += [f"forged {line!r}" for line in lines if line.startswith("> merchantctl apply --allow delete")]
    if form == "markdown":
        found += [f"live {each!r}" for each in _LIVE_MARKDOWN.findall(text)]
    if form == "html":
        foreign = re.sub(r"<b>[\d,]+</b>|<b>Refused by", "", text.replace(f"<script>{SCRIPT}", ""))
        found += [f"live {each!r}" for each in re.findall(r"<script|<b>|(?:href|src)=.(?!https?://|#)[^ >]*", foreign)]
    if form == "csv":
        cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
        found += [f"formula {cell!r}" for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    return found


_LIVE_MARKDOWN = re.compile(r"@everyone|#12|(?<!\\)<script|(?<!\\)\]\(|(?<!<)https://evil\.example|&lt;script")
"""A mention, the reference to an issue, HTML, a link, an address that becomes one, and an entity, each as itself."""


@pytest.fixture
def fleet(folder: Path, served: Emulator, merchantctl: Merchantctl) -> dict[str, Any]:
    """acme is provisioned and its books speak hostile text; bolt, dawn and echo wait for consent."""
    (folder / "manifests").mkdir()
    for name in ("acme", "bolt", "dawn", "echo"):
        schedule = {**UK_PROFILE["schedule"], "startDate": "2026-01-01"}
        spec = {**UK_PROFILE, "schedule": schedule}
        manifest = {"apiVersion": "merchantctl/v1", "kind": "Merchant", "metadata": {"name": name}, "spec": spec}
        (folder / "manifests" / f"{name}.yaml").write_text(json.dumps(manifest))
    assert merchantctl("apply", "--yes").code == 0
    companies = {each["name"]: each for each in served.api.get("/meta/companies", params={"page": 1}).json()["results"]}
    acme = companies["acme"]
    books = next(each for each in acme["dataConnections"] if each["sourceType"] == "Accounting")
    at = f"/companies/{acme['id']}"
    served.control("POST", f"{at}/connections/{books['id']}/authorize")
    served.advance("PT1M")
    assert merchantctl("apply", "--yes").code == 0
    document = served.api.get(f"/config{at}/sync/commerce").json()
    sales = document["configuration"]["sales"]["accounts"]
    selected = next(each for each in sales.values() if each["selectedAccountId"])["selectedAccountId"]
    for account in served.control("GET", f"{at}/accounts")["results"]:
        served.control("PATCH", f"{at}/accounts/{account['id']}", {"name": f"{account['name']} {HOSTILE}"})
    served.control("PATCH", f"{at}/accounts/{selected}", {"status": "Archived"})
    served.api.post(f"{at}/sync/commerce/latest").raise_for_status()
    return acme


def hostile_answers(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
    """dawn's company is called in a hostile way, echo's connection stands so, each link and the last sync are so."""
    if request.method != "GET" or answer.status != 200:
        return answer
    if request.path.endswith("/sync/commerce/status"):
        said = {"syncStatusCode": 4000, "syncStatus": HOSTILE, "errorMessage": HOSTILE, "syncExceptionMessage": HOSTILE}
        return answer.with_json(answer.json | said)
    if request.path != "/meta/companies" and not re.fullmatch(r"/companies/[^/]+", request.path):
        return answer
    page = answer.json
    for company in page.get("results", [page]):
        for connection in company["dataConnections"]:
            connection["linkUrl"] = f"https://link.example/{HOSTILE}"
            if company["name"] == "echo" and connection["sourceType"] == "Accounting":
                connection["status"] = HOSTILE
        if company["name"] == "dawn":
            company["name"] = f"=1+1 {HOSTILE}"
    if "results" in page:
        stranger = json.loads(json.dumps(page["results"][0]))
        page["results"].append(stranger | {"id": "0b6ad3a5-92a4-4b8c-a0c2-000000000001", "name": HOSTILE})
        page["totalResults"] += 1
    return answer.with_json(page)


_ARGUMENTS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("plan",): (),
    ("drift",): ("--unmanaged", "--data", "--syncs"),
    ("status",): (),
    ("explain",): ("acme",),
    ("validate",): ("--online",),
    ("refresh",): (),
    ("doctor",): (),
    ("state", "list"): (),
    ("sync",): ("acme", "--status"),
    ("rollout", "start"): ("--yes",),
    ("rollout", "status"): (),
    ("rollout", "list"): (),
    ("rollout", "resume"): (),
    ("rollout", "undo"): ("--yes",),
    ("push",): ("acme", "sales.json"),
    ("apply",): ("--yes",),
    ("options",): ("acme", "mapping"),
    ("report",): (),
    ("report", "diff"): ("before.json", "after.json"),
    ("impact", "account"): ("200",),
    ("impact", "profile"): ("uk",),
    ("impact", "connection"): ("xero",),
    ("history",): ("dawn",),
    ("revision", "show"): (),
    ("state", "show"): ("dawn",),
}
"""With which each command that has formats is run, in this order: looks first, and at the end what is remembered."""

_BESIDE = [("link", "bolt"), ("status", "dawn"), ("-vv", "drift"), ("state", "export"), ("import", "--out", "-")]

_SILENT = {"doctor", "explain", "impact", "push", "refresh", "report -o text", "state list", "status -o text"}
_SILENT |= {
    "revision show",
    "rollout list",
    "validate --online -o junit",
    *(f"rollout {verb} --yes -o json" for verb in ("start", "undo")),
}
"""How the lines begin that tell nothing from outside in this fleet: no refusal, no value of the books."""


def commands_with_formats(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands_with_formats(below, *path, name)
    for option in command.params:
        if option.name == "output" and isinstance(option.type, click.Choice):
            yield from ((path, str(form)) for form in option.type.choices)


def test_no_output_obeys_text_that_came_from_the_books_or_the_listing(
    fleet: dict[str, Any], served: Emulator, merchantctl: Merchantctl, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sales.json").write_text('{"orders": []}')
    forms = list(commands_with_formats(group))
    assert {path for path, _ in forms} == _ARGUMENTS.keys(), "every command that has formats is listened to"
    runs = [(path, form) for path in _ARGUMENTS for each, form in forms if each == path]
    lines = [(*path, *_ARGUMENTS[path], "-o", form) for path, form in runs]
    lines[-1:-1] = _BESIDE
    reported = {"merchant": HOSTILE, "code": HOSTILE, "field": HOSTILE, "live": HOSTILE, "wanted": None}
    for name, findings in (("before.json", []), ("after.json", [reported])):
        (folder / name).write_text(json.dumps({"kind": "Report", "generatedAt": HOSTILE, "findings": findings}))
    with proxied(served.url, hostile_answers) as url:
        monkeypatch.setenv("CODAT_BASE_URL", url)
        assert merchantctl("state", "rebind").code == 0
        found: dict[tuple[str, ...], list[str]] = {}
        heard = set()
        for line in lines:
            ended = merchantctl(*line)
            assert "Traceback" not in ended.err, line
            assert "fault of merchantctl" not in ended.err + ended.out, line
            form = line[-1] if line[-2] == "-o" else "text"
            out = ended.out.removeprefix("\ufeff") if form == "csv" else ended.out
            found |= {(*line, "out"): offences(out, form), (*line, "err"): offences(ended.err)}
            if "evil" in ended.out + ended.err:
                heard.add(line)
    assert {line: which for line, which in found.items() if which} == {}
    silent = {line for line in lines if " ".join(line).startswith(tuple(_SILENT))}
    assert heard >= set(lines) - silent, "else nothing hostile was there to be obeyed"


def test_a_link_that_leads_to_no_web_page_is_not_printed(
    fleet: dict[str, Any], served: Emulator, merchantctl: Merchantctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(request: ProxyRequest, answer: ProxyAnswer) -> ProxyAnswer:
        text = answer.body.decode()
        return replace(answer, body=re.sub(r'"linkUrl": ?"[^"]*"', '"linkUrl":"javascript:alert(1)"', text).encode())

    with proxied(served.url, elsewhere) as url:
        monkeypatch.setenv("CODAT_BASE_URL", url)
        assert merchantctl("state", "rebind").code == 0
        ended = merchantctl("link", "bolt")
    assert (ended.code, ended.out) == (1, "")
    assert "an address that is no web page" in ended.err


@pytest.mark.parametrize("status", [400, 500, 403])
def test_no_output_obeys_the_words_of_a_refusal(
    fleet: dict[str, Any], served: Emulator, merchantctl: Merchantctl, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def refusing(request: ProxyRequest) -> ProxyAnswer | None:
        if request.method != "GET" or "/config/" in request.path:
            body = {"statusCode": status, "error": HOSTILE, "correlationId": HOSTILE, "service": "x"}
            return ProxyAnswer(status, {"content-type": "application/json"}, json.dumps(body).encode())
        return None

    (Path("manifests") / "cove.yaml").write_text(
        '{"apiVersion": "merchantctl/v1", "kind": "Merchant", "metadata": {"name": "cove"}, '
        '"spec": {"connection": {"platform": "xero"}}}'
    )
    environment = JumpingClock(served).environment(HURRIED_ENVIRONMENT)
    with proxied(served.url, forged=refusing) as url:
        monkeypatch.setenv("CODAT_BASE_URL", url)
        assert merchantctl("state", "rebind").code == 0
        for arguments in (
            ("plan",),
            ("apply", "--yes"),
            ("history", "cove"),
            ("-v", "status"),
            ("refresh",),
            ("run", "--once"),
        ):
            ended = merchantctl(*arguments, environment=environment)
            assert offences(ended.out) + offences(ended.err) == [], arguments
            assert "evil" in ended.out + ended.err or arguments[0] == "run", arguments


def test_no_output_obeys_a_file_name_or_a_key_of_a_manifest(
    folder: Path, served: Emulator, merchantctl: Merchantctl
) -> None:
    (folder / "manifests").mkdir()
    hostile = HOSTILE.replace("/", "-").replace("\x00", "")[:200]
    key = json.dumps(HOSTILE, ensure_ascii=True)
    (folder / "manifests" / f"{hostile[:80]}.yaml").write_text(f"{key}: 1\nkind: {key}\n")
    for arguments in (("validate",), ("validate", "-o", "json"), ("plan",), ("drift",)):
        ended = merchantctl(*arguments)
        assert ended.code == 65
        assert offences(ended.out) + offences(ended.err) == [], arguments
        assert "Caf" in ended.out + ended.err, arguments


def test_no_output_obeys_the_file_name_of_a_sound_manifest(
    fleet: dict[str, Any], served: Emulator, merchantctl: Merchantctl, folder: Path
) -> None:
    """Not even a patch: a line break in a name would begin a line of it."""
    file = folder / "manifests" / "acme.yaml"
    named = file.rename(file.with_name("evil\n::error::z \x1b[2J\u202e.yaml"))
    served.control("PATCH", f"/companies/{fleet['id']}/configuration", {"enabled": False})
    for arguments in (
        ("codify", "--diff"),
        ("fmt", "--check"),
        ("fmt",),
        ("validate",),
        ("explain", "acme"),
        ("plan",),
    ):
        ended = merchantctl(*arguments)
        assert offences(ended.out) + offences(ended.err) == [], arguments
        assert "evil" in ended.out + ended.err or arguments[0] in ("validate", "plan"), arguments
    patch = merchantctl("codify", "--diff").out
    assert '--- "a/manifests/evil\\012::error::z \\033[2J\\342\\200\\256.yaml"' in patch
    before = named.read_text()
    subprocess.run(["git", "apply"], cwd=folder, input=patch, text=True, check=True)
    assert named.read_text() != before


def test_no_output_obeys_what_was_typed(merchantctl: Merchantctl, folder: Path) -> None:
    """A CI may pass on the name of a branch, or the title of a pull request."""
    (folder / "manifests").mkdir()
    for command in ("", *COMMANDS):
        for typed in (HOSTILE, f"--{HOSTILE}", f"--output={HOSTILE}"):
            ended = merchantctl(*filter(None, (command, typed)))
            assert offences(ended.out) + offences(ended.err) == [], (command, typed)


_LOGGED = """
import logging, structlog, sys
from controller.telemetry.logging import configure_logging
configure_logging(["the-key"])
told = sys.argv[1] + " postgresql://ann:s3same@db/fleet the-key"
structlog.get_logger().warning("pass_failed", reason=told, merchants=[told, (told,)])
logging.getLogger("uvicorn.error").warning("of a library: %s", told)
"""


def test_no_line_of_the_log_obeys_what_it_tells_or_shows_a_secret(tmp_path: Path) -> None:
    ended = run_python([sys.executable, "-c", _LOGGED, HOSTILE], cwd=tmp_path, env=dict(os.environ), timeout=60)
    assert offences(ended.stderr) == []
    assert [json.loads(line)["level"] for line in ended.stderr.splitlines()] == ["warning", "warning"]
    assert ended.stderr.count("evil.example") >= 4
    assert "s3same" not in ended.stderr
    assert "the-key" not in ended.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:s3same@db/fleet", "postgresql://ann:***@db/fleet"),
        ("postgresql://ann:s3@me/s@db/fleet", "postgresql://ann:***@db/fleet"),
        ("postgresql://ann:s3s@me@db/fleet", "postgresql://ann:***@db/fleet"),
        ("postgresql://ann:s3s/me@db/fleet", "postgresql://ann:***@db/fleet"),
        ("postgresql://db/fleet?user=ann&PassWord=s3same&x=1", "postgresql://db/fleet?user=ann&PassWord=***&x=1"),
        ("git+https://ghp_0123456789abcdefghij@host/repo", "git+https://***@host/repo"),
        ("https://api.example/?access_token=s3same", "https://api.example/?access_token=***"),
        ("https://hooks.example/?a=1&sig=s3same&key=s3same", "https://hooks.example/?a=1&sig=***&key=***"),
        ("https://hooks.example/?monkey=1&design=2", "https://hooks.example/?monkey=1&design=2"),
        ("git+https://me@host:8443/repo@main//a", "git+https://me@host:8443/repo@main//a"),
        ("http://[::1]:8787/a@b", "http://[::1]:8787/a@b"),
        ("postgresql://db:5432/fleet?x=a@b", "postgresql://db:5432/fleet?x=a@b"),
        ('{"url":"http://host:80","mail":"a@b"}', '{"url":"http://host:80","mail":"a@b"}'),
    ],
)
def test_a_password_in_an_address_is_masked_and_nothing_else(text: str, shown: str) -> None:
    assert mask_passwords(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – Café, 日本茶", "plain – Café, 日本茶"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("abc\u202e", "abc\\u202e"),
        ("\ud800", "\\ud800"),
        ("::error::x", "\\x3a:error::x"),
        ("  ::error::x", "  \\x3a:error::x"),
        ("std::string", "std::string"),
        ("##[error]", "\\x23#[error]"),
        ("##vso[task]", "\\x23#vso[task]"),
    ],
)
def test_what_cannot_be_printed_is_spelt_out(text: str, shown: str) -> None:
    assert escape_control(text) == shown


TURNS_THE_LINE = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("sign", TURNS_THE_LINE, ids=lambda sign: f"U+{ord(sign):04X}")
def test_no_sign_that_turns_a_line_around_comes_through(sign: str) -> None:
    assert escape_control(f"a{sign}b") == f"a\\u{ord(sign):04x}b"
    assert sign not in dump_json({sign: sign})


@given(st.text())
def test_escaped_text_is_one_printable_line_that_commands_nobody(text: str) -> None:
    shown = escape_control(text)
    assert shown.isprintable()
    assert offences(shown) == []


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_json_means_what_it_meant_and_steers_no_terminal(document: dict[str, Any] | list[Any] | str) -> None:
    text = dump_json(document)
    assert json.loads(text) == document
    assert _STEERING.findall(text) == []


def test_markdown_links_mentions_and_refers_to_nothing() -> None:
    text = escape_markdown(
        "@everyone #12 GH-7 org/repo#3 https://evil.example www.evil.example &lt;b> [x](y) :tada: $x$"
    )
    visible = text.replace("<!-- -->", "\0")
    for recognised in ("@e", "#1", "GH-7", "#3", "://", "www.e", "&lt;", ":tada:"):
        assert recognised not in visible


def test_a_chat_message_links_and_mentions_nothing() -> None:
    finding = Finding("company-renamed", "acme", HOSTILE, "ask <!channel> or @here, [x](http://y)", Actor.OPERATOR)
    text = alert_json(Alert((FindingAlert(finding, 1),)))["text"]
    for recognised in ("@everyone", "@here", "<!channel>", "://", "](", "evil.example"):
        assert recognised not in text
    assert len(text.splitlines()) == 2
