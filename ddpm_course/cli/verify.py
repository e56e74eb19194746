"""verify: prove the book's equations."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "verify",
        help="prove every equation of the book, and compare it with the code",
        description="Prove every equation of the book step by step, and compare each with the "
        "function that computes it. Exits 1 when a claim fails.",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ddpm_course import ledger

    return ledger.main()
