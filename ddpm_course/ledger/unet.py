"""The functions that compute the claims of the chapter on the network: how it is told the time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ddpm_course import transformer, unet
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic import unet as sym_unet
from ddpm_course.symbolic.claim import Claim

from .setting import Binding, Pair, Setting

COUNTS = (2, 8)  # frequencies
FLOAT32 = 1e-4  # of an angle of 1000, float32 keeps four digits behind the point


def _sizes(s: Setting, claim: Claim, count: int) -> np.ndarray:
    places = np.arange(count)[:, None]
    said = s.numeric(claim, {nt.i: places, sym_unet.count: count}, t=[1])
    return np.asarray(said)


def _frequencies(claim: Claim, s: Setting) -> Iterator[Pair]:
    for count in COUNTS:
        yield unet.frequencies(count)[:, None].double(), _sizes(s, claim, count)


def _embedding(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Entry by entry."""
    for count in COUNTS:
        given = {nt.Frequency: _sizes(s, CLAIMS["unet.frequencies"], count).ravel()}
        entries = sym_unet.written_out(claim.rhs, count)
        said = [s.numeric(claim.with_step(-1, entry), given) for entry in entries]
        yield unet.time_embedding(s.t, 2 * count).double(), np.concatenate(said, axis=1)


def _shift(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The product of what the network is told of two times."""
    if s.length > 10:
        return  # a sum for each time takes long, and float32 cancels
    for count in COUNTS:
        given = {nt.Frequency: _sizes(s, CLAIMS["unet.frequencies"], count).ravel()}
        one = unet.time_embedding(s.t, 2 * count)
        for other in (3, 7):
            two = unet.time_embedding(torch.tensor([other]), 2 * count)
            said = s.numeric(claim, given | {nt.s: other, sym_unet.count: count})
            yield (one * two).sum(1, keepdim=True).double(), said


def _adaptive(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Mean, variance, or mean product with what came in, over the channels of tokens that have mean
    0 and variance 1 there."""
    tokens = torch.randn(len(s.t), 3, 64, generator=torch.Generator().manual_seed(0)).double()
    tokens = (tokens - tokens.mean(2, keepdim=True)) / tokens.std(2, correction=0, keepdim=True)
    step = s.t[:, None].double()
    gain, shift = step / 7 - 2.05, 3.05 - step / 5  # 1 + gain and shift are never 0
    found = transformer.modulate(tokens, shift, gain)
    over_channels = {
        "unet.adaptive-mean": found.mean(2),
        "unet.adaptive": found.var(2, correction=0),
        "unet.adaptive-sign": (found * tokens).mean(2),
    }
    said = s.numeric(claim, {nt.gain: gain, nt.shift: shift})
    yield over_channels[claim.name][:, :1], said


BINDINGS = {
    "unet.adaptive-mean": Binding(("transformer.modulate",), _adaptive),
    "unet.adaptive": Binding(("transformer.modulate",), _adaptive),
    "unet.adaptive-sign": Binding(("transformer.modulate",), _adaptive),
    "unet.frequencies": Binding(("unet.frequencies",), _frequencies, FLOAT32),
    "unet.embedding": Binding(("unet.time_embedding",), _embedding, FLOAT32),
    "unet.embedding-shift": Binding(("unet.time_embedding",), _shift, FLOAT32),
}
