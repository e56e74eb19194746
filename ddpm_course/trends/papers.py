"""Which papers to read, and in which order: a graph of citations and four questions to it.

>>> from ddpm_course.trends import papers
>>> library = papers.landmarks()
>>> [p.label for p in papers.reading_order(library, "ho2020ddpm", at_most=3)]
['Krizhevsky et al. 2012', 'Kingma & Welling 2013', 'Goodfellow et al. 2014']

An arrow of the graph goes from the paper that cites to the paper it cites, so it always points back
in time. ``landmarks()`` is the set that ships with the book; ``read(path)`` takes your own.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import networkx as nx

__all__ = [
    "Citation",
    "Library",
    "Paper",
    "backbone",
    "communities",
    "landmarks",
    "pagerank",
    "read",
    "read_next",
    "reading_order",
    "summary",
]

REQUIRED = ("id", "title", "authors", "year")


@dataclass(frozen=True)
class Paper:
    """One paper. ``year`` is when it first became public, ``venue`` where it then appeared.

    ``read_from`` says where its reference list was read; empty if nobody read it for this set, and
    then the paper has no outgoing arrows.
    """

    id: str
    title: str
    authors: tuple[str, ...]
    year: int
    venue: str = ""
    arxiv: str = ""
    read_from: str = ""

    @property
    def label(self) -> str:
        """Authors and year as one would say them: "Ho et al. 2020"."""
        names = [_surname(author) for author in self.authors if author not in ("et al.", "others")]
        if len(names) == len(self.authors) <= 2:
            return f"{' & '.join(names)} {self.year}"
        return f"{names[0]} et al. {self.year}"


class Citation(NamedTuple):
    """``citing`` has ``cited`` in its references; ``evidence`` is where that was read."""

    citing: str
    cited: str
    evidence: str = ""


class Library:
    """Papers and the citations among them, checked.

    Args:
        papers: in any order; their ids must differ.
        citations: between ids of ``papers``. Saying one twice does no harm.

    Raises:
        ValueError: a repeated id, a citation of (or by) a paper that is not there, a paper that
            cites itself or a later one, or papers of one year that cite each other in a circle.

    Attributes:
        papers: id -> ``Paper``.
        graph: a networkx ``DiGraph``; the edge u -> v says that u cites v, and carries
            ``evidence``.
    """

    papers: Mapping[str, Paper]
    graph: nx.DiGraph

    def __init__(self, papers: Iterable[Paper], citations: Iterable[Citation] = ()) -> None:
        found: dict[str, Paper] = {}
        for paper in papers:
            if paper.id in found:
                raise ValueError(
                    f"Two papers have the id {paper.id!r} ({found[paper.id].title!r} and "
                    f"{paper.title!r}); give each its own."
                )
            found[paper.id] = paper
        if not found:
            raise ValueError("There is no paper in it; at least one is needed.")
        self.papers = found
        self.graph = nx.DiGraph()
        self.graph.add_nodes_from(found)
        for citing, cited, evidence in citations:
            self._check(citing, cited)
            self.graph.add_edge(citing, cited, evidence=evidence)
        if not nx.is_directed_acyclic_graph(self.graph):
            circle = [edge[0] for edge in nx.find_cycle(self.graph)]
            raise ValueError(
                f"Time runs in a circle: {' cites '.join([*circle, circle[0]])}; each paper can "
                "cite only what was there before it, so remove one of these citations."
            )

    def _check(self, citing: str, cited: str) -> None:
        for end in (citing, cited):
            if end not in self.papers:
                raise ValueError(
                    f"{citing!r} cites {cited!r}, but no paper has the id {end!r}"
                    f"{self._like(end)}; add that paper or remove the citation."
                )
        if citing == cited:
            raise ValueError(f"{citing!r} cites itself; remove that citation.")
        then, before = self.papers[citing].year, self.papers[cited].year
        if then < before:
            raise ValueError(
                f"{citing!r} ({then}) cites {cited!r} ({before}), which is later; check the two "
                "years, or remove the citation if only a later revision has it."
            )

    def __len__(self) -> int:
        return len(self.papers)

    def __getitem__(self, paper_id: str) -> Paper:
        """The paper of this id; a ``ValueError`` names ids that look like it if there is none."""
        if paper_id not in self.papers:
            raise ValueError(f"No paper has the id {paper_id!r}{self._like(paper_id)}.")
        return self.papers[paper_id]

    def _like(self, paper_id: str) -> str:
        near = difflib.get_close_matches(paper_id, self.papers, n=3)
        return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def landmarks() -> Library:
    """The landmark papers of the book's chapter on trends: 101 papers, 1949 to 2025.

    Each citation carries the entry of the reference list, or the sentence, that it was read from.
    A reference list that nobody read for this set has no arrows, and its paper says so by an empty
    ``read_from``.
    """
    here = resources.files("ddpm_course.trends")
    with (
        resources.as_file(here / "papers.csv") as papers,
        resources.as_file(here / "citations.csv") as citations,
    ):
        return read(papers, citations)


def read(path: str | Path, citations: str | Path | None = None) -> Library:
    """Your own papers, from a ``.csv`` or a ``.bib`` file.

    A CSV needs the columns id, title, authors (separated by semicolons) and year. It may have
    venue, arxiv, read_from and cites: the ids that the paper cites, separated by semicolons. In
    BibTeX the key is the id, and a field ``cites = {key1, key2}`` holds what it cites.

    Args:
        path: the papers.
        citations: a CSV with the columns citing, cited and (if you like) evidence, in addition to
            what ``path`` says.

    Raises:
        ValueError: the file is missing, empty, not UTF-8 text or not of that form; a field is
            missing (with the row or the key); a year is no year; or the ``Library`` cannot be.
    """
    path = Path(path)
    if path.suffix.lower() == ".bib":
        papers, cites = _from_bibtex(path)
    elif path.suffix.lower() == ".csv":
        papers, cites = _from_csv(path)
    else:
        raise ValueError(
            f"{path} is neither a .csv nor a .bib file; save your papers as one of them."
        )
    if citations is not None:
        rows = _rows(Path(citations), required=("citing", "cited"))
        cites += [Citation(r["citing"], r["cited"], r.get("evidence", "")) for _, r in rows]
    try:
        return Library(papers, cites)
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None


def pagerank(
    library: Library,
    start: Iterable[str] | None = None,
    damping: float = 0.85,
) -> dict[str, float]:
    """How often a reader who follows citations at random comes by each paper (Page et al. 1999).

    The reader opens a paper and goes on to one of its references with probability ``damping``, each
    equally likely. Else, and whenever a paper has no reference in the library, the reader jumps to
    one of ``start``, each equally likely (to any paper, if ``start`` is None).

    Returns:
        id -> share of the reader's time, largest first. The shares sum to 1.

    Raises:
        ValueError: ``damping`` outside [0, 1), an unknown id, or an empty ``start``.
    """
    return _pagerank(library, library.graph, start, damping)


def _pagerank(
    library: Library, graph: nx.Graph, start: Iterable[str] | None, damping: float
) -> dict[str, float]:
    if not 0 <= damping < 1:
        raise ValueError(f"damping is {damping}; it is a probability, at least 0 and below 1.")
    jump = None
    if start is not None:
        jump = {library[paper_id].id: 1.0 for paper_id in start}
        if not jump:
            raise ValueError("There is no paper to start from; name at least one.")
    share = nx.pagerank(graph, alpha=damping, personalization=jump, tol=1e-12, max_iter=10_000)
    return dict(sorted(share.items(), key=lambda item: -item[1]))


def communities(library: Library, resolution: float = 1.0, seed: int = 0) -> list[list[str]]:
    """Clusters of papers that cite each other more than chance would (Blondel et al. 2008).

    Louvain's method climbs to a high modularity (Newman 2006), not always to the highest. It is run
    20 times from ``seed`` on, and the best run is kept.

    Args:
        resolution: above 1 for more and smaller clusters, below 1 for fewer and larger ones.

    Returns:
        The largest cluster first; in each, the paper with the highest PageRank first.

    Raises:
        ValueError: ``resolution`` is not positive.
    """
    if not resolution > 0:
        raise ValueError(f"resolution is {resolution}; it has to be positive.")
    graph = library.graph.to_undirected()
    if graph.number_of_edges() == 0:  # modularity is not defined; everyone stands alone
        return [[paper_id] for paper_id in graph]
    runs = (
        nx.community.louvain_communities(graph, resolution=resolution, seed=seed + run)
        for run in range(20)
    )
    best = max(runs, key=lambda run: nx.community.modularity(graph, run, resolution=resolution))
    rank = pagerank(library)
    ordered = [sorted(cluster, key=lambda i: (-rank[i], i)) for cluster in best]
    return sorted(ordered, key=lambda cluster: (-len(cluster), cluster[0]))


def reading_order(library: Library, goal: str, at_most: int | None = None) -> list[Paper]:
    """What to read before ``goal``: everything it builds on, each paper after what it cites itself.

    The papers are the ancestors of ``goal``: its references, their references, and so on. Where the
    citations leave a choice, the earlier paper comes first.

    Args:
        at_most: keep only that many: those where a reader who starts at ``goal`` and follows
            citations comes by most often.

    Returns:
        The papers in order, without ``goal`` itself.
    """
    if at_most is not None and at_most < 1:
        raise ValueError(f"at_most is {at_most}; ask for at least one paper.")
    before = nx.descendants(library.graph, library[goal].id)  # arrows point back in time
    if at_most is not None:
        rank = pagerank(library, start=[goal])
        before = set(sorted(before, key=lambda i: (-rank[i], i))[:at_most])
        # A paper left out must not break the order of the papers around it.
        wanted = nx.transitive_closure_dag(library.graph).subgraph(before)
    else:
        wanted = library.graph.subgraph(before)
    order = nx.lexicographical_topological_sort(
        wanted.reverse(), key=lambda paper_id: _when(library.papers[paper_id])
    )
    return [library.papers[paper_id] for paper_id in order]


def read_next(library: Library, already: Iterable[str], count: int = 5) -> list[Paper]:
    """What to read next, given what one has read: the unread papers nearest to it.

    A reader starts at one of the papers in ``already`` and follows citations at random, back to
    what a paper cites as well as on to what cites it (PageRank with jumps to ``already`` only).
    The unread papers where this reader spends the most time come first.

    Returns:
        At most ``count`` papers; fewer if fewer can be reached.
    """
    if count < 1:
        raise ValueError(f"count is {count}; ask for at least one paper.")
    known = sorted({library[paper_id].id for paper_id in already})
    graph = library.graph.to_undirected()
    linked = set().union(*(nx.node_connected_component(graph, paper_id) for paper_id in known))
    time = _pagerank(library, graph, known, damping=0.85)
    unread = [paper_id for paper_id in time if paper_id in linked and paper_id not in known]
    return [library.papers[paper_id] for paper_id in unread[:count]]


def backbone(library: Library, origin: str, goal: str) -> list[Paper]:
    """The chain of citations from ``origin`` to ``goal`` that carries the most traffic.

    Count every chain of citations that leads from ``goal`` back to ``origin``. The traffic of one
    citation is the number of chains that use it (search path count, Hummon & Doreian 1989). From
    ``goal``, step to the reference with the most traffic (the earlier paper if two have as much)
    until ``origin`` is reached.

    Returns:
        The papers from ``origin`` to ``goal``, both included.

    Raises:
        ValueError: an unknown id, or no chain of citations leads from ``goal`` to ``origin``.
    """
    origin, goal = library[origin].id, library[goal].id
    graph = library.graph
    if origin == goal or not nx.has_path(graph, goal, origin):
        raise ValueError(f"No chain of citations leads from {goal!r} back to {origin!r}.")
    # For each paper, count the chains from it back to the origin. The traffic of u -> v is the
    # number of chains from the goal to u times that count of v; from one u, the first factor is
    # the same for every v.
    chains = {origin: 1}
    for paper_id in reversed(list(nx.topological_sort(graph))):
        if paper_id != origin:
            chains[paper_id] = sum(chains[cited] for cited in graph[paper_id])
    path = [goal]
    while path[-1] != origin:
        path.append(
            min(graph[path[-1]], key=lambda cited: (-chains[cited], _when(library.papers[cited])))
        )
    return [library.papers[paper_id] for paper_id in reversed(path)]


def summary(library: Library, goal: str | None = None, already: Iterable[str] = ()) -> str:
    """The chapter's procedure on one page: the core, the clusters, what to read before and next.

    Args:
        goal: the paper you want to understand; adds what to read before it, in order.
        already: ids that you have read; adds what to read next.
    """
    years = [paper.year for paper in library.papers.values()]
    lines = [
        f"{len(library)} papers, {library.graph.number_of_edges()} citations among them, "
        f"{min(years)} to {max(years)}.",
        "",
        "The core (where a reader who follows citations at random ends up most often):",
    ]
    rank = pagerank(library)
    lines += [f"  {100 * rank[i]:4.1f} %  {_line(library.papers[i])}" for i in list(rank)[:10]]
    lines += ["", "Clusters (papers that cite each other), each with its core:"]
    for cluster in communities(library):
        core = "; ".join(library.papers[i].label for i in cluster[:4])
        lines.append(f"  {len(cluster):3d} papers: {core}")
    if goal is not None:
        lines += ["", f"Before {_line(library[goal])}, read in this order:"]
        order = reading_order(library, goal, at_most=12)
        lines += [f"  {n:3d}. {_line(paper)}" for n, paper in enumerate(order, 1)]
        if not order:
            lines.append("  nothing: it cites no paper of this library.")
    already = list(already)
    if already:
        lines += ["", "Next, given what you have read:"]
        near = read_next(library, already)
        lines += [f"  {n:3d}. {_line(paper)}" for n, paper in enumerate(near, 1)]
        if not near:
            lines.append("  nothing: no citation leads on from what you have read.")
    return "\n".join(lines)


def _line(paper: Paper) -> str:
    return f"{paper.label}, {paper.title} [{paper.id}]"


def _when(paper: Paper) -> tuple[int, str, str]:
    """Sorts by time: arXiv numbers count up within a year; a paper without one comes first."""
    return paper.year, paper.arxiv, paper.id


def _surname(author: str) -> str:
    if author.startswith("{"):  # an organization, as in BibTeX
        return author.strip("{}")
    words = author.split()
    first = next((n for n, word in enumerate(words) if n and word[0].islower()), len(words) - 1)
    return " ".join(words[first:])  # "van den Oord"


def _paper(fields: Mapping[str, str], where: str) -> Paper:
    for name in REQUIRED:
        if not fields.get(name):
            raise ValueError(f"{where} has no {name}; fill it in.")
    year = fields["year"]
    if not re.fullmatch(r"\d{4}", year):
        raise ValueError(f"{where} has the year {year!r}; give four digits, such as 2020.")
    authors = tuple(name for part in fields["authors"].split(";") if (name := part.strip()))
    if not authors or authors[0] in ("et al.", "others"):
        raise ValueError(f"{where} names no author; give at least the first.")
    return Paper(
        id=fields["id"],
        title=fields["title"],
        authors=authors,
        year=int(year),
        venue=fields.get("venue", ""),
        arxiv=fields.get("arxiv", ""),
        read_from=fields.get("read_from", ""),
    )


def _cited(ids: str) -> list[str]:
    return [cited for cited in re.split(r"[;,\s]+", ids) if cited]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise ValueError(f"{path} cannot be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; save it as UTF-8.") from None


def _rows(path: Path, required: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row of a CSV with its place in words; column names in lower case, values stripped."""
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), skipinitialspace=True)
    columns = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise ValueError(f"{path} has two columns {twice[0]!r}; name each column once.")
    missing = [name for name in required if name not in columns]
    if missing:
        raise ValueError(
            f"{path} has no column {' and no column '.join(missing)}; its first row has to name "
            f"{', '.join(required)}, separated by commas."
        )
    for row in reader:
        if None in row:
            raise ValueError(
                f"{path}, line {reader.line_num}, has more fields than columns; put a field that "
                "holds a comma in double quotes."
            )
        yield (
            f"{path}, line {reader.line_num},",
            {
                name: (value or "").strip()
                for name, value in zip(columns, row.values(), strict=True)
            },
        )


def _from_csv(path: Path) -> tuple[list[Paper], list[Citation]]:
    papers, cites = [], []
    for where, row in _rows(path, required=REQUIRED):
        papers.append(_paper(row, where))
        cites += [Citation(row["id"], cited) for cited in _cited(row.get("cites", ""))]
    return papers, cites


def _from_bibtex(path: Path) -> tuple[list[Paper], list[Citation]]:
    from pybtex.database import parse_string
    from pybtex.exceptions import PybtexError

    try:
        entries = parse_string(_text(path), "bibtex").entries
    except PybtexError as problem:
        raise ValueError(f"{path} is not valid BibTeX: {problem}.") from None
    papers, cites = [], []
    for key, entry in entries.items():
        fields = {name.lower(): str(value).strip() for name, value in entry.fields.items()}
        people = entry.persons.get("author", [])
        fields["authors"] = "; ".join(_plain(person) for person in people)
        fields["title"] = re.sub(r"[{}]", "", fields.get("title", ""))
        fields["venue"] = fields.get("journal") or fields.get("booktitle") or ""
        number = re.search(r"\d{4}\.\d{4,5}", " ".join(fields.get(f, "") for f in _ARXIV_FIELDS))
        fields["arxiv"] = number.group() if number else ""
        papers.append(_paper({**fields, "id": key}, f"{path}, entry {key!r},"))
        cites += [Citation(key, cited) for cited in _cited(fields.get("cites", ""))]
    return papers, cites


_ARXIV_FIELDS = ("eprint", "arxiv", "note", "journal", "url")


def _plain(person: object) -> str:
    """A pybtex ``Person`` as "First von Last"; "others" and organizations stay as they are."""
    parts = ("first_names", "middle_names", "prelast_names", "last_names", "lineage_names")
    return " ".join(name for part in parts for name in getattr(person, part))
