"""Which commands there are. A command's module is imported when it is called, not before: `--help` stays quick."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click

from controller.settings import load_settings


@dataclass(frozen=True, slots=True)
class Row:
    """A command: the module that exports it as `command`, its line in the help, and whether it has settings."""

    module: str
    line: str
    settings: bool = True


COMMANDS = {
    "init": Row("init", "Write a starter repository.", settings=False),
    "validate": Row("validate", "Check the manifests; with --online in the merchants' books, too."),
    "plan": Row("plan", "Show what would change. Writes nothing."),
    "apply": Row("apply", "Show the plan, ask, and carry it out."),
    "drift": Row("drift", "Report what moved since. Writes nothing."),
    "status": Row("status", "Show how far each merchant has come."),
    "run": Row("run", "Stay, and keep every merchant as declared."),
    "rollout": Row("rollout", "Bring a change to many merchants in waves."),
    "refresh": Row("refresh", "Ask the service to read the merchants' books again."),
    "link": Row("link", "Print the link that a merchant needs."),
    "sync": Row("sync", "Put one merchant's sales into the books now, for testing."),
    "push": Row("push", "Send one merchant's commerce data from a file."),
    "history": Row("history", "Show what happened to a merchant."),
    "explain": Row("explain", "Show which file and line a value comes from."),
    "import": Row("import_", "Write manifests that say what is live."),
    "state": Row("state", "List, show, correct, export and unlock what is remembered."),
    "doctor": Row("doctor", "Look whether everything is in place.", settings=False),
    "schema": Row("schema", "Print the JSON Schema of the manifests.", settings=False),
    "emulator": Row("emulator", "Serve a local copy of the API.", settings=False),
    "demo": Row("demo", "Tell the whole story against a local copy of the API.", settings=False),
    "completion": Row("completion", "Print a script that completes commands in your shell.", settings=False),
    "version": Row("version", "Print the version.", settings=False),
}


class CommandTable(click.Group):
    """The commands of the table, each with its settings read just before it runs."""

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
        name, rest = args[0], args[1:]
        if name not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else " See merchantctl --help."
            ctx.fail(f"No such command {name!r}.{hint}")
        if COMMANDS[name].settings and not ctx.resilient_parsing and not {"-h", "--help"} & set(rest):
            ctx.obj = load_settings(os.environ, Path.cwd(), ctx.params)
        return name, self.get_command(ctx, name), rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.line) for name, row in COMMANDS.items()])
