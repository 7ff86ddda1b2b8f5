"""`merchantctl demo`: the whole story with the real commands, against a local copy of the API in a thread.

validate → plan → apply → merchants consent → apply → in sync
→ people meddle → drift names it → apply mends what it may → what is left waits on people
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from shlex import quote
from typing import Any

import click

from controller.cli.demo_stage import DEMO_API_KEY, DemoCompany, DemoStage
from controller.quick_dataclasses import dataclass

SOURCE_ROOT = Path(__file__).resolve().parents[2]
PACKAGED_MANIFESTS = SOURCE_ROOT / "controller" / "example_manifests"
EXAMPLE_MANIFESTS = PACKAGED_MANIFESTS if PACKAGED_MANIFESTS.is_dir() else SOURCE_ROOT / "manifests"
"""The example fleet: a wheel brings it along, a checkout has it beside the packages."""
CREATE_COMPANY = "POST /meta/companies/sync"
CREATE_CONNECTION = "POST /meta/companies/{companyId}/connections"
CONFIGURE = "POST /config/companies/{companyId}/sync/commerce"


@dataclass(slots=True)
class ClaimChecks:
    """What the story claims, and whether it held."""

    results: list[tuple[bool, str]] = field(default_factory=list)

    def record(self, held: bool, claim: str) -> None:
        self.results.append((held, claim))

    def __bool__(self) -> bool:
        return all(held for held, _ in self.results)


@dataclass(slots=True)
class DemoRunner:
    """Runs real commands in a folder of their own, shown as a person would type them.

    verbose  show all that a command prints, not only its first lines and its last
    """

    folder: Path
    url: str
    verbose: bool = False

    def narrate(self, words: str) -> None:
        click.secho(f"\n── {words}", bold=True)

    def run(self, *arguments: str, quiet: bool = False, lines: int = 3) -> tuple[int, str]:
        """(exit code, stdout) of one command; shown unless `quiet`, its first `lines` and the last one."""
        if not quiet:
            click.secho(f"$ merchantctl {' '.join(arguments)}", fg="cyan")
        done = subprocess.run(
            [sys.executable, "-m", "controller", *arguments],
            cwd=self.folder,
            env=self.process_variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        if not quiet:
            if self.verbose:
                click.echo(done.stdout + done.stderr, nl=False)
            else:
                click.echo(_shortened(done.stdout or done.stderr, lines), nl=False)
            if done.returncode:
                click.secho(f"(exit {done.returncode})", dim=True)
        return done.returncode, done.stdout

    def setting_variables(self) -> dict[str, str]:
        """The variables that say which API, manifests and state the demo works with."""
        return {
            "CODAT_API_KEY": DEMO_API_KEY,
            "CODAT_BASE_URL": self.url,
            "MERCHANTCTL_MANIFESTS": str(EXAMPLE_MANIFESTS),
            "MERCHANTCTL_STATE": f"sqlite:///{self.folder / 'demo.db'}",
        }

    def process_variables(self) -> dict[str, str]:
        """This process's variables, with the demo's own in place of the user's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODAT_", "MERCHANTCTL_"))}
        source = {
            "PYTHONPATH": os.pathsep.join([str(SOURCE_ROOT), kept.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        }
        return kept | self.setting_variables() | source


def _shortened(printed: str, lines: int) -> str:
    """The first lines and the last one; how many are left out between them."""
    rows = [row for row in printed.splitlines() if row.strip()]
    if len(rows) > lines + 2:
        rows = [*rows[:lines], f"  … {len(rows) - lines - 1} more lines", rows[-1]]
    return "".join(f"{row}\n" for row in rows)


_EXAMPLES = """
\b
Examples:
  merchantctl demo              the story, with every command and the gist of what it prints
  merchantctl demo -v           all that the commands print
"""


@click.command(epilog=_EXAMPLES)
@click.option("-v", "--verbose", is_flag=True, help="Show all that the commands print.")
def command(verbose: bool) -> None:
    """Provision a fleet, let people meddle, report the drift, put it right; exits 1 if any claim fails.

    What it made stays in a temporary folder, and the end says how to look at it in the dashboard.
    """
    folder = Path(tempfile.mkdtemp(prefix="merchantctl-demo-"))
    with DemoStage.open(folder / "world.db") as stage:
        teller, checks = DemoRunner(folder, stage.url, verbose), ClaimChecks()
        for chapter in (provision, consent, cause_drift, correct_drift, restore_merchants):
            chapter(teller, stage, checks)
        print_checks(stage, checks, verbose=verbose)
    print_next_steps(teller)
    if not checks:
        raise SystemExit(1)


def provision(teller: DemoRunner, stage: DemoStage, checks: ClaimChecks) -> None:
    """N merchants cost N companies and, where they are wanted linked, a connection each."""
    teller.narrate("The manifests say what each merchant should be")
    checks.record(teller.run("validate")[0] == 0, "the example manifests are valid")
    teller.narrate("What would change? Nothing is written")
    teller.run("plan")
    _, text = teller.run("plan", "-o", "json", quiet=True)
    checks.record(stage.count_controller_writes() == 0, "plan makes no request but GET")
    kinds = [change["kind"] for each in json.loads(text)["merchants"] for change in each["changes"]]
    teller.narrate("Do it")
    checks.record(teller.run("apply", "--yes")[0] == 0, "the first apply succeeds")
    counts = stage.load_request_counts()
    made, linked = kinds.count("create-company"), kinds.count("create-connection")
    checks.record(counts.get(CREATE_COMPANY) == made, f"{made} new merchants cost {made} company creates")
    checks.record(counts.get(CREATE_CONNECTION) == linked, f"{linked} connections were created, once each")
    checks.record(stage.count_controller_writes() == made + linked, "and nothing else was written")


def consent(teller: DemoRunner, stage: DemoStage, checks: ClaimChecks) -> None:
    """Merchants open their links; the next apply configures each with one POST, the one after writes nothing."""
    teller.narrate("The merchants open their links and consent; Codat reads their books")
    linked = stage.authorise_pending()
    teller.narrate("Now the mapping can be made: one POST a merchant")
    checks.record(teller.run("apply", "--yes")[0] == 0, "the second apply succeeds")
    posts = stage.load_request_counts().get(CONFIGURE, 0)
    checks.record(posts == linked, f"{linked} merchants that consented cost {linked} configuration posts")
    before = stage.count_controller_writes()
    teller.narrate("In sync")
    checks.record(teller.run("plan", "--detailed-exitcode")[0] == 0, "the plan is empty")
    teller.run("apply", "--yes", quiet=True)
    checks.record(stage.count_controller_writes() == before, "a further apply writes nothing")


@dataclass(frozen=True, slots=True)
class DriftCase:
    """What somebody does behind our back to one merchant, and how the drift report must call it."""

    description: str
    code: str
    act: Callable[[DemoStage, DemoCompany], None]


DRIFT_CASES = (
    DriftCase("deletes the refunds account in the books", "account-deleted", lambda s, c: s.delete_refunds_account(c)),
    DriftCase("archives the refunds account", "account-archived", lambda s, c: s.archive_refunds_account(c)),
    DriftCase(
        "revokes the access at the accounting platform", "connection-deauthorized", lambda s, c: s.deauthorise(c)
    ),
    DriftCase("unlinks the connection", "connection-unlinked", lambda s, c: s.unlink(c)),
    DriftCase("renames the company", "company-renamed", lambda s, c: s.rename(c, "Somebody Else")),
    DriftCase(
        "switches the sync off, and adds a note of their own",
        "sync-disabled",
        lambda s, c: s.disable_sync_and_add_note(c),
    ),
)
CORRECTED_CODES = ("company-renamed", "sync-disabled")


def cause_drift(teller: DemoRunner, stage: DemoStage, checks: ClaimChecks) -> None:
    """Six merchants drift in six ways; the report names each, with cause and remedy."""
    victims = stage.pick_victims(len(DRIFT_CASES))
    teller.narrate("People meddle")
    for meddling, company in zip(DRIFT_CASES, victims, strict=True):
        click.echo(f"  {company.name}: somebody {meddling.description}")
        meddling.act(stage, company)
    teller.narrate("The report names each, with cause and remedy")
    code, _ = teller.run("drift", lines=12)
    checks.record(code == 2, "drift exits 2")
    _, text = teller.run("drift", "-o", "json", quiet=True)
    found = json.loads(text)["findings"]
    for meddling, company in zip(DRIFT_CASES, victims, strict=True):
        named = [each for each in found if each["merchant"] == company.name and each["code"] == meddling.code]
        told = bool(named and named[0]["cause"] and named[0]["remedy"])
        checks.record(told, f"drift says {meddling.code} of {company.name}, with cause and remedy")


def correct_drift(teller: DemoRunner, stage: DemoStage, checks: ClaimChecks) -> None:
    """Apply mends what is ours to mend and leaves what is not."""
    before = stage.count_controller_writes()
    teller.narrate("Put right what may be put right")
    code, _ = teller.run("apply", "--yes")
    checks.record(code == 3, "apply exits 3: two merchants' mappings need a person")
    checks.record(
        stage.count_controller_writes() - before == len(CORRECTED_CODES),
        f"{len(CORRECTED_CODES)} merchants were mended with one write each",
    )
    checks.record(stage.is_merchant_note_kept(), "the field that nobody declared is as the merchant left it")
    left = {each["code"] for each in _load_drift_report(teller)["findings"]}
    checks.record(not left & set(CORRECTED_CODES), "what was mended is reported no more")


def restore_merchants(teller: DemoRunner, stage: DemoStage, checks: ClaimChecks) -> None:
    """The people do their part: consent again, and restore the accounts."""
    teller.narrate("The merchants consent again and mend their books")
    stage.restore_consent_and_accounts()
    teller.run("apply", "--yes")
    checks.record(teller.run("plan", "--detailed-exitcode")[0] == 0, "in the end everything is in sync")


def print_checks(stage: DemoStage, checks: ClaimChecks, *, verbose: bool) -> None:
    """The claims, and with `verbose` the requests that the server counted."""
    click.secho("\n── What was checked, against the requests that the server counted", bold=True)
    for name, number in sorted(stage.load_request_counts().items()) if verbose else ():
        click.echo(f"  {number:4d}  {name}")
    duplicates = stage.count_duplicates()
    checks.record(duplicates == 0, f"duplicates: {duplicates}")
    for held, claim in checks.results:
        click.secho(f"  {'ok  ' if held else 'FAIL'}  {claim}", fg="green" if held else "red")


def print_next_steps(teller: DemoRunner) -> None:
    """How to open the dashboard on what the demo made."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "merchantctl" else f"{sys.executable} -m controller"
    port = teller.url.rpartition(":")[2]
    settings = " ".join(f"{name}={quote(value)}" for name, value in teller.setting_variables().items())
    click.secho("\n── See it in the dashboard", bold=True)
    click.echo(f"All of it is kept in {teller.folder}. In one terminal, the copy of the API:")
    click.echo(f"  {program} emulator --port {port} --data {quote(str(teller.folder / 'world.db'))}")
    click.echo("In another one the controller; then open http://127.0.0.1:8788/ in a browser:")
    click.echo(f"  {settings} {program} run")


def _load_drift_report(teller: DemoRunner) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(teller.run("drift", "-o", "json", quiet=True)[1])
    return report
