"""Starts the command line. While everything is imported nobody looks for garbage, of which there is none: a quarter of
the time that a command takes to start."""

from __future__ import annotations

import gc


def main() -> None:
    """The entry point."""
    gc.disable()
    from continuum import cli

    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
