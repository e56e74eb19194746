"""verify: prove the book's equations."""

from __future__ import annotations

import argparse
import json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "verify",
        help="prove every equation of the book, and compare it with the code",
        description="Prove every equation of the book step by step, and compare each with the "
        "function that computes it. Exits 1 when a claim fails.",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--json", action="store_true", help="print what was found of each claim as JSON"
    )
    how.add_argument(
        "--kernel",
        action="store_true",
        help="have the kernel of Coq check the steps of algebra instead (Coq must be installed)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.kernel:
        return _kernel()
    from ddpm_course import ledger

    return _as_json() if options.json else ledger.main()


def _as_json() -> int:
    from ddpm_course import ledger

    claims = [
        {
            "name": entry.name,
            "holds": not entry.wrong,
            "wrong": entry.wrong or None,
            "kinds": list(entry.kinds),
            "functions": list(entry.functions),
            "relative_error": entry.error,
        }
        for entry in ledger.entries()
    ]
    print(json.dumps({"claims": claims}, indent=2))
    return 0 if all(claim["holds"] for claim in claims) else 1


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
