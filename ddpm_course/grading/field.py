"""A drawing of a small field of papers, for the pictures of the notebook on trends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_field"]


def draw_field(
    references: Mapping[str, Sequence[str]],
    told: Mapping[str, Any] | None = None,
    marked: Collection[str] = (),
    sizes: Mapping[str, float] | None = None,
) -> Figure:
    """Draw papers as circles, and an arrow from each paper to every paper that it cites.

    A paper stands to the right of all that it cites.

    Args:
        references: paper -> the papers that it cites; nobody cites the future.
        told: what to write under a paper's name; nothing where a paper is missing.
        marked: papers in another color.
        sizes: paper -> the radius of its circle; 1 for those that are missing.
    """
    import matplotlib.pyplot as plt
    import networkx as nx

    from ddpm_course.plots import COLORS

    told, sizes = told or {}, sizes or {}
    cites = nx.DiGraph([(paper, cited) for paper, many in references.items() for cited in many])
    cites.add_nodes_from(references)
    places = {}
    for age, papers in enumerate(nx.topological_generations(cites.reverse())):
        for index, paper in enumerate(sorted(papers)):
            height = (len(papers) - 1) / 2 - index
            # Every second column is lifted, or a long arrow would hide behind papers on its way.
            places[paper] = (age, height + 0.4 * (age % 2))
    figure, axes = plt.subplots(figsize=(5, 2.4))
    areas = [650 * sizes.get(paper, 1.0) ** 2 for paper in cites]
    nx.draw_networkx(
        cites,
        places,
        ax=axes,
        labels={p: f"{p}\n{told[p]}" if p in told else p for p in cites},
        node_size=areas,
        node_color=["#F7B267" if paper in marked else "#BFD7EA" for paper in cites],
        edgecolors=COLORS[-1],
        edge_color="#777777",
        font_size=9,
    )
    axes.margins(0.12, 0.24)
    axes.set_axis_off()
    return figure
