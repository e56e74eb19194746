"""The package behind the book: DDPM, one module a chapter.

>>> from ddpm_course import Schedule, marginal
>>> from ddpm_course.data import digits
>>> x_0, schedule = digits(), Schedule.linear(T=1000)
>>> x_t, eps = marginal.sample(x_0, t=500, schedule=schedule)
>>> x_t.shape
torch.Size([1437, 1, 8, 8])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
__version__ = "0.1.0"  # the one place that says so

# Loaded when first asked for (PEP 562), so that `ddpm-course --help` need not wait for torch.
_CLASSES = {
    "Gaussian": "gaussian",
    "Schedule": "schedule",
    "UNet": "unet",
    "UNetConfig": "unet",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_CLASSES.get(name, name)}")
    value = globals()[name] = getattr(module, name) if name in _CLASSES else module
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
