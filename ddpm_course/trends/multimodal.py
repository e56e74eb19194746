"""Pictures and words in one space: CLIP in miniature (Radford et al. 2021).

    >>> from ddpm_course.trends import multimodal
    >>> from ddpm_course.data import digits
    >>> model, images = multimodal.load(), digits("test")
    >>> best = multimodal.search(model, "숫자 칠", images)  # which of the images fit best
    >>> len(best)
    8

Two networks, one for digits and one for prompts, give vectors of length 1. They are trained so
that a picture and a prompt for it point the same way, and all others point elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_course import checkpoint, checks
from ddpm_course.data import digit_labels, digits
from ddpm_course.trends.prompts import (
    HELD_OUT,
    PHRASINGS,
    TextEncoder,
    phrased,
    prompt_table,
    vocabulary,
)

__all__ = [
    "COMMAND",
    "Contrastive",
    "classify",
    "contrastive_loss",
    "figures",
    "load",
    "save",
    "search",
    "train",
    "zero_shot",
]

COMMAND = "python -m ddpm_course.trends.train multimodal"
TEMPERATURE = 0.1  # τ: a similarity lies between -1/τ and 1/τ
DIM = 32  # of the space that pictures and words share

_WORDS = "words"


def contrastive_loss(similarity: Tensor) -> Tensor:
    """-1/2N Σ_i (log e^{s_ii} / Σ_j e^{s_ij} + log e^{s_ii} / Σ_j e^{s_ji})

    (``trends.contrastive``; Radford et al. 2021, figure 3). Each picture shall find its text among
    the N, and each text its picture. It is log N for one who can only guess.

    Args:
        similarity: (..., N, N) s_ij, how well picture i fits text j; the pairs are on the diagonal.

    Returns:
        A scalar, the mean over the leading dimensions.

    Raises:
        ValueError: there are not as many pictures as texts.
    """
    if similarity.ndim < 2 or similarity.shape != similarity.mT.shape:
        raise ValueError(
            f"similarity has shape {tuple(similarity.shape)}; give (..., N, N), a row for each "
            "picture and a column for each text."
        )
    own = similarity.diagonal(dim1=-2, dim2=-1)  # s_ii
    text_of_picture = own - similarity.logsumexp(dim=-1)  # log e^{s_ii} / Σ_j e^{s_ij}
    picture_of_text = own - similarity.logsumexp(dim=-2)  # log e^{s_ii} / Σ_j e^{s_ji}
    return -(text_of_picture + picture_of_text).mean() / 2  # trends.contrastive


class Contrastive(nn.Module):
    """A network that reads pictures beside one that reads prompts.

    Args:
        words: the words that the text encoder knows.
    """

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.image_encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 64, 3, padding=1, stride=2),
            nn.SiLU(),
            nn.Conv2d(64, 64, 3, padding=1, stride=2),
            nn.SiLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 2 * 2, DIM),
        )
        self.text_encoder = TextEncoder(words, DIM)

    def images(self, images: Tensor) -> Tensor:
        """(B, DIM) vectors of length 1 for images (B, 1, 8, 8), in [-1, 1] or uint8."""
        return F.normalize(self.image_encoder(checks.pictures(images)), dim=1)

    def prompts(self, prompts: Sequence[str]) -> Tensor:
        """(B, DIM) vectors of length 1.

        Raises:
            ValueError: a prompt is empty, or has no word that the model knows.
        """
        return self.texts(self.text_encoder.encode(prompts))

    def texts(self, ids: Tensor) -> Tensor:
        """(B, DIM) vectors of length 1 for the words (B, L) of prompts, as numbers."""
        return F.normalize(self.text_encoder(ids), dim=1)


# -- what it can do ---------------------------------------------------------------------------


@torch.no_grad()
def classify(model: Contrastive, images: Tensor, prompts: Sequence[str]) -> Tensor:
    """(B,) which of the prompts fits each image (B, 1, 8, 8) best."""
    return (model.images(images) @ model.prompts(prompts).T).argmax(dim=1)


def zero_shot(model: Contrastive, phrasing: str = "a handwritten {english}") -> float:
    """The share of the 360 held-out digits that ``classify`` gets right with one prompt a digit."""
    prompts = [phrased(phrasing, digit) for digit in range(10)]
    found = classify(model, digits("test"), prompts)
    return float((found == digit_labels("test")).double().mean())


@torch.no_grad()
def search(model: Contrastive, prompt: str, images: Tensor, count: int = 8) -> Tensor:
    """(count,) which of the images (B, 1, 8, 8) fit the prompt best, the best first.

    Raises:
        ValueError: count is not in 1..B, or the prompt has no word that the model knows.
    """
    if not 1 <= count <= len(images):
        raise ValueError(f"count is {count}; among {len(images)} images, 1 to {len(images)} fit.")
    fit = model.images(images) @ model.prompts([prompt])[0]
    return fit.topk(count).indices


def figures(model: Contrastive) -> dict[str, float]:
    """What the README of the shipped models says of this one: the share of the 360 held-out digits
    that it names rightly, by the phrasings that it was trained on and by those that it was not."""
    seen = [zero_shot(model, phrasing) for phrasing in PHRASINGS]
    held_out = [zero_shot(model, phrasing) for phrasing in HELD_OUT]
    return {
        "zero-shot, phrasings of the training: mean": sum(seen) / len(seen),
        "zero-shot, phrasings of the training: worst": min(seen),
        "zero-shot, phrasings held out: mean": sum(held_out) / len(held_out),
        "zero-shot, phrasings held out: worst": min(held_out),
    }


# -- training ---------------------------------------------------------------------------------


def train(seed: int = 0, progress: bool = True, steps: int = 600, groups: int = 16) -> Contrastive:
    """Train on the 1,437 training digits and the prompts of ``prompts.PHRASINGS``.

    Each step sees groups of ten, a digit of each kind with a prompt for it. So no picture's
    prompt fits another picture of its group.

    Args:
        seed: everything random follows from it.
        progress: show a progress bar.
        steps: of the optimizer.
        groups: how many groups of ten a step sees.

    Returns:
        The model, in evaluation mode.
    """
    from tqdm.auto import trange

    images, labels = digits("train"), digit_labels("train")
    of_kind = [(labels == digit).nonzero().ravel() for digit in range(10)]
    generator = torch.Generator().manual_seed(seed)

    def pick(choices: int) -> Tensor:
        return torch.randint(choices, (groups,), generator=generator)

    with torch.random.fork_rng(devices=[]):  # the first weights and dropout draw from torch's own
        torch.manual_seed(seed)
        model = Contrastive(vocabulary())
        table = prompt_table(model.text_encoder, PHRASINGS)  # (10, phrasings, L)
        optimizer = torch.optim.Adam(model.parameters())
        rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
        for _ in trange(steps, desc="multimodal", unit="step", disable=not progress):
            chosen = [images[kind[pick(len(kind))]] for kind in of_kind]
            asked = [rows[pick(len(rows))] for rows in table]
            u = model.images(torch.cat(chosen)).unflatten(0, (10, groups))  # (10, groups, DIM)
            v = model.texts(torch.cat(asked)).unflatten(0, (10, groups))
            similarity = torch.einsum("igd, jgd -> gij", u, v) / TEMPERATURE
            loss = contrastive_loss(similarity)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    return model.eval()


# -- on disk ----------------------------------------------------------------------------------


def save(model: Contrastive, path: str | os.PathLike[str]) -> None:
    """Write the model to a safetensors file, in float16."""
    half = {name: value.half() for name, value in model.state_dict().items()}
    checkpoint.write(path, half, {_WORDS: json.dumps(model.text_encoder.words)})


def load(path: str | os.PathLike[str] | None = None) -> Contrastive:
    """The model in a file that ``save`` wrote; without one, the one that ships.

    Raises:
        ValueError: the file is not there, or holds another model.
    """
    path = path or checkpoint.asset("multimodal")
    tensors, about = checkpoint.read(path)
    if _WORDS not in about:
        raise ValueError(f"{path} holds no model that reads prompts; train one: {COMMAND}.")
    model = Contrastive(json.loads(about[_WORDS]))
    checkpoint.load_weights(model, tensors, path)
    return model.eval()
