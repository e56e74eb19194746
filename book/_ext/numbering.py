"""A page without a number counts its own figures from 1.

Sphinx counts on from one such page to the next.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment


def count_anew(app: Sphinx, env: BuildEnvironment) -> list[str]:
    for kinds in env.toc_fignumbers.values():
        for numbers in kinds.values():
            alone = [place for place, number in numbers.items() if len(number) == 1]
            numbers.update({place: (n,) for n, place in enumerate(alone, start=1)})
    return []  # no further page to write


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-get-updated", count_anew, priority=900)  # after Sphinx has counted
    return {"parallel_read_safe": True, "parallel_write_safe": True}
