"""The table of commands. A command's module is imported only when it is called: `--help` stays quick."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from controller.quick_dataclasses import dataclass
from controller.setting_secrets import exposure_text
from controller.settings import PRODUCTION_URL, InvalidSettings, Settings, environment_names, load_settings
from controller.untrusted_text import escape_control

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command.

    module          in `controller.cli`, exports the command as `command`
    summary         its line in the help
    needs_settings  the settings are loaded before it runs
    talks_to_api    it prints a base URL that is not production (`run` writes that to its log)
    """

    module: str
    summary: str
    needs_settings: bool = True
    talks_to_api: bool = False


COMMANDS = {
    "init": CommandEntry("init", "Write a starter repository.", needs_settings=False),
    "validate": CommandEntry("validate", "Check the manifests; with --online in the merchants' books, too."),
    "plan": CommandEntry("plan", "Show what would change. Writes nothing.", talks_to_api=True),
    "apply": CommandEntry("apply", "Show the plan, ask, and carry it out.", talks_to_api=True),
    "drift": CommandEntry("drift", "Report what moved since. Writes nothing.", talks_to_api=True),
    "report": CommandEntry("report", "Report what came, what is open and what went, from the state."),
    "status": CommandEntry("status", "Show how far each merchant has come.", talks_to_api=True),
    "run": CommandEntry("run", "Stay, and keep every merchant as declared."),
    "rollout": CommandEntry("rollout", "Bring a change to many merchants in waves.", talks_to_api=True),
    "refresh": CommandEntry("refresh", "Ask Codat to read the merchants' books again.", talks_to_api=True),
    "link": CommandEntry("link", "Print the link that a merchant needs.", talks_to_api=True),
    "sync": CommandEntry("sync", "Put one merchant's sales into the books now, for testing.", talks_to_api=True),
    "push": CommandEntry("push", "Send one merchant's commerce data from a file.", talks_to_api=True),
    "options": CommandEntry("offered_options", "Show what a merchant's books offer for each field.", talks_to_api=True),
    "impact": CommandEntry("impact", "Say who depends on something, and what would happen."),
    "history": CommandEntry("history", "Show what happened to a merchant."),
    "explain": CommandEntry("explain", "Show which file and line a value comes from."),
    "import": CommandEntry("import_", "Write manifests that say what is live.", talks_to_api=True),
    "codify": CommandEntry("codify", "Write what is live into the manifests.", talks_to_api=True),
    "fmt": CommandEntry("fmt", "Lay out the manifests in one way."),
    "revision": CommandEntry("revision", "Show which manifests are in force; release or reject others."),
    "state": CommandEntry("state", "List, show, correct, export and unlock what is remembered."),
    "doctor": CommandEntry("doctor", "Look whether everything is in place.", needs_settings=False),
    "schema": CommandEntry("schema", "Print the JSON Schema of the manifests.", needs_settings=False),
    "emulator": CommandEntry("emulator", "Serve a local copy of the API.", needs_settings=False),
    "demo": CommandEntry("demo", "Tell the whole story against a local copy of the API.", needs_settings=False),
    "completion": CommandEntry(
        "completion", "Print a script that completes commands in your shell.", needs_settings=False
    ),
    "version": CommandEntry("version", "Print the version.", needs_settings=False),
}


WITHOUT_MANIFESTS = ("import", "history", "report", "state", "revision", "run")
"""Commands with settings that read no manifests, or, as `run`, see to them by themselves."""

WRITES_MANIFESTS = ("codify", "fmt")


class EnvironmentParameter(click.ParamType[str]):
    """An environment of merchantctl.toml."""

    name = "environment"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        try:
            names = environment_names(Path.cwd())
        except InvalidSettings:
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


ENVIRONMENT_KEY = "merchantctl.environment"
"""Where in a click context's `meta` the environment of the command line stands; `obj` holds its settings."""


class CommandTable(click.Group):
    """The click group of all commands; loads the settings just before a command that needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"controller.cli.{COMMANDS[name].module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        ctx.meta[ENVIRONMENT_KEY] = ctx.obj
        name, rest = args[0], args[1:]
        if name not in COMMANDS:
            from difflib import get_close_matches

            matches = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {matches[0]!r}?" if matches else " See merchantctl --help."
            ctx.fail(f"No such command {name!r}.{hint}")
        if COMMANDS[name].needs_settings and not ctx.resilient_parsing and not {"-h", "--help"} & set(rest):
            ctx.obj = load_settings(os.environ, Path.cwd(), ctx.params)
            if ctx.obj.git and name in WRITES_MANIFESTS:
                ctx.fail(f"the manifests are in Git, and nothing is written there from here: run {name} in your clone")
            if ctx.obj.git and name not in WITHOUT_MANIFESTS:
                from controller.cli.terminal import print_notice
                from controller.operations.git_manifests import check_out_newest_commit

                ctx.obj = check_out_newest_commit(ctx.obj, print_notice)
            talks_to_api = COMMANDS[name].talks_to_api or bool({"--online", "--live"} & set(rest))
            _print_environment_and_url(ctx.obj, talks_to_api)
            if talks_to_api:
                _warn_of_exposed_files(ctx.obj.exposed)
        return name, self.get_command(ctx, name), rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in COMMANDS.items()])


def _warn_of_exposed_files(files: Iterable[Path]) -> None:
    """Warn of files with secrets that others can read, as ssh and kubectl do."""
    for file in files:
        warning = escape_control(f"{exposure_text(file)}: chmod 600 {quote(str(file))}")
        click.echo(f"merchantctl: warning: {warning}", err=True)


def _print_environment_and_url(settings: Settings, talks_to_api: bool) -> None:
    """Print the environment, and a base URL other than production: who uses several sees which one answers. An answer
    from the state or the manifests alone is of one environment, too."""
    words = [f"environment {settings.environment_name}"] if settings.environment_name else []
    if talks_to_api and (words or settings.base_url != PRODUCTION_URL):
        words.append(f"the API at {settings.base_url}")
    if words:
        click.echo(f"merchantctl: {escape_control(', '.join(words))}", err=True)
