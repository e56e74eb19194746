"""The package behind the book: DDPM, one module a chapter.

>>> from ddpm_course import Schedule, marginal
>>> from ddpm_course.data import digits
>>> x_0, schedule = digits(), Schedule.linear(T=1000)
>>> x_t, eps = marginal.sample(x_0, t=500, schedule=schedule)
>>> x_t.shape
torch.Size([1437, 1, 8, 8])
"""

from ddpm_course import forward, gaussian, loss, marginal, reverse
from ddpm_course.gaussian import Gaussian
from ddpm_course.schedule import Schedule
from ddpm_course.unet import UNet, UNetConfig

__all__ = [
    "Gaussian",
    "Schedule",
    "UNet",
    "UNetConfig",
    "forward",
    "gaussian",
    "loss",
    "marginal",
    "reverse",
]
__version__ = "0.1.0"
