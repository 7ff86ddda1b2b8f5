"""`merchantctl`, also as `python -m controller`."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from controller import signals

        signals.exit_on_signal()
    except KeyboardInterrupt:  # in the moment before
        sys.exit(130)

    from controller.cli.main import run

    try:
        signals.unwind_on_signal()
        code = run(sys.argv[1:])
        signals.exit_on_signal()
    except KeyboardInterrupt:  # in the moment after
        code = 130
    except SystemExit as stopped:
        signals.exit_on_signal()
        code = signals.exit_code_of(stopped)
        if code - 128 in signals.STOP_SIGNALS:
            signals.say_stopped()
    signals.exit_without_cleanup(code)


if __name__ == "__main__":
    main()
