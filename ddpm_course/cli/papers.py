"""papers: a library, ranked and ordered for reading."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "papers",
        help="rank a library of papers by its citations, and order your reading",
        description="Find the core and the clusters of a library of papers, and what to read "
        "before a paper and next.",
        epilog="example:\n  ddpm-course papers mine.csv --citations cites.csv --before ho2020ddpm",
    )
    parser.add_argument(
        "library", type=Path, nargs="?", help="CSV or BibTeX (default: the book's own papers)"
    )
    parser.add_argument("--citations", type=Path, help="CSV with the columns citing and cited")
    parser.add_argument("--before", metavar="ID", help="the paper that you want to understand")
    parser.add_argument("--already", metavar="ID", nargs="+", default=[], help="what you have read")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from ddpm_course.trends import papers

    if options.library is None:
        library = papers.landmarks()
    else:
        try:
            library = papers.read(options.library, options.citations)
        except csv.Error as error:
            raise ValueError(
                f"{options.library} cannot be read as CSV ({error}); look for a quote that is not "
                "closed."
            ) from error
    print(papers.summary(library, options.before, options.already))
