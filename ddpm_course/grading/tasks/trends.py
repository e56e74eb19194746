"""Tasks on a field's citations, counts, paths, clusters and rank, and on two ideas found there."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

References = dict[str, list[str]]

# -- counting ---------------------------------------------------------------------------------


def _graphs(seed: int) -> list[References]:
    return [draw.citations(2 * seed, papers=14), draw.citations(2 * seed + 1, papers=18)]


def _graph_cases(seed: int) -> list[Case]:
    return [Case((references,)) for references in _graphs(seed)]


def _cited_by(references: References) -> References:
    """The arrows turned round: paper -> the papers that cite it."""
    return {paper: [p for p in references if paper in references[p]] for paper in references}


def _reachable(references: References, paper: str) -> set[str]:
    """The papers that one comes to by following references, the start not among them."""
    found: set[str] = set()
    todo = list(references[paper])
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += references[one]
    return found


# -- paths ------------------------------------------------------------------------------------


def ancestors(references: dict[str, list[str]], paper: str) -> list[str]:
    """All papers that `paper` builds on, directly or through others, in alphabetical order."""
    ### BEGIN SOLUTION
    found: set[str] = set()
    todo = list(references[paper])
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += references[one]
    return sorted(found)
    ### END SOLUTION


def _near(references: References, paper: str) -> set[str]:
    """The papers one or two references away."""
    return {near for one in references[paper] for near in [one, *references[one]]}


def _telling(references: References) -> str:
    """The paper with the longest history: not that of everything, nor ended after two steps."""
    cited = {paper for many in references.values() for paper in many}
    history = {paper: _reachable(references, paper) for paper in references}
    some = [p for p in references if history[p] not in (cited - {p}, _near(references, p))]
    return max(some or references, key=lambda paper: (len(history[paper]), paper))


def _paper_cases(seed: int) -> list[Case]:
    return [Case((references, _telling(references))) for references in _graphs(seed)]


ANCESTORS = Task(
    name="trends.ancestors",
    title="What does a paper stand on?",
    points=1,
    minutes=5,
    prompt=r"""
Follow the references of a paper, and their references, and so on to the end. Return all the
papers that you come to, each once, in alphabetical order; the paper itself is not among them.""",
    hint="Keep a list of papers still to visit, and a set of papers found.",
    lesson="a handful of steps back leads from nearly every paper to the few that began a field.",
    reference=ancestors,
    cases=_paper_cases,
    mistakes=(
        Mistake(
            "These are the direct references alone; follow theirs, too.",
            lambda r, p: sorted(r[p]),
        ),
        Mistake(
            "This stops after two steps. Go on until nothing new turns up.",
            lambda r, p: sorted(_near(r, p)),
        ),
        Mistake(
            "The paper itself is not one of its ancestors.",
            lambda r, p: sorted({p, *_reachable(r, p)}),
        ),
        Mistake(
            "This finds what everything stands on, whichever paper is asked about.",
            lambda r, p: sorted({q for cited in r.values() for q in cited}),
        ),
        Mistake(
            "Only the beginnings are kept; the papers on the way count, too.",
            lambda r, p: sorted(q for q in _reachable(r, p) if not r[q]),
        ),
    ),
    picture="""
draw_field(example, marked=ancestors(example, "F"))
plt.title("orange: what F stands on")
plt.show()
""",
    alt="The example's papers; marked are those that arrows lead to from F, in one, two or three "
    "steps. E and G are not marked, nor is F itself.",
)


def reading_order(references: dict[str, list[str]], paper: str) -> list[str]:
    """An order in which to read `paper` and all it builds on: references come first.

    Whenever several papers could come next, the alphabetically first one does.
    """
    ### BEGIN SOLUTION
    wanted, todo = set(), [paper]
    while todo:
        one = todo.pop()
        wanted.add(one)
        todo += references[one]
    order: list[str] = []
    while len(order) < len(wanted):
        ready = [one for one in wanted - set(order) if set(references[one]) <= set(order)]
        order.append(min(ready))
    return order
    ### END SOLUTION


def _order(references: References, wanted: set[str], last: bool = False) -> list[str]:
    """Papers so that references come first; of those ready, the first (or last) by name."""
    order: list[str] = []
    while len(order) < len(wanted):
        ready = [p for p in wanted - set(order) if set(references[p]) <= set(order)]
        order.append(max(ready) if last else min(ready))
    return order


def _by_distance(references: References, paper: str) -> list[str]:
    """Breadth first, from the paper back."""
    order = [paper]
    for one in order:
        order += [q for q in sorted(references[one]) if q not in order]
    return order


READING_ORDER = Task(
    name="trends.reading_order",
    title="In which order shall I read?",
    points=1,
    minutes=10,
    prompt=r"""
You want to understand one paper. List it and all that it builds on, so that each paper comes
**after** every paper it cites. Where several papers could come next, take the alphabetically
first: then there is one right answer.""",
    hint="A paper is ready when all its references are read. Pick the first ready one, again and "
    "again.",
    lesson="this is a topological order. It exists because nobody cites the future.",
    reference=reading_order,
    cases=_paper_cases,
    mistakes=(
        Mistake(
            "The order is back to front: you would read the newest paper first.",
            lambda r, p: _order(r, {p, *_reachable(r, p)})[::-1],
        ),
        Mistake(
            "This is alphabetical. A paper may come before one that it cites.",
            lambda r, p: sorted({p, *_reachable(r, p)}),
        ),
        Mistake(
            "The paper you wanted to read is missing at the end.",
            lambda r, p: _order(r, _reachable(r, p)),
        ),
        Mistake(
            "This lists the papers by their distance from the goal, nearest first. But the goal "
            "is to be read last.",
            _by_distance,
        ),
        Mistake(
            "Reading by distance, farthest first, does not help: a paper may be near the goal and "
            "still be needed early.",
            lambda r, p: _by_distance(r, p)[::-1],
        ),
        Mistake(
            "Papers that the goal does not build on are in the list.",
            lambda r, p: _order(r, set(r)),
        ),
        Mistake(
            "References come first, as they should; but among ready papers take the alphabetically "
            "first.",
            lambda r, p: _order(r, {p, *_reachable(r, p)}, last=True),
        ),
    ),
    picture="""
order = reading_order(example, "G")
draw_field(example, told={paper: n for n, paper in enumerate(order, 1)}, marked=order)
plt.title("orange: on the way to G, in your order")
plt.show()
""",
    alt="The example's papers; five of them bear numbers from 1 to 5, rising against the arrows "
    "from A up to G. E and F bear none.",
)

# -- clusters ---------------------------------------------------------------------------------


def overlap(references: dict[str, list[str]], a: str, b: str) -> float:
    """The share of references that two papers have in common: common ones / all of either."""
    ### BEGIN SOLUTION
    first, second = set(references[a]), set(references[b])
    return len(first & second) / len(first | second)
    ### END SOLUTION


def _counts(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """How many references two papers share, and have alone, so that all measures differ; the first
    has fewer in one question, and more in the other."""
    found: list[tuple[int, int, int]] = []
    while len(found) < 2:
        common, only_a, only_b = (int(n) for n in rng.integers((2, 1, 1), (5, 4, 4)))
        a, b, both = common + only_a, common + only_b, common + only_a + only_b
        shares = {common / n for n in (1, both, a, b, a + b, (a + b) / 2)}
        shares |= {(common + 1) / (both + 1), 2 / 3}  # with their references, or who cites them
        other = all((only_a < only_b) != (one[1] < one[2]) for one in found)
        if len(shares) == 8 and other:
            found.append((common, only_a, only_b))
    return found


def _overlap_cases(seed: int) -> list[Case]:
    """Two lists of different lengths that share some, in a graph where others cite both."""
    rng = np.random.default_rng(seed)
    cases = []
    for (common, only_a, only_b), a, b in zip(_counts(rng), ("A", "N"), ("B", "M"), strict=True):
        names = [f"P{number}" for number in rng.permutation(common + only_a + only_b)]
        shared, mine = names[:common], names[common : common + only_a]
        references: References = {name: [] for name in names}
        references |= {shared[0]: ["R"], "R": []}  # what is cited has references, too
        references[a] = sorted(shared + mine)
        references[b] = sorted(shared + names[common + only_a :])
        references |= {"C": [a, b], "D": [a], "E": [b], "F": [a]}
        cases.append(Case((references, a, b)))
    return cases


OVERLAP = Task(
    name="trends.overlap",
    title="Do two papers belong together?",
    points=1,
    minutes=4,
    prompt=r"""
Papers on the same subject cite the same papers. Measure it: the number of references that
they share, divided by the number of papers that at least one of the two cites. (Both cite
something.)""",
    hint="Python's sets know `&` and `|`.",
    lesson="0 for strangers, 1 for twins. It works on the day a paper appears, before anyone "
    "cites it.",
    reference=overlap,
    cases=_overlap_cases,
    mistakes=(
        Mistake(
            "This is how many they share; a share is asked for.",
            lambda r, a, b: len(set(r[a]) & set(r[b])),
        ),
        Mistake(
            "In the denominator, common references are counted twice.",
            lambda r, a, b: len(set(r[a]) & set(r[b])) / (len(r[a]) + len(r[b])),
        ),
        Mistake(
            "You divide by the length of the shorter list; both lists together are meant.",
            lambda r, a, b: len(set(r[a]) & set(r[b])) / min(len(r[a]), len(r[b])),
        ),
        Mistake(
            "You divide by the length of the first list; both lists together are meant.",
            lambda r, a, b: len(set(r[a]) & set(r[b])) / len(r[a]),
        ),
        Mistake(
            "You divide by the length of the second list; both lists together are meant.",
            lambda r, a, b: len(set(r[a]) & set(r[b])) / len(r[b]),
        ),
        Mistake(
            "This looks at who cites A and B. Look at whom they cite.",
            lambda r, a, b: (
                len(set(_cited_by(r)[a]) & set(_cited_by(r)[b]))
                / len(set(_cited_by(r)[a]) | set(_cited_by(r)[b]))
            ),
        ),
        Mistake(
            "Twice the common ones over both lengths is another measure (Dice's).",
            lambda r, a, b: 2 * len(set(r[a]) & set(r[b])) / (len(r[a]) + len(r[b])),
        ),
        Mistake(
            "You divide by the length of the longer list; both lists together are meant.",
            lambda r, a, b: len(set(r[a]) & set(r[b])) / max(len(r[a]), len(r[b])),
        ),
        Mistake(
            "This goes on to the references of references; what the two cite themselves counts.",
            lambda r, a, b: (
                len(set(ancestors(r, a)) & set(ancestors(r, b)))
                / len(set(ancestors(r, a)) | set(ancestors(r, b)))
            ),
        ),
    ),
    picture="""
papers = [paper for paper in example if example[paper]]
share = [[overlap(example, a, b) for b in papers] for a in papers]
figure, axes = plt.subplots(figsize=(3, 2.4))
axes.imshow(share, cmap="Blues", vmin=0, vmax=1.5)
for row, values in enumerate(share):
    for column, value in enumerate(values):
        axes.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=9)
axes.grid(False)
axes.set(xticks=range(len(papers)), xticklabels=papers, yticks=range(len(papers)))
axes.set_yticklabels(papers)
plt.show()
""",
    alt="A table of all pairs of the example's papers B to G: 1 on the diagonal, the same above it "
    "as below, 1 for the pair B and C, and 0 for most others.",
)

# -- rank -------------------------------------------------------------------------------------

CLAIM = Task(
    name="trends.claim",
    title="What does a high rank say?",
    points=1,
    minutes=3,
    prompt=r"""
Paper X is cited twice, both times by papers that everybody cites. Paper Y is cited four times,
by papers that nobody cites. In PageRank, X stands above Y. What does that say?

- `"a"`: X is the better paper.
- `"b"`: X is newer.
- `"c"`: a reader who keeps following references comes to X more often.
- `"d"`: more papers cite X.

Set `claim` to one letter.""",
    hint="PageRank is the share of time that somebody spends where, who walks from paper to paper.",
    lesson="a rank tells where references lead, and nothing about whether a paper is right: read "
    "it.",
    reference="c",
    observe=lambda answer: str(answer).strip().lower(),
    mistakes=(
        Mistake("A count of arrows cannot judge quality: famous mistakes are cited, too.", "a"),
        Mistake("Newer papers have had less time to be cited; nothing here is about dates.", "b"),
        Mistake("Count again: two is less than four. It is about who cites, not how many.", "d"),
    ),
)


def pagerank(references: dict[str, list[str]], damping: float, rounds: int) -> dict[str, float]:
    """The rank of each paper after some rounds, starting from equal ranks that add up to 1."""
    ### BEGIN SOLUTION
    n = len(references)
    rank = dict.fromkeys(references, 1 / n)
    for _ in range(rounds):
        lost = sum(rank[paper] for paper, cited in references.items() if not cited)
        new = dict.fromkeys(references, (1 - damping) / n + damping * lost / n)
        for paper, cited in references.items():
            for one in cited:
                new[one] += damping * rank[paper] / len(cited)
        rank = new
    return rank
    ### END SOLUTION


def _pagerank(
    references: References, damping: float, rounds: int, form: str = "right"
) -> dict[str, float]:
    """The rank, and what goes wrong with it."""
    if form == "backwards":
        references = _cited_by(references)
    if form == "swapped":
        damping = 1 - damping
    if form == "undamped":
        damping = 1.0
    if form == "early":
        rounds -= 1
    n = len(references)
    by = _cited_by(references)
    rank = dict.fromkeys(references, 1.0 if form == "ones" else 1 / n)
    for _ in range(rounds):
        if form == "in place":
            for p in references:
                lost = sum(rank[q] for q in references if not references[q])
                came = lost / n + sum(rank[q] / len(references[q]) for q in by[p])
                rank[p] = (1 - damping) / n + damping * came
            continue
        silent = [] if form == "lossy" else [p for p in references if not references[p]]
        rank = {
            p: (1 - damping) / (1 if form == "whole" else n)
            + damping * _given(p, silent, rank, form)
            + damping
            * sum(rank[q] / (1 if form == "undivided" else len(references[q])) for q in by[p])
            for p in references
        }
    return rank


def _given(paper: str, silent: list[str], rank: dict[str, float], form: str) -> float:
    """What a paper gets from those that cite nothing."""
    if form == "kept":
        return rank[paper] if paper in silent else 0.0
    if form == "others":
        return sum(rank[p] for p in silent if p != paper) / (len(rank) - 1)
    return sum(rank[p] for p in silent) / len(rank)


def _pagerank_cases(seed: int) -> list[Case]:
    return [
        Case((references, damping, rounds), atol=1e-7)
        for references, damping, rounds in zip(_graphs(seed), (0.85, 0.6), (3, 30), strict=True)
    ]


PAGERANK = Task(
    name="trends.pagerank",
    title="PageRank by hand",
    points=2,
    minutes=14,
    prompt=r"""
A citation from an important paper should count more. Start with rank $1/n$ for each of the $n$
papers, and repeat `rounds` times: every paper shares its rank equally among the papers it
cites; a paper that cites nothing shares with all $n$; the new rank is $(1 - d)/n$ plus $d$
times what came in, where $d$ is `damping`. All ranks are renewed at once.""",
    hint="Keep old and new ranks in two dictionaries. Do the ranks still add up to 1 after a "
    "round?",
    lesson="importance flows along references until it settles; the ranks always add up to 1.",
    reference=pagerank,
    cases=_pagerank_cases,
    mistakes=(
        Mistake(
            "The rank flows to the papers that cite, not to those that are cited.",
            partial(_pagerank, form="backwards"),
        ),
        Mistake(
            "Rank gets lost: what becomes of the share of papers that cite nothing?",
            partial(_pagerank, form="lossy"),
        ),
        Mistake(
            "`damping` stands where 1 - `damping` belongs: most of the rank should flow.",
            partial(_pagerank, form="swapped"),
        ),
        Mistake(
            "A paper gives its whole rank to each reference; it must share it.",
            partial(_pagerank, form="undivided"),
        ),
        Mistake("The damping is not there.", partial(_pagerank, form="undamped")),
        Mistake("One round is missing.", partial(_pagerank, form="early")),
        Mistake(
            "1 - d is not divided by n: then the ranks add up to more than 1.",
            partial(_pagerank, form="whole"),
        ),
        Mistake(
            "Ranks are renewed one after the other; all at once, from the old ones.",
            partial(_pagerank, form="in place"),
        ),
        Mistake(
            "A paper that cites nothing keeps its share for itself; it shares with all.",
            partial(_pagerank, form="kept"),
        ),
        Mistake(
            "A paper that cites nothing shares with all n, and it is one of them.",
            partial(_pagerank, form="others"),
        ),
        Mistake(
            "The ranks begin at 1 each; they begin at 1/n, so that they add up to 1.",
            partial(_pagerank, form="ones"),
        ),
    ),
    picture="""
ranks = pagerank(example, damping=0.85, rounds=50)
plt.figure(figsize=(4, 2))
plt.bar(list(ranks), list(ranks.values()))
plt.ylabel("PageRank")
plt.show()
""",
    alt="Bars for seven papers A to G: A, on which all others build, has by far the highest "
    "rank; B "
    "comes second; E, F and G, which nobody cites, are lowest and equal.",
    play="""
# Play: drag the damping from 0 upwards. Whose rank grows, and what is left of the others?
dampings = [0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1]
settled = {d: pagerank(example, d, rounds=100) for d in dampings}


def draw(damping):
    rank = settled[damping]
    told = {paper: f"{share:.0%}" for paper, share in rank.items()}
    sizes = {paper: 0.85 + 1.5 * share for paper, share in rank.items()}
    return draw_field(example, told, sizes=sizes)


def describe(damping):
    shares = ", ".join(f"{paper} {share:.0%}" for paper, share in settled[damping].items())
    return f"With damping {damping:g} the ranks settle at {shares}."


Explorer(draw, describe, damping=dampings)
""",
)

# -- text and pictures ------------------------------------------------------------------------


def guided(free: Tensor, told: Tensor, w: float) -> Tensor:
    """The guided guess: from `free`, w times the way to `told`."""
    ### BEGIN SOLUTION
    return free + w * (told - free)
    ### END SOLUTION


def _guesses(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case((draw.noise(g, *shape), draw.noise(g, *shape), w))
        for w, shape in ((0.0, (3, 4)), (1.0, (2, 5)), (0.4, (3, 4)), (3.0, (2, 5)))
    ]


GUIDED = Task(
    name="trends.guided",
    title="How do words steer a picture?",
    points=2,
    minutes=5,
    prompt=r"""
A network that makes pictures guesses twice: `free` without your words, and `told` with them. The
difference of the two is the direction in which your words point. Start at `free`, and go `w` times
that far. So `w = 0` ignores the words, `w = 1` gives `told`, and more exaggerates.""",
    hint="Try $w = 0$ and $w = 1$ on paper. Which guess must each of them give?",
    lesson="this is guidance: a larger w makes the picture obey, and costs variety.",
    reference=guided,
    cases=_guesses,
    mistakes=(
        Mistake(
            "This goes away from the words: the direction is from the free guess to the told one.",
            lambda free, told, w: free + w * (free - told),
        ),
        Mistake(
            "At w = 0 this follows the words already: it starts from the wrong guess.",
            lambda free, told, w: told + w * (told - free),
        ),
        Mistake(
            "Free and told have changed places: w = 0 gives the told guess.",
            lambda free, told, w: told + w * (free - told),
        ),
        Mistake(
            "This adds the told guess, not the direction: at w = 1 the free one is still in it.",
            lambda free, told, w: free + w * told,
        ),
        Mistake(
            "The direction alone is not enough: where does the way start?",
            lambda free, told, w: w * (told - free),
        ),
        Mistake("The free guess is not in it.", lambda free, told, w: w * told),
        Mistake(
            "This is a mean of the two guesses; with w above 1 the way goes on beyond `told`.",
            lambda free, told, w: (free + w * told) / (1 + w),
        ),
    ),
    picture="""
free, told = torch.tensor([0.5, 0.2]), torch.tensor([1.0, 0.6])
strengths = [0, 0.5, 1, 2, 3]
guesses = torch.stack([torch.as_tensor(guided(free, told, w)) for w in strengths])
plt.figure(figsize=(5, 2.2))
plt.plot(*guesses.T, "o-", lw=1)
for w, place in zip(strengths, guesses):
    plt.annotate(f"w = {w:g}", place, (6, -10), textcoords="offset points", fontsize=9)
plt.plot(*free, "x", ms=12, label="free")
plt.plot(*told, "+", ms=14, label="told")
plt.xlabel("first number of the guess")
plt.ylabel("second number")
plt.margins(0.15, 0.25)
plt.legend()
plt.show()
""",
    alt="Five dots on a straight line: w = 0 lies on the free guess, w = 1 on the told one, 0.5 "
    "halfway between, and 2 and 3 beyond the told one, at equal distances.",
)


def contrastive(similarity: Tensor) -> Tensor:
    """The loss of N pairs; row i of `similarity` is picture i, column j is text j."""
    ### BEGIN SOLUTION
    fit = similarity.exp()
    own = fit.diagonal()
    texts = own / fit.sum(dim=1)  # each picture chooses among the texts
    pictures = own / fit.sum(dim=0)  # each text chooses among the pictures
    return -(texts.log() + pictures.log()).mean() / 2
    ### END SOLUTION


def _similarities(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [Case((2 * draw.noise(g, n, n) + torch.eye(n),)) for n in (2, 3, 6)]


def _shares(similarity: Tensor, dim: int) -> Tensor:
    """The share that each pair has in its row (dim = 1) or column (dim = 0)."""
    return similarity.softmax(dim).diagonal()


def _others(fit: Tensor) -> Tensor:
    """What all but the pairs themselves have."""
    return fit - torch.diag(fit.diagonal())


CONTRASTIVE = Task(
    name="trends.contrastive",
    title="Which text belongs to which picture?",
    points=2,
    minutes=9,
    prompt=r"""
`similarity` holds $s_{ij}$, how well picture $i$ fits text $j$; the true pairs are on the diagonal.
Each picture $i$ chooses among the texts: text $j$ gets the share $e^{s_{ij}} / \sum_k e^{s_{ik}}$.
Each text chooses among the pictures in the same way. Return the mean of minus the logarithm of the
$2N$ shares that fall to the true pairs.""",
    hint="`similarity.exp()` is the whole table's exponential. Divide its diagonal by the sums "
    "along one side, then along the other.",
    lesson="with no labels at all, a batch of pairs is its own question: which belongs to which?",
    reference=contrastive,
    cases=_similarities,
    mistakes=(
        Mistake(
            "Only the pictures choose here; let the texts choose among the pictures, too.",
            lambda s: -_shares(s, 1).log().mean(),
        ),
        Mistake(
            "Only the texts choose here; let the pictures choose among the texts, too.",
            lambda s: -_shares(s, 0).log().mean(),
        ),
        Mistake(
            "The sign is turned: a good pairing should cost little.",
            lambda s: (_shares(s, 0).log() + _shares(s, 1).log()).mean() / 2,
        ),
        Mistake(
            "This is twice the mean: there are 2N shares.",
            lambda s: -(_shares(s, 0).log() + _shares(s, 1).log()).mean(),
        ),
        Mistake(
            "This is the sum of the 2N, not their mean: it would grow with the batch.",
            lambda s: -(_shares(s, 0).log() + _shares(s, 1).log()).sum(),
        ),
        Mistake(
            "The logarithm is missing: these are the shares themselves.",
            lambda s: -(_shares(s, 0) + _shares(s, 1)).mean() / 2,
        ),
        Mistake(
            "Below the line the pair itself is left out; it is one of those that are chosen among.",
            lambda s: (
                -(
                    2 * s.diagonal() - _others(s.exp()).sum(0).log() - _others(s.exp()).sum(1).log()
                ).mean()
                / 2
            ),
        ),
        Mistake(
            "The logarithm of the sum below the line is missing.",
            lambda s: -(2 * s.diagonal() - s.exp().sum(0) - s.exp().sum(1)).mean() / 2,
        ),
        Mistake(
            "The sum below the line runs over the whole table; a row or a column is meant.",
            lambda s: -(s.flatten().log_softmax(0).view_as(s).diagonal()).mean(),
        ),
        Mistake(
            "All pairs are averaged; only the true ones, on the diagonal, should cost little.",
            lambda s: -(s.log_softmax(0) + s.log_softmax(1)).mean() / 2,
        ),
    ),
    picture="""
fits = torch.linspace(0, 10, 50)
pairs = (4, 16, 64)
losses = [[float(contrastive(fit * torch.eye(n))) for n in pairs] for fit in fits]
plt.figure(figsize=(5, 2.2))
plt.plot(fits, losses, label=[f"{n} pairs" for n in pairs])
plt.xlabel("how well pairs fit; others fit by 0")
plt.ylabel("loss")
plt.legend()
plt.show()
""",
    alt="The loss over how well true pairs fit, for 4, 16 and 64 pairs: the more pairs, the higher "
    "it begins, at 1.4, 2.8 and 4.2; all three fall to nearly 0.",
)

CHAPTER = Chapter(
    name="trends",
    title="reading a field",
    intro=r"""
Nobody can read every paper. Citations show where to begin, in which order to go on, and what
belongs together. The papers here have letters for names; what you write works for real ones. The
last two tasks take a line each from papers to which such an order leads: how words steer a
picture, and how pictures find their words.""",
    setup="""
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ddpm_course import plots
from ddpm_course.grading import check
from ddpm_course.grading.field import draw_field
from ddpm_course.widgets import Explorer

plots.style()

example = {  # a field to try things on; the pictures show it
    "A": [],
    "B": ["A"],
    "C": ["A"],
    "D": ["B", "C"],
    "E": ["B"],
    "F": ["B", "D"],
    "G": ["D"],
}
""",
    steps=False,
    tasks=(
        ANCESTORS,
        OVERLAP,
        READING_ORDER,
        CLAIM,
        PAGERANK,
        GUIDED,
        CONTRASTIVE,
    ),
)
