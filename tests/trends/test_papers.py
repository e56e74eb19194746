"""Papers and citations, against linear algebra, brute force and cases worked out by hand."""

from __future__ import annotations

import csv
import itertools
import random
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from ddpm_course.trends import papers
from ddpm_course.trends.papers import Citation, Library, Paper

BOOK = Path(__file__).parents[2] / "book"


def paper(paper_id: str, year: int = 2000, arxiv: str = "") -> Paper:
    return Paper(paper_id, f"On {paper_id}", ("Ada Lovelace",), year, arxiv=arxiv)


def library(citations: str, **years: int) -> Library:
    """``library("b>a c>a", a=1999)``: ids are letters, each two years after the one before it."""
    pairs = [tuple(pair.split(">")) for pair in citations.split()]
    ids = sorted({paper_id for pair in pairs for paper_id in pair} | set(years))
    return Library(
        [paper(i, years.get(i, 2000 + 2 * n)) for n, i in enumerate(ids)],
        [Citation(*pair) for pair in pairs],
    )


def random_library(seed: int, size: int = 6, density: float = 0.45) -> Library:
    """A random acyclic graph with years in random order of the ids, some of them equal."""
    dice = random.Random(seed)
    ids = dice.sample("abcdefgh", size)
    cites = [Citation(u, v) for v, u in itertools.combinations(ids, 2) if dice.random() < density]
    return Library([paper(i, 2000 + n // 2) for n, i in enumerate(ids)], cites)


@pytest.fixture(scope="module")
def shipped() -> Library:
    return papers.landmarks()


# ---- PageRank -----------------------------------------------------------------------------------


def test_pagerank_of_three_papers_solved_by_hand() -> None:
    # c cites a and b, b cites a, a cites nothing (so from a one jumps anywhere). With damping 1/2
    #   c = 1/6 + a/6,   b = 1/6 + a/6 + c/4,   a = 1/6 + a/6 + c/4 + b/2,
    # so b = (5/4) c and a = (15/8) c: c, b and a are as 8 to 10 to 15.
    rank = papers.pagerank(library("b>a c>a c>b"), damping=0.5)
    assert rank == pytest.approx({"a": 15 / 33, "b": 10 / 33, "c": 8 / 33}, abs=1e-9)
    assert list(rank) == ["a", "b", "c"]


def stationary(graph: nx.DiGraph, jump: np.ndarray, damping: float) -> np.ndarray:
    """The share of time of the random reader, from the linear system that defines it."""
    follow = nx.to_numpy_array(graph).T  # column u: where one goes from u
    for u in range(len(graph)):
        total = follow[:, u].sum()
        follow[:, u] = follow[:, u] / total if total else jump
    return np.linalg.solve(np.eye(len(graph)) - damping * follow, (1 - damping) * jump)


@pytest.mark.parametrize("damping", [0.0, 0.5, 0.85, 0.99])
def test_pagerank_solves_its_linear_system(shipped: Library, damping: float) -> None:
    for some in [shipped, *(random_library(seed) for seed in range(20))]:
        n = len(some)
        expected = stationary(some.graph, np.full(n, 1 / n), damping)
        rank = papers.pagerank(some, damping=damping)
        np.testing.assert_allclose([rank[i] for i in some.graph], expected, atol=1e-9)
        assert list(rank.values()) == sorted(rank.values(), reverse=True)


def test_pagerank_that_jumps_to_some_papers_only(shipped: Library) -> None:
    start = ["ho2020ddpm", "radford2021clip"]
    jump = np.array([0.5 if i in start else 0.0 for i in shipped.graph])
    rank = papers.pagerank(shipped, start=start)
    expected = stationary(shipped.graph, jump, 0.85)
    np.testing.assert_allclose([rank[i] for i in shipped.graph], expected, atol=1e-9)


@pytest.mark.parametrize("damping", [-0.1, 1.0, 1.5, float("nan")])
def test_pagerank_refuses_a_damping_that_is_no_probability(damping: float) -> None:
    with pytest.raises(ValueError, match=r"damping is .* at least 0 and below 1"):
        papers.pagerank(library("b>a"), damping=damping)


def test_pagerank_refuses_to_start_nowhere() -> None:
    with pytest.raises(ValueError, match="no paper to start from"):
        papers.pagerank(library("b>a"), start=[])


# ---- Clusters -----------------------------------------------------------------------------------


def partitions(ids: list[str]) -> Iterator[list[set[str]]]:
    if not ids:
        yield []
        return
    head, *rest = ids
    for smaller in partitions(rest):
        for n, cluster in enumerate(smaller):
            yield [*smaller[:n], cluster | {head}, *smaller[n + 1 :]]
        yield [*smaller, {head}]


@pytest.mark.parametrize("seed", range(6))
def test_communities_reach_the_highest_modularity_there_is(seed: int) -> None:
    some = random_library(seed, size=7)
    graph = some.graph.to_undirected()
    edges, degree = graph.number_of_edges(), dict(graph.degree)

    def modularity(clusters: list[set[str]]) -> float:  # Newman (2006), written out
        inside = sum(graph.subgraph(cluster).number_of_edges() for cluster in clusters)
        by_chance = sum(sum(degree[i] for i in cluster) ** 2 for cluster in clusters)
        return inside / edges - by_chance / (2 * edges) ** 2

    best = max(modularity(clusters) for clusters in partitions(list(graph)))
    found = [set(cluster) for cluster in papers.communities(some)]
    assert modularity(found) == pytest.approx(best)


def test_communities_come_with_the_largest_first_and_its_core_ahead() -> None:
    # Two dense groups, a-b-c and d-e-f-g, and one citation between them.
    some = library("b>a c>a c>b d>c e>d f>d f>e g>d g>e g>f")
    first, second = papers.communities(some)
    assert (first[0], set(first)) == ("d", set("defg"))
    assert (second[0], set(second)) == ("a", set("abc"))


def test_communities_cover_every_landmark_once_and_do_not_change(shipped: Library) -> None:
    found = papers.communities(shipped)
    assert sorted(itertools.chain(*found)) == sorted(shipped.papers)
    assert found == papers.communities(papers.landmarks())


def test_papers_that_cite_nothing_stand_alone() -> None:
    assert papers.communities(library("", a=2000, b=2001)) == [["a"], ["b"]]


@pytest.mark.parametrize("resolution", [0.0, -1.0, float("nan")])
def test_communities_refuse_a_resolution_that_is_not_positive(resolution: float) -> None:
    with pytest.raises(ValueError, match=r"resolution is .* has to be positive"):
        papers.communities(library("b>a"), resolution=resolution)


# ---- What to read before, and next --------------------------------------------------------------


def reaches(some: Library) -> dict[str, set[str]]:
    """Who can be reached from whom, by squaring the matrix of citations until nothing changes."""
    ids = list(some.graph)
    step = nx.to_numpy_array(some.graph) + np.eye(len(ids))
    for _ in range(len(ids)):
        step = np.minimum(step @ step, 1)
    return {u: {v for j, v in enumerate(ids) if step[i, j] and u != v} for i, u in enumerate(ids)}


@pytest.mark.parametrize("seed", range(25))
def test_reading_order_is_the_earliest_of_all_orders_that_work(seed: int) -> None:
    some = random_library(seed)
    for goal, before in reaches(some).items():
        when = {i: (p.year, p.arxiv, p.id) for i, p in some.papers.items()}
        works = [
            order
            for order in itertools.permutations(sorted(before))
            if all(
                order.index(v) < order.index(u)
                for u, v in some.graph.edges
                if u in before and v in before
            )
        ]
        earliest = min(works, key=lambda order: [when[i] for i in order])
        assert [p.id for p in papers.reading_order(some, goal)] == list(earliest)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("at_most", [1, 2, 3])
def test_a_short_reading_order_keeps_the_core_and_its_order(seed: int, at_most: int) -> None:
    some = random_library(seed, size=8)
    linked = reaches(some)
    goal = max(linked, key=lambda i: (len(linked[i]), i))
    order = [p.id for p in papers.reading_order(some, goal, at_most=at_most)]
    rank = papers.pagerank(some, start=[goal])
    best = sorted(linked[goal], key=lambda i: (-rank[i], i))[:at_most]
    assert sorted(order) == sorted(best)
    # Even a link that runs through a paper left out keeps its direction.
    assert all(later not in linked[early] for early, later in itertools.combinations(order, 2))


def test_an_arxiv_number_settles_the_order_within_a_year() -> None:
    some = Library(
        [paper("z", arxiv="2001.00001"), paper("a", arxiv="2012.00001"), paper("goal", 2001)],
        [Citation("goal", "a"), Citation("goal", "z")],
    )
    assert [p.id for p in papers.reading_order(some, "goal")] == ["z", "a"]


def test_the_order_before_ddpm(shipped: Library) -> None:
    order = [p.id for p in papers.reading_order(shipped, "ho2020ddpm")]
    for earlier, later in [
        ("hyvarinen2005score", "vincent2011connection"),
        ("vincent2011connection", "song2019generative"),
        ("song2019generative", "song2020improved"),
        ("feller1949theory", "sohldickstein2015deep"),
    ]:
        assert order.index(earlier) < order.index(later)
    assert not {"ho2020ddpm", "song2021ddim"} & set(order)


def test_read_next_is_the_unread_paper_nearest_by_the_linear_system(shipped: Library) -> None:
    read = ["ho2020ddpm", "song2021ddim"]
    graph = shipped.graph.to_undirected()
    jump = np.array([0.5 if i in read else 0.0 for i in graph])
    time = dict(zip(graph, stationary(graph, jump, 0.85), strict=True))
    expected = sorted((i for i in graph if i not in read), key=lambda i: -time[i])[:8]
    assert [p.id for p in papers.read_next(shipped, read, count=8)] == expected


def test_read_next_offers_neither_what_is_read_nor_what_no_citation_reaches() -> None:
    some = library("b>a c>b", x=2000)
    assert [p.id for p in papers.read_next(some, ["a", "a"])] == ["b", "c"]
    assert papers.read_next(some, ["a", "b", "c"]) == []
    assert papers.read_next(some, ["x"]) == []


def test_counts_below_one_are_refused() -> None:
    some = library("b>a")
    with pytest.raises(ValueError, match="at_most is 0; ask for at least one paper"):
        papers.reading_order(some, "b", at_most=0)
    with pytest.raises(ValueError, match="count is 0; ask for at least one paper"):
        papers.read_next(some, ["a"], count=0)


# ---- The backbone -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_backbone_follows_the_citation_that_most_chains_use(seed: int) -> None:
    some = random_library(seed, size=8)
    linked = reaches(some)
    for goal, origin in itertools.permutations(some.papers, 2):
        if origin not in linked[goal]:
            with pytest.raises(ValueError, match="No chain of citations leads from"):
                papers.backbone(some, origin, goal)
            continue
        chains = list(nx.all_simple_paths(some.graph, goal, origin))
        traffic: dict[tuple[str, str], int] = {}
        for chain in chains:
            for edge in itertools.pairwise(chain):
                traffic[edge] = traffic.get(edge, 0) + 1
        path = [p.id for p in papers.backbone(some, origin, goal)][::-1]
        assert (path[0], path[-1]) == (goal, origin)
        for u, v in itertools.pairwise(path):
            assert traffic[u, v] == max(n for (a, _), n in traffic.items() if a == u)


def test_the_backbone_from_ddpm_to_text_to_image(shipped: Library) -> None:
    path = [p.id for p in papers.backbone(shipped, "ho2020ddpm", "saharia2022imagen")]
    assert (path[0], path[-1]) == ("ho2020ddpm", "saharia2022imagen")
    assert {"dhariwal2021diffusion", "ho2022cfg", "nichol2022glide"} <= set(path)


def test_unknown_ids_are_named_with_ids_like_them(shipped: Library) -> None:
    message = r"No paper has the id 'ho2020dpm' \(did you mean 'ho2020ddpm'"
    for ask in (
        lambda: papers.reading_order(shipped, "ho2020dpm"),
        lambda: papers.read_next(shipped, ["ho2020dpm"]),
        lambda: papers.backbone(shipped, "ho2020dpm", "saharia2022imagen"),
        lambda: papers.backbone(shipped, "ho2020ddpm", "ho2020dpm"),
        lambda: papers.pagerank(shipped, start=["ho2020dpm"]),
        lambda: papers.summary(shipped, goal="ho2020dpm"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


# ---- What ships ---------------------------------------------------------------------------------


def test_the_landmarks_are_many_and_each_citation_has_its_evidence(shipped: Library) -> None:
    assert len(shipped) >= 60
    assert shipped.graph.number_of_edges() >= 500
    years = sorted(p.year for p in shipped.papers.values())
    says = f"{len(shipped)} papers, {years[0]} to {years[-1]}"
    assert says in (papers.landmarks.__doc__ or "")
    for citing, cited, evidence in shipped.graph.edges(data="evidence"):
        assert evidence, (citing, cited)
        assert shipped[citing].read_from, citing
    assert all(shipped.graph.degree[i] for i in shipped.papers)  # nobody is unconnected


def words(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower().translate(str.maketrans("äöüéïł", "aoueil")))


def test_each_entry_read_in_a_reference_list_names_the_cited_paper(shipped: Library) -> None:
    """The entry shows the first author's surname, and at least the start of the title."""
    other = {"dubey2024llama3", "gemini2023", "openai2023gpt4"}  # organizations, named in many ways
    for citing, cited, evidence in shipped.graph.edges(data="evidence"):
        if evidence.startswith("sentence of") or cited in other:
            continue
        entry, target = words(evidence), shipped[cited]
        name = words(target.authors[0].split()[-1])
        assert name in entry, (citing, cited, evidence)
        short = words(re.split(r"[:,?]", target.title)[0])[:18]
        synonyms = {"goodfellow2014gan": "generativeadvers", "loshchilov2019adamw": "weightdecay"}
        assert synonyms.get(cited, short) in entry, (citing, cited, evidence)


def test_years_and_arxiv_numbers_agree(shipped: Library) -> None:
    for p in shipped.papers.values():
        if p.arxiv:
            assert re.fullmatch(r"\d{4}\.\d{4,5}", p.arxiv)
            # Classifier-free guidance was public at a workshop half a year before arXiv.
            early = 1 if p.id == "ho2022cfg" else 0
            assert p.year == 2000 + int(p.arxiv[:2]) - early, p


def test_the_landmarks_agree_with_the_bibliography(shipped: Library) -> None:
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    entries = dict(re.findall(r"@\w+\{([^,]+),\s*title\s*=\s*\{(.*)\},\n", text))
    shared = entries.keys() & shipped.papers.keys()
    assert len(shared) >= 40
    for key in shared:
        plain = re.sub(r'[{}]|\\"', "", entries[key])
        assert words(plain) == words(shipped[key].title), key


def test_labels_say_authors_as_people_do(shipped: Library) -> None:
    assert shipped["ho2020ddpm"].label == "Ho et al. 2020"
    assert shipped["song2019generative"].label == "Song & Ermon 2019"
    assert shipped["oord2016wavenet"].label == "van den Oord et al. 2016"
    assert shipped["vincent2011connection"].label == "Vincent 2011"
    assert shipped["gemini2023"].label == "Gemini Team 2023"
    assert Paper("x", "X", ("Tom Brown", "et al."), 2020).label == "Brown et al. 2020"


def test_the_summary_holds_core_clusters_order_and_next(shipped: Library) -> None:
    text = papers.summary(shipped, goal="ho2020ddpm", already=["ho2020ddpm"])
    assert text.startswith(f"{len(shipped)} papers, {shipped.graph.number_of_edges()} citations")
    for paper_id in list(papers.pagerank(shipped))[:10]:
        assert f"[{paper_id}]" in text
    before, after = text.split("Next, given what you have read:")
    order = papers.reading_order(shipped, "ho2020ddpm", at_most=12)
    places = [before.rindex(f"[{p.id}]") for p in order]
    assert places == sorted(places)
    assert [p.id in after for p in papers.read_next(shipped, ["ho2020ddpm"])] == [True] * 5


def test_the_summary_of_lonely_papers_says_that_there_is_nothing() -> None:
    text = papers.summary(library("", a=2000, b=2001), goal="b", already=["a"])
    assert "nothing: it cites no paper of this library" in text
    assert "nothing: no citation leads on from what you have read" in text


# ---- Reading a file -----------------------------------------------------------------------------

CSV = """\
ID, Title, Authors, Year, arXiv, cites
ddpm, Denoising Diffusion Probabilistic Models, Jonathan Ho; Ajay Jain, 2020, 2006.11239, deep;vae
deep, "Deep, Unsupervised", Jascha Sohl-Dickstein; et al., 2015, , vae

vae, Auto-Encoding Variational Bayes, Diederik P. Kingma; Max Welling, 2013,,
"""
BIB = r"""
@inproceedings{ddpm, title = {Denoising Diffusion {Probabilistic} Models}, year = {2020},
  author = {Ho, Jonathan and Jain, Ajay}, booktitle = {NeurIPS}, eprint = {2006.11239},
  cites = {deep, vae}}
@article{deep, title = {Deep, Unsupervised}, author = {Sohl-Dickstein, Jascha and others},
  journal = {ICML}, year = 2015, cites = {vae}}
@article{vae, title = "Auto-Encoding Variational Bayes", year = 2013,
  author = "Diederik P. Kingma and Max Welling", note = {arXiv:1312.6114}}
"""


@pytest.mark.parametrize(("name", "text"), [("mine.csv", CSV), ("mine.bib", BIB)])
def test_csv_and_bibtex_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    mine = papers.read(tmp_path / name)
    assert set(mine.graph.edges) == {("ddpm", "deep"), ("ddpm", "vae"), ("deep", "vae")}
    assert mine["ddpm"].authors == ("Jonathan Ho", "Ajay Jain")
    assert mine["ddpm"].arxiv == "2006.11239"
    assert mine["deep"].title == "Deep, Unsupervised"
    labels = [p.label for p in papers.reading_order(mine, "ddpm")]
    assert labels == ["Kingma & Welling 2013", "Sohl-Dickstein et al. 2015"]


def test_bibtex_knows_venues_organizations_and_arxiv_notes(tmp_path: Path) -> None:
    (tmp_path / "mine.bib").write_text(
        BIB + "@misc{g, title={G}, author={{Gemini Team}}, year=2023}", encoding="utf-8"
    )
    mine = papers.read(tmp_path / "mine.bib")
    assert (mine["ddpm"].venue, mine["deep"].venue) == ("NeurIPS", "ICML")
    assert mine["vae"].arxiv == "1312.6114"
    assert mine["g"].label == "Gemini Team 2023"


def test_a_second_file_adds_citations_with_evidence(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(
        "id,title,authors,year\nb,B,Bo,2001\na,A,Al,2000\n", encoding="utf-8-sig"
    )
    (tmp_path / "edges.csv").write_text("citing,cited,evidence\nb,a,[7]\nb,a,[7]\n")
    mine = papers.read(str(tmp_path / "mine.csv"), tmp_path / "edges.csv")
    assert list(mine.graph.edges(data="evidence")) == [("b", "a", "[7]")]


def test_the_shipped_files_read_back_row_by_row(shipped: Library) -> None:
    here = resources.files("ddpm_course.trends")
    with (here / "papers.csv").open(encoding="utf-8", newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == set(shipped.papers)
    with (here / "citations.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["citing"], row["cited"]) for row in csv.DictReader(file)]
    assert sorted(rows) == sorted(shipped.graph.edges)


HEAD = "id,title,authors,year,cites\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", "has no column id and no column title"),
        ("x.csv", "id,title,year\na,A,2000\n", "has no column authors; its first row has to name"),
        ("x.csv", HEAD, "There is no paper in it"),
        ("x.csv", HEAD + "a,A,Al,2000,\nb,,Bo,2001,\n", "line 3, has no title; fill it in"),
        ("x.csv", HEAD + ",A,Al,2000,\n", "line 2, has no id; fill it in"),
        ("x.csv", HEAD + "a,A,,2000,\n", "line 2, has no authors; fill it in"),
        ("x.csv", HEAD + "a,A,et al.,2000,\n", "line 2, names no author"),
        ("x.csv", HEAD + "a,A\n", "line 2, has no authors; fill it in"),
        ("x.csv", HEAD + "a,A,Al,,\n", "line 2, has no year; fill it in"),
        ("x.csv", HEAD + "a,A,Al,20,\n", "line 2, has the year '20'; give four digits"),
        ("x.csv", HEAD + "a,A,Al,in press,\n", "has the year 'in press'"),
        ("x.csv", HEAD + "a,A,Al,2000,,and,more\n", "line 2, has more fields than columns"),
        ("x.csv", HEAD + "a,A,Al,2000,\na,B,Bo,2001,\n", "Two papers have the id 'a'"),
        ("x.csv", HEAD + "a,A,Al,2000,zz\n", "'a' cites 'zz', but no paper has the id 'zz'; add"),
        ("x.csv", HEAD + "ab1,A,Al,2000,\nb,B,Bo,2001,ab\n", "did you mean 'ab1'"),
        ("x.csv", HEAD + "a,A,Al,2000,a\n", "'a' cites itself; remove that citation"),
        (
            "x.csv",
            HEAD + "a,A,Al,2000,b\nb,B,Bo,2001,\n",
            r"'a' \(2000\) cites 'b' \(2001\), which is later; check the two years",
        ),
        (
            "x.csv",
            HEAD + "a,A,Al,2000,b\nb,B,Bo,2000,c\nc,C,Cy,2000,a\n",
            "Time runs in a circle: (a cites b cites c cites a|b cites c cites a cites b|c cites a"
            " cites b cites c); .* remove one of these citations",
        ),
        ("x.bib", "", "There is no paper in it"),
        ("x.bib", "@article{a, title={A}, year=2000}", "entry 'a', has no authors; fill it in"),
        ("x.bib", "@article{a, author={Al}, year=2000}", "entry 'a', has no title; fill it in"),
        ("x.bib", "@article{a, author={Al}, title={A}}", "entry 'a', has no year; fill it in"),
        ("x.bib", "@article{a, title={A}, author={Al", "is not valid BibTeX: syntax error"),
        (
            "x.bib",
            "@misc{a, title={A}, author={Al}, year=1}\n@misc{a, title={B}, author={Bo}, year=2}",
            "is not valid BibTeX: repeated bibliography entry: a",
        ),
        ("x.txt", "id", r"neither a \.csv nor a \.bib file"),
    ],
)
def test_bad_files_get_one_clear_sentence(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        papers.read(path)
    assert str(caught.value).count(name) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("citing\na\n", "has no column cited; its first row has to name citing, cited"),
        ("citing,cited\na,zz\n", "no paper has the id 'zz'"),
        ("citing,cited\nzz,a\n", "no paper has the id 'zz'"),
        ("citing,cited\na,\n", "no paper has the id ''"),
    ],
)
def test_bad_citations_get_one_clear_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text("id,title,authors,year\na,A,Al,2000\n")
    (tmp_path / "edges.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        papers.read(tmp_path / "mine.csv", tmp_path / "edges.csv")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone\.csv cannot be read: No such file"):
        papers.read(tmp_path / "gone.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match=r"folder\.csv cannot be read"):
        papers.read(tmp_path / "folder.csv")
    (tmp_path / "latin.csv").write_bytes("id,title,authors,year\na,A,Jörg,2000\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.csv is not UTF-8 text; save it as UTF-8"):
        papers.read(tmp_path / "latin.csv")
