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
    parser.add_argument(
        "--kernel",
        action="store_true",
        help="have the kernel of Coq check the steps of algebra instead (Coq must be installed)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.kernel:
        return _kernel()
    from ddpm_course import ledger

    return ledger.main()


def _kernel() -> int:
    """Coq checks every step that can be said in it; what it checked is written down."""
    import sys

    from ddpm_course.symbolic import CLAIMS, kernel
    from ddpm_course.symbolic.kernel import coq

    coq.found()
    report = kernel.exported(CLAIMS.values())
    try:
        kernel.check(report)
    except kernel.KernelError as error:
        print(error, file=sys.stderr)
        return 1
    record = kernel.record(report)
    if not kernel.RECORD.exists() or kernel.RECORD.read_text(encoding="utf8") != record:
        kernel.write(record)
        print(f"what was checked is new: {kernel.RECORD} says so now.")
    print(kernel.summary(report, CLAIMS.values()))
    return 0
