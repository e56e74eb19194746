"""Monte Carlo with a stated confidence: how far a sample's moments may stray by chance."""

import torch
from torch import Tensor

# A right answer fails a check at 5 standard errors once in 1.7 million tries; seeds are fixed.
SIGMAS = 5.0


def assert_moments(samples: Tensor, mean: Tensor | float, var: Tensor | float) -> None:
    """Each column of Gaussian ``samples`` (n, ...) has this mean and variance, within 5 errors.

    The mean of n draws has standard error √(var/n); their variance, var·√(2/(n-1)).
    """
    n = len(samples)
    mean = torch.as_tensor(mean, dtype=torch.float64)
    var = torch.as_tensor(var, dtype=torch.float64)
    samples = samples.double()
    off_mean = (samples.mean(0) - mean).abs() / (var / n).sqrt()
    off_var = (samples.var(0) - var).abs() / (var * (2 / (n - 1)) ** 0.5)
    assert off_mean.max() < SIGMAS, f"a mean is {off_mean.max():.1f} standard errors off"
    assert off_var.max() < SIGMAS, f"a variance is {off_var.max():.1f} standard errors off"
