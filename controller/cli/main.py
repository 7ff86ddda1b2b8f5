"""The front door: which command, under which settings, and which exit code when it goes wrong.

what happened                                    exit code
a usage error (click's, or a setting)            64
an error that we know by name                    its own: 64, 65, 6, 1
Ctrl-C · SIGTERM                                 130 · 143
the reader of a pipe went away                   1, quietly
anything else: a fault of ours                   1, one line; where, with MERCHANTCTL_DEBUG=1
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from controller.cli.commands import CommandTable
from controller.model.errors import InvalidManifests, MerchantctlError
from controller.settings import PRODUCTION, BadSettings, load_settings

_EPILOG = f"""
\b
Settings: flag > environment > merchantctl.toml
  CODAT_API_KEY or CODAT_API_KEY_FILE    the API key, never a flag
  CODAT_BASE_URL                         default {PRODUCTION}
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
@click.option("--base-url", metavar="URL", help="Where the API is.")
@click.option("--state", metavar="URL", help="Where to remember: sqlite:///relative.db, sqlite:////absolute.db.")
@click.option("--manifests", metavar="DIR", help="The root folder of the manifests.")
@click.option("--requests-per-minute", metavar="N", help="Pace below this many requests a minute; 0 = unpaced.")
@click.option("--no-color", is_flag=True, help="No colour, as with NO_COLOR set.")
@click.option("-v", "--verbose", count=True, help="Say more on stderr; twice for every request.")
@click.pass_context
def group(ctx: click.Context, /, no_color: bool, verbose: int, **flags: str | None) -> None:
    """Says what each Sync for Commerce merchant should be, and makes it so."""
    if no_color:
        ctx.color = False
    if verbose:
        _log_to_stderr(verbose)


def run(arguments: list[str]) -> int:
    """Run one command line; its exit code. Nothing but that and what was printed comes out."""
    _reopen_what_was_closed()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = group.main(arguments, prog_name="merchantctl", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return MerchantctlError.exit_code if type(error) is click.ClickException else 64
    except BadSettings as error:
        return _say(str(error), 64)
    except InvalidManifests as error:
        for complaint in error.complaints:
            click.echo(str(complaint), err=True)
        return _say(str(error), error.exit_code)
    except MerchantctlError as error:
        return _say(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("Stopped.", 130)
    except BrokenPipeError:
        return _leave_the_pipe()
    except Exception as error:
        return _own_fault(error)


def _reopen_what_was_closed() -> None:
    """A stream that the caller closed (`<&-`) reads empty and writes nowhere, and no file of ours gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _say(message: str, code: int) -> int:
    click.echo(f"merchantctl: {_scrub(message)}", err=True)
    return code


def _leave_the_pipe() -> int:
    """Python flushes stdout at exit and would complain once more: give it somewhere to flush to."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _own_fault(error: Exception) -> int:
    if os.environ.get("MERCHANTCTL_DEBUG") == "1":
        import traceback

        click.echo(_scrub("".join(traceback.format_exception(error))), err=True)
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return _say(f"a fault of merchantctl itself: {what}. Please report it; MERCHANTCTL_DEBUG=1 shows where.", 1)


def _scrub(text: str) -> str:
    """The text without the API key, plain or as the Authorization header spells it."""
    from base64 import b64encode

    try:
        key = load_settings(os.environ, Path.cwd(), {}).api_key
    except (BadSettings, OSError):
        key = os.environ.get("CODAT_API_KEY", "").strip()
    for secret in (key, key and b64encode(key.encode()).decode()):
        if secret:
            text = text.replace(secret, "[API key]")
    return text


def _log_to_stderr(verbose: int) -> None:
    import logging

    level = logging.DEBUG if verbose > 1 else logging.INFO
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    for name in ("controller", "state"):
        logging.getLogger(name).setLevel(level)
