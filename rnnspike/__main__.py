"""The command ``rnnspike``, also as ``python -m rnnspike``."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the imports without a traceback
    from rnnspike.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
