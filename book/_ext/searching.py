"""The words that learners type find their section.

A browser lets no page read another one from a folder, so the book's search knows headings and the
stems of words, not phrases. ``WORDS`` says for each phrase of the field under which heading of
which page the book tells it; the search then offers it as a title of its own. A heading that is not
there stops the build.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

START, END = "Search.setIndex(", ")"
WORDS = {
    "Reparameterization trick": ("forward", "The step that keeps the variance"),
    "Forward diffusion process": ("forward", "The question"),
    "Markov chain": ("forward", "A chain without memory"),
    "Noise schedule": ("marginal", "Two schedules"),
    "Signal-to-noise ratio (SNR)": ("marginal", "How much is left: the signal-to-noise ratio"),
    "Closed-form sampling of x_t": ("marginal", "The closed form, proved"),
    "Stochastic differential equation (SDE)": ("marginal", "The limit of small steps"),
    "Reverse diffusion process": ("reverse", "The shape of the step back"),
    "Posterior mean and variance": ("reverse", "Its variance, its mean"),
    "Ancestral sampling": ("reverse", "The sampler"),
    "Evidence lower bound (ELBO)": ("loss", "The bound"),
    "Variational lower bound": ("loss", "The bound"),
    "KL divergence": ("loss", "The KL between two Gaussians"),
    "Simple loss, L_simple": ("loss", "The weight, and why to drop it"),
    "Score matching": ("loss", "What the network really learns: the score"),
    "Denoising score matching": ("loss", "What the network really learns: the score"),
    "Langevin": ("loss", "The score on a line"),
    "ELBO": ("loss", "The bound"),
    "EMA": ("training", "Averaged weights"),
    "FID": ("evaluation", "Which features?"),
    "Langevin dynamics": ("loss", "The score on a line"),
    "v-prediction": ("loss", "Three names for one guess"),
    "Timestep embedding": ("unet", "Telling the network the time"),
    "Time embedding": ("unet", "Telling the network the time"),
    "Positional encoding": ("unet", "Telling the network the time"),
    "Self-attention": ("unet", "Attention, where it is cheap"),
    "Skip connections": ("unet", "Down, up, and across"),
    "Group normalization": ("unet", "Why GroupNorm"),
    "Receptive field": ("unet", "How far does it see?"),
    "Overfitting": ("training", "Learned, or learned by heart?"),
    "Memorization": ("evaluation", "Copies that do not look like copies"),
    "Exponential moving average (EMA)": ("training", "Averaged weights"),
    "Learning rate warmup": ("training", "Learning rate, warm-up, clipping"),
    "Gradient clipping": ("training", "Learning rate, warm-up, clipping"),
    "Mixed precision": ("training", "Precision"),
    "Fréchet inception distance (FID)": ("evaluation", "Which features?"),
    "Log-likelihood": ("evaluation", "Bits per dimension"),
    "Denoising diffusion implicit models": ("beyond", "The jump"),
    "Interpolation in latent space": ("beyond", "Noise with a memory"),
    "Classifier-free guidance": ("beyond", "A direction: guidance"),
    "Classifier guidance": ("beyond", "A direction: guidance"),
    "Masked diffusion": ("masked", "Masking"),
    "Discrete diffusion": ("masked", "Masking"),
    "Absorbing state": ("masked", "Masking"),
    "Masked language model": ("masked", "What the field does"),
    "Diffusion language model": ("masked", "Words"),
    "Custom dataset": ("own-data", "Two folders"),
}


class SearchError(SphinxError):
    """A word of the search that leads nowhere."""

    category = "Search"


def add_words(index: dict[str, Any], wanted: dict[str, tuple[str, str]]) -> None:
    """Give each word the place of its heading, as a title of the index.

    Raises:
        SearchError: a page or a heading is not in the index.
    """
    pages = index["docnames"]
    for word, (page, heading) in wanted.items():
        places = [
            place
            for place in index["alltitles"].get(heading, [])
            if page in pages and place[0] == pages.index(page)
        ]
        if not places:
            near = [title for title, at in index["alltitles"].items() if page in pages
                    and any(place[0] == pages.index(page) for place in at)]  # fmt: skip
            raise SearchError(
                f"book/_ext/searching.py: {word!r} leads to {heading!r}, which is no heading of "
                f"{page}; choose from {near}."
            )
        index["alltitles"].setdefault(word, []).extend(places)


def extend(app: Sphinx, exception: Exception | None) -> None:
    """Write the words into the index, of the pages that this build has."""
    path = Path(app.outdir, "searchindex.js")
    if exception is not None or not path.is_file():
        return
    index = json.loads(path.read_text(encoding="utf8").removeprefix(START).removesuffix(END))
    here = {word: place for word, place in WORDS.items() if place[0] in index["docnames"]}
    add_words(
        index, {word: place for word, place in here.items() if word not in index["alltitles"]}
    )
    path.write_text(f"{START}{json.dumps(index, ensure_ascii=False)}{END}", encoding="utf8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", extend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
