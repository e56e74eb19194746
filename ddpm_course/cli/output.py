"""What the commands say, and where."""

from __future__ import annotations

import os
import sys

__all__ = ["tell"]


def tell(line: str) -> None:
    """A line for people, on stderr; of several processes, the first one speaks."""
    if int(os.environ.get("RANK", 0)) == 0:
        print(line, file=sys.stderr)
