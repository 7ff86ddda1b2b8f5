"""The command line's entry point: global options, and the exit code for each kind of error.

what happened                                    exit code
a usage error (click's, or a setting)            64
a MerchantctlError                               its own: 64, 65, 6, 1
Ctrl-C · SIGTERM                                 130 · 143
the reader of a pipe went away                   1, quietly
a full disk, no file descriptor, no folder       1, with what to do about it
anything else: a bug in merchantctl              1, one line; a traceback with MERCHANTCTL_DEBUG=1
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from controller.cli.commands import CommandTable, EnvironmentParameter
from controller.model.errors import InvalidManifests, MerchantctlError
from controller.settings import PRODUCTION_URL, InvalidSettings, known_api_keys
from controller.untrusted_text import escape_control, mask_passwords

if TYPE_CHECKING:
    from controller.environment import Environment
    from controller.model.desired import Diagnostic

_EPILOG = f"""
\b
Settings: flag > environment > merchantctl.toml
  CODAT_API_KEY or CODAT_API_KEY_FILE    the API key, never a flag
  CODAT_BASE_URL                         default {PRODUCTION_URL}
  MERCHANTCTL_ENV                        an environment that merchantctl.toml names
  MERCHANTCTL_STATE                      default sqlite:///var/merchantctl.db
  MERCHANTCTL_MANIFESTS                  default manifests
  MERCHANTCTL_REQUESTS_PER_MINUTE        default 950
\b
Examples:
  merchantctl validate                   is every manifest right?
  merchantctl plan                       what would change?
  merchantctl apply                      do it, after asking
  merchantctl drift -o json              has anything moved since?
\b
Exit codes: 0 fine, 1 error, 2 changes or drift, 3 some merchants failed or are blocked,
4 refused by a safety limit, 5 live state could not be read, 6 locked by another run,
64 wrong usage, 65 invalid manifests, 130/143 stopped by a signal.
"""


@click.group(cls=CommandTable, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="merchantctl", message="merchantctl %(version)s")
@click.option(
    "--env", metavar="NAME", type=EnvironmentParameter(), help="The environment of merchantctl.toml that is meant."
)
@click.option("--base-url", metavar="URL", help="Where the API is.")
@click.option("--allow-http", is_flag=True, default=None, help="Plain http beyond loopback, though it shows the key.")
@click.option("--state", metavar="URL", help="Where to remember: sqlite:///relative.db, sqlite:////absolute.db.")
@click.option(
    "--manifests",
    metavar="DIR",
    help="The root folder of the manifests, or git+https://HOST/REPOSITORY@BRANCH//FOLDER (ssh and file, too).",
)
@click.option("--requests-per-minute", metavar="N", help="Pace below this many requests a minute; 0 = unpaced.")
@click.option("--no-color", is_flag=True, help="No colour, as with NO_COLOR set.")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for every request.")
@click.pass_context
def group(ctx: click.Context, /, no_color: bool, verbose: int, **flags: object) -> None:
    """Says what each Sync for Commerce merchant should be, and makes it so."""
    if no_color:
        ctx.color = False
    if verbose:
        _configure_logging(verbose)


def run(arguments: list[str], environment: Environment | None = None) -> int:
    """Run one command line, in this machine's environment unless another is given; returns its exit code.

    Never raises.
    """
    _reopen_closed_streams()
    try:
        code = group.main(arguments, prog_name="merchantctl", standalone_mode=False, obj=environment)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return _print_click_error(error)
    except InvalidSettings as error:
        _print_json_error_if_requested(arguments, str(error), 64)
        return _print_error(str(error), 64)
    except InvalidManifests as error:
        _print_json_error_if_requested(arguments, str(error), error.exit_code, error.diagnostics)
        for diagnostic in error.diagnostics:
            click.echo(str(diagnostic), err=True)
        return _print_error(str(error), error.exit_code)
    except MerchantctlError as error:
        _print_json_error_if_requested(arguments, str(error), error.exit_code)
        return _print_error(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _print_error("Stopped.", 130)
    except BrokenPipeError:
        # Python flushes stdout at exit and would report the broken pipe once more: give it somewhere to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _print_os_error(error)
    except Exception as error:
        return _print_internal_error(error)


def _reopen_closed_streams() -> None:
    """Open /dev/null for each standard stream that the caller closed, as with `<&-`."""
    # Else the next file opened would get its number, and text for stdout could land in the state.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _print_error(message: str, exit_code: int) -> int:
    click.echo(f"merchantctl: {escape_control(_redact_secrets(message))}", err=True)
    return exit_code


def _print_click_error(error: click.ClickException) -> int:
    """Print what click says as it does itself, but for what was typed, which it repeats; returns the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # it says the help
        error.show()
        return 64
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hint = f"Try '{error.ctx.command_path} {error.ctx.help_option_names[-1]}' for help."
        click.echo(f"{error.ctx.get_usage()}\n{hint}\n", err=True)
    message = error.format_message()
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        program, _, command = error.ctx.command_path.partition(" ")
        if any(error.option_name in each.opts for each in error.ctx.find_root().command.params):
            message += f" It goes before the command: {program} {error.option_name} ... {command}"
    click.echo(f"Error: {escape_control(_redact_secrets(message))}", err=True)
    return MerchantctlError.exit_code if type(error) is click.ClickException else 64


def _print_json_error_if_requested(
    arguments: list[str], message: str, exit_code: int, diagnostics: Sequence[Diagnostic] = ()
) -> None:
    """Print the error as a JSON document on stdout, where the command line asks for JSON."""
    from controller.cli.json_envelope import render_document
    from controller.reporting.as_json import error_json

    command_line = " ".join(arguments)
    if re.search(r"(^| )(-o ?|--output[ =])json( |$)", command_line):
        with suppress(BrokenPipeError):
            click.echo(render_document(error_json(_redact_secrets(message), exit_code, diagnostics), base_url=None))


_REMEDIES = {
    errno.ENOSPC: "Make room, then run it again",
    errno.EDQUOT: "Make room, then run it again",
    errno.EMFILE: "Allow more open files, as with `ulimit -n 1024`, then run it again",
    errno.ENFILE: "End other programs, then run it again: this machine has no open file left",
    errno.EROFS: "Name a place that can be written to",
    errno.EIO: "Look at the disk",
}


def _print_os_error(error: OSError) -> int:
    """Report what the machine lacks, with a remedy; any other OSError is a bug in merchantctl."""
    if error.errno in _REMEDIES:
        problem, remedy = os.strerror(error.errno or 0), _REMEDIES[error.errno or 0]
    elif not _has_current_folder():
        problem, remedy = "the current folder is gone", "Change to one that is there"
    else:
        return _print_internal_error(error)
    # On a full disk stdout may still hold text that it could not write: Python would fail again when it exits.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    prefix = f"{error.filename}: " if error.filename else ""
    with suppress(OSError):
        return _print_error(f"{prefix}{problem}. {remedy}.", 1)
    return 1


def _has_current_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def _print_internal_error(error: Exception) -> int:
    if os.environ.get("MERCHANTCTL_DEBUG") == "1":
        import traceback

        click.echo(_redact_secrets("".join(traceback.format_exception(error))), err=True)
    summary = f"{type(error).__name__}: {error}".splitlines()[0]
    return _print_error(
        f"a fault of merchantctl itself: {summary}. Please report it; MERCHANTCTL_DEBUG=1 shows where.", 1
    )


def _redact_secrets(text: str) -> str:
    """The text without the API key, in plain text or as the Authorization header encodes it, and without passwords."""
    from base64 import b64encode

    keys: tuple[str, ...] = ()
    with suppress(OSError):
        keys = known_api_keys(os.environ, Path.cwd())
    for secret in (form for key in keys for form in (key, b64encode(key.encode()).decode())):
        text = text.replace(secret, "[API key]")
    return mask_passwords(text)


def _configure_logging(verbose: int) -> None:
    import logging

    class OneLine(logging.Formatter):
        """One line a record: paths and errors hold names from outside, with any characters."""

        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
            return escape_control(super().formatMessage(record))

    level = logging.DEBUG if verbose > 1 else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    for name in ("controller", "state"):
        logging.getLogger(name).setLevel(level)
