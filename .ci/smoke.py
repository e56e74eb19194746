"""What a newcomer does first, on any system, with the course installed: python .ci/smoke.py [PAGE].

Trains ten steps, samples, draws, proves, copies the exercises out, and with PAGE builds that page
of the book. Writes into a temporary folder alone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def course(*arguments: str, folder: str) -> None:
    print("ddpm-course", *arguments, flush=True)
    subprocess.run([sys.executable, "-m", "ddpm_course.cli", *arguments], cwd=folder, check=True)


def build(page: str, folder: str) -> None:
    """One page of the book; a cell that raises leaves a report."""
    print("the page", page, flush=True)
    toc = Path(folder) / "toc.yml"
    toc.write_text(f"format: jb-book\nroot: index\nchapters:\n  - file: {page}\n")
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", "book"]
    command += ["--config", "_config.yml", "--toc", str(toc), "--path-output", folder]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    html = Path(folder) / "_build" / "html"
    if failed := sorted((html / "reports").glob("*.err.log")):
        sys.exit(failed[0].read_text(encoding="utf8"))
    if not (html / f"{page}.html").is_file():
        sys.exit(f"the page {page} was not built")


def main() -> None:
    # On Windows a file that some process still holds cannot be removed: that is no fault of ours.
    with tempfile.TemporaryDirectory(prefix="a folder, ü ", ignore_cleanup_errors=True) as folder:
        course("--version", folder=folder)
        course("train", "--steps", "10", "--device", "cpu", "--out", "run", folder=folder)
        course("train", "--resume", "run", "--steps", "12", "--device", "cpu", folder=folder)
        course("sample", "run", "--num", "4", "--sampler", "ddim", "--steps", "4", folder=folder)
        course("draw", "a handwritten three", "--num", "1", folder=folder)
        course("exercises", "mine", folder=folder)
        course("verify", folder=folder)
        for page in sys.argv[1:]:
            build(page, folder)


if __name__ == "__main__":
    main()
