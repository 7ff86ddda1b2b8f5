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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from controller.cli.demo_stage import KEY, Company, Stage

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
CREATE_COMPANY = "POST /meta/companies/sync"
CREATE_CONNECTION = "POST /meta/companies/{companyId}/connections"
CONFIGURE = "POST /config/companies/{companyId}/sync/commerce"


@dataclass(slots=True)
class Checks:
    """What the story claims, and whether it held."""

    told: list[tuple[bool, str]] = field(default_factory=list)

    def that(self, held: bool, claim: str) -> None:
        self.told.append((held, claim))

    def __bool__(self) -> bool:
        return all(held for held, _ in self.told)


@dataclass(slots=True)
class Teller:
    """Runs real commands in a folder of their own, shown as a person would type them."""

    folder: Path
    url: str

    def says(self, words: str) -> None:
        click.secho(f"\n── {words}", bold=True)

    def runs(self, *arguments: str, quiet: bool = False) -> tuple[int, str]:
        """(exit code, stdout) of one command; shown unless it is asked only for its JSON."""
        if not quiet:
            click.secho(f"$ merchantctl {' '.join(arguments)}", fg="cyan")
        done = subprocess.run(
            [sys.executable, "-m", "controller", *arguments],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if not quiet:
            click.echo(done.stdout + done.stderr, nl=False)
            click.secho(f"(exit {done.returncode})", dim=True)
        return done.returncode, done.stdout

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODAT_", "MERCHANTCTL_"))}
        ours = {
            "CODAT_API_KEY": KEY,
            "CODAT_BASE_URL": self.url,
            "MERCHANTCTL_MANIFESTS": str(MANIFESTS),
            "MERCHANTCTL_STATE": f"sqlite:///{self.folder / 'demo.db'}",
            "PYTHONPATH": os.pathsep.join([str(MANIFESTS.parent), kept.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        }
        return kept | ours


_EXAMPLES = """
\b
Examples:
  merchantctl demo              the story, with every command shown
"""


@click.command(epilog=_EXAMPLES)
def command() -> None:
    """Provision a fleet, let people meddle, report the drift, put it right; exits 1 if any claim fails."""
    if not MANIFESTS.is_dir():
        raise click.ClickException("the demo reads the example manifests; run it from a checkout of the project")
    with Stage.open() as stage, tempfile.TemporaryDirectory(prefix="merchantctl-demo-") as folder:
        teller, checks = Teller(Path(folder), stage.url), Checks()
        for chapter in (provision, consent, meddle, mend, tidy):
            chapter(teller, stage, checks)
        conclude(stage, checks)
    if not checks:
        raise SystemExit(1)


def provision(teller: Teller, stage: Stage, checks: Checks) -> None:
    """N merchants cost N companies and, where they are wanted linked, a connection each."""
    teller.says("The manifests say what each merchant should be")
    checks.that(teller.runs("validate")[0] == 0, "the example manifests are valid")
    teller.says("What would change? Nothing is written")
    teller.runs("plan")
    _, text = teller.runs("plan", "-o", "json", quiet=True)
    checks.that(stage.writes() == 0, "plan makes no request but GET")
    kinds = [change["kind"] for each in json.loads(text)["merchants"] for change in each["changes"]]
    teller.says("Do it")
    checks.that(teller.runs("apply", "--yes")[0] == 0, "the first apply succeeds")
    counts = stage.counts()
    made, linked = kinds.count("create-company"), kinds.count("create-connection")
    checks.that(counts.get(CREATE_COMPANY) == made, f"{made} new merchants cost {made} company creates")
    checks.that(counts.get(CREATE_CONNECTION) == linked, f"{linked} connections were created, once each")
    checks.that(stage.writes() == made + linked, "and nothing else was written")


def consent(teller: Teller, stage: Stage, checks: Checks) -> None:
    """Merchants open their links; the next apply configures each with one POST, the one after writes nothing."""
    teller.says("The merchants open their links and consent; the service reads their books")
    linked = stage.authorise_everyone()
    teller.says("Now the mapping can be made: one POST a merchant")
    checks.that(teller.runs("apply", "--yes")[0] == 0, "the second apply succeeds")
    posts = stage.counts().get(CONFIGURE, 0)
    checks.that(posts == linked, f"{linked} merchants that consented cost {linked} configuration posts")
    before = stage.writes()
    teller.says("In sync")
    checks.that(teller.runs("plan", "--detailed-exitcode")[0] == 0, "the plan is empty")
    teller.runs("apply", "--yes", quiet=True)
    checks.that(stage.writes() == before, "a further apply writes nothing")


@dataclass(frozen=True, slots=True)
class Meddling:
    """What somebody does behind our back to one merchant, and how the drift report must call it."""

    words: str
    code: str
    do: Callable[[Stage, Company], None]


MEDDLINGS = (
    Meddling(
        "deletes the refunds account in the books", "account-deleted", lambda s, c: s.edit_account(c, delete=True)
    ),
    Meddling("archives the refunds account", "account-archived", lambda s, c: s.edit_account(c, delete=False)),
    Meddling("revokes the access at the accounting platform", "connection-deauthorized", lambda s, c: s.deauthorise(c)),
    Meddling("unlinks the connection", "connection-unlinked", lambda s, c: s.unlink(c)),
    Meddling("renames the company", "company-renamed", lambda s, c: s.rename(c, "Somebody Else")),
    Meddling("switches the sync off, and adds a note of their own", "sync-disabled", lambda s, c: s.switch_off(c)),
)
MENDED = ("company-renamed", "sync-disabled")


def meddle(teller: Teller, stage: Stage, checks: Checks) -> None:
    """Six merchants drift in six ways; the report names each, with cause and remedy."""
    victims = stage.victims(len(MEDDLINGS))
    for meddling, company in zip(MEDDLINGS, victims, strict=True):
        teller.says(f"{company.name}: somebody {meddling.words}")
        meddling.do(stage, company)
    code, _ = teller.runs("drift")
    checks.that(code == 2, "drift exits 2")
    _, text = teller.runs("drift", "-o", "json", quiet=True)
    found = json.loads(text)["findings"]
    for meddling, company in zip(MEDDLINGS, victims, strict=True):
        named = [each for each in found if each["merchant"] == company.name and each["code"] == meddling.code]
        told = bool(named and named[0]["cause"] and named[0]["remedy"])
        checks.that(told, f"drift says {meddling.code} of {company.name}, with cause and remedy")


def mend(teller: Teller, stage: Stage, checks: Checks) -> None:
    """Apply mends what is ours to mend and leaves what is not."""
    before = stage.writes()
    teller.says("Put right what may be put right")
    code, _ = teller.runs("apply", "--yes")
    checks.that(code == 3, "apply exits 3: two merchants' mappings need a person")
    checks.that(stage.writes() - before == len(MENDED), f"{len(MENDED)} merchants were mended with one write each")
    checks.that(stage.notes_kept(), "the field that nobody declared is as the merchant left it")
    left = {each["code"] for each in _drift(teller)["findings"]}
    checks.that(not left & set(MENDED), "what was mended is reported no more")


def tidy(teller: Teller, stage: Stage, checks: Checks) -> None:
    """The people do their part: consent again, and restore the accounts."""
    teller.says("The merchants consent again and mend their books")
    stage.people_do_their_part()
    teller.runs("apply", "--yes")
    checks.that(teller.runs("plan", "--detailed-exitcode")[0] == 0, "in the end everything is in sync")


def conclude(stage: Stage, checks: Checks) -> None:
    click.secho("\n── What was checked", bold=True)
    for name, number in sorted(stage.counts().items()):
        click.echo(f"  {number:4d}  {name}")
    twins = stage.twins()
    checks.that(twins == 0, f"twins: {twins}")
    for held, claim in checks.told:
        click.secho(f"  {'ok  ' if held else 'FAIL'}  {claim}", fg="green" if held else "red")


def _drift(teller: Teller) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(teller.runs("drift", "-o", "json", quiet=True)[1])
    return report
