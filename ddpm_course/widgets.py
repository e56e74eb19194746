"""Figures with a slider: alive in JupyterLab, and in the built book without kernel or network."""

from __future__ import annotations

import base64
import html
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from ddpm_course import plots

if TYPE_CHECKING:
    import ipywidgets
    from matplotlib.figure import Figure

__all__ = ["Explorer", "Frame"]

Value = str | int | float

# Every frame is drawn before anything is shown and travels inside the page: both have a price.
MOST_FRAMES = 150
SHARPNESS = 150  # dots per inch, more than is shown, for screens with fine pixels
SWEEP_MS = (
    9000  # how long Play takes from one end to the other, where that is neither hasty nor slow
)


class Frame(NamedTuple):
    """One setting of an explorer: its picture, as a PNG in a data URI, and the same in words."""

    picture: str
    words: str


class Explorer:
    """A figure for each setting of one or two controls.

    A list of words becomes a menu, a list of numbers a slider; a button plays the last slider.
    Where a kernel's front end shows widgets, it is a widget; anywhere else, HTML that needs
    nothing but itself: no kernel, no network, no library. Both show the same frames.

        Explorer(draw, describe, cloud=["moons", "roll"], step_t=range(9))

    Args:
        draw: called with one value of each control, in their order; returns a matplotlib figure,
            of the same size for every setting.
        describe: called like ``draw``; says in words what that figure shows. It is the picture's
            text alternative: what a reader gets who cannot see the picture.
        start: one value of each control, in their order: what is shown first, and on paper. The
            first of each when left out.
        controls: a name, shown as the label with spaces for underscores, and its values: at least
            two, all words or all numbers. (For a label that is no Python name: ``**{"ᾱ": ...}``.)

    Raises:
        ValueError: the controls cannot be shown; or, when it is first shown, ``draw`` or
            ``describe`` gave something else than a figure and a description.
    """

    def __init__(
        self,
        draw: Callable[..., Figure],
        describe: Callable[..., str],
        start: Sequence[Value] | None = None,
        **controls: Iterable[Value],
    ) -> None:
        for name, function in (("draw", draw), ("describe", describe)):
            if not callable(function):
                raise ValueError(
                    f"{name} is {function!r}; give a function that takes one value a control."
                )
        self.draw, self.describe = draw, describe
        self.controls = _checked(controls)
        self.start = _places(start, self.controls)

    @cached_property
    def frames(self) -> dict[tuple[Value, ...], Frame]:
        """The frame of every setting; the last control changes fastest. Drawn once."""
        frames, sizes = {}, {}
        self._drawing = True  # lines and words alone: the book shows them on its own ground
        self._letters = math.inf  # of the smallest words, in points, where the book asks for them
        for setting in itertools.product(*self.controls.values()):
            figure = self.draw(*setting)
            picture, sizes[setting], letters = _picture(figure, setting)
            self._drawing &= plots.is_drawing(figure)
            self._letters = min(self._letters, letters or math.inf)
            words = self.describe(*setting)
            if not isinstance(words, str) or len(words.split()) < 3:
                raise ValueError(
                    f"describe{setting} gave {words!r}; say what the figure shows, in a sentence."
                )
            frames[setting] = Frame(picture, words)
        (first, size), *others = sizes.items()
        for setting, other in others:
            if other != size:
                raise ValueError(
                    f"draw{setting} gave a figure of {other} pixels, draw{first} one of {size}; "
                    "the page would jump: draw every setting at the same figsize."
                )
        self._size = size
        return frames

    @property
    def _played(self) -> str | None:
        """The control that the play button moves: the last slider."""
        sliders = [name for name, values in self.controls.items() if not _are_words(values)]
        return sliders[-1] if sliders else None

    def _frame(self, places: Sequence[int]) -> int:
        """The number of a frame, from the places of its values in their controls."""
        number = 0
        for values, place in zip(self.controls.values(), places, strict=True):
            number = number * len(values) + place
        return number

    def html(self) -> str:
        """A self-contained piece of HTML: one frame, controls, and a script to move them."""
        frames = list(self.frames.values())
        width, height = self._size
        settings = "".join(
            _menu(name, values, place)
            if _are_words(values)
            else _slider(name, values, place, name == self._played)
            for (name, values), place in zip(self.controls.items(), self.start, strict=True)
        )
        seen = self._frame(self.start)
        first = f' data-first="{seen}"' if seen else ""
        name = html.escape("Explorer: " + " and ".join(map(_label, self.controls)))
        # Inside a script, only "<" could end it. What is seen first is in the page already.
        others = [f.picture for number, f in enumerate(frames) if number != seen]
        data = json.dumps([others, [f.words for f in frames]])
        data = data.replace("<", r"\u003c")
        drawn = " data-drawing" if self._drawing else ""
        if self._letters < math.inf:
            drawn += f' data-letters="{self._letters:g}"'
        image = _image(frames[seen], f'width="{width}" height="{height}" decoding="sync"{drawn}')
        return (
            f'<div class="explorer" role="group" aria-label="{name}"{first}>'
            f"<style>{_asset('explorer.css')}</style>"
            f"{image}"
            f'<div class="explorer-settings" hidden>{settings}</div>'
            '<p class="explorer-said" role="status"></p>'
            f'<script type="application/json">{data}</script>'
            f"<script>{_asset('explorer.js')}</script></div>"
        )

    def widget(self) -> ipywidgets.VBox:
        """The same for JupyterLab, made of ipywidgets."""
        import ipywidgets

        frames = list(self.frames.values())
        picture, inputs = ipywidgets.HTML(), {}
        for (name, values), chosen in zip(self.controls.items(), self.start, strict=True):
            kind = ipywidgets.Dropdown if _are_words(values) else ipywidgets.SelectionSlider
            inputs[name] = kind(
                options=[(_say(value), place) for place, value in enumerate(values)],
                value=chosen,
                description=_label(name),
                style={"description_width": "initial"},
            )

        def show(_: Any = None) -> None:
            place = self._frame([inputs[name].value for name in self.controls])
            picture.value = _image(frames[place], f'width="{self._size[0]}"')

        for part in inputs.values():
            part.observe(show, names="value")
        show()
        row = list(inputs.values())
        if self._played is not None:
            values = self.controls[self._played]
            now = inputs[self._played].value
            play = ipywidgets.Play(value=now, max=len(values) - 1, interval=_interval(values))
            ipywidgets.jslink((play, "value"), (inputs[self._played], "index"))
            row.append(play)
        return ipywidgets.VBox([picture, ipywidgets.HBox(row)])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            **self.widget()._repr_mimebundle_(),
            "text/plain": repr(self),
            "text/html": self.html(),
        }

    def __repr__(self) -> str:
        return f"Explorer({', '.join(f'{n}: {len(v)} values' for n, v in self.controls.items())})"


def _checked(controls: Mapping[str, Iterable[Value]]) -> dict[str, tuple[Value, ...]]:
    checked = {name: tuple(values) for name, values in controls.items()}
    if not 1 <= len(checked) <= 2:
        raise ValueError(
            f"there are {len(checked)} controls ({', '.join(checked)}); give one or two, such as "
            "step_t=range(9)."
        )
    for name, values in checked.items():
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        if not (numbers or _are_words(values)):
            raise ValueError(f"{name} has the values {values}; give all words or all numbers.")
        if len(set(map(_say, values))) < max(2, len(values)):
            raise ValueError(f"{name} has the values {values}; give at least two, all different.")
    count = len(list(itertools.product(*checked.values())))
    if count > MOST_FRAMES:
        raise ValueError(
            f"{' times '.join(checked)} makes {count} frames, each drawn in advance and carried "
            f"in the page; give fewer values, for at most {MOST_FRAMES} frames."
        )
    return checked


def _places(start: Sequence[Value] | None, controls: Mapping[str, tuple[Value, ...]]) -> list[int]:
    """Where each value of ``start`` stands in its control."""
    if start is None:
        return [0] * len(controls)
    if isinstance(start, str) or len(start) != len(controls):
        raise ValueError(
            f"start is {start!r}; give one value a control, for {', '.join(controls)}."
        )
    for value, (name, values) in zip(start, controls.items(), strict=True):
        if value not in values:
            raise ValueError(
                f"start has {value!r} for {name}; choose one of {', '.join(map(_say, values))}."
            )
    return [values.index(value) for value, values in zip(start, controls.values(), strict=True)]


def _are_words(values: tuple[Value, ...]) -> bool:
    return all(isinstance(value, str) for value in values)


def _say(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _interval(values: tuple[Value, ...]) -> int:
    """Milliseconds between two frames of a play."""
    return max(120, min(900, SWEEP_MS // len(values)))


def _picture(figure: Any, setting: tuple[Value, ...]) -> tuple[str, tuple[int, int], float]:
    """The figure as a small PNG in a data URI, its width and height on the page, and for the book
    the size of its smallest words; else 0."""
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    if not isinstance(figure, Figure):
        raise ValueError(f"draw{setting} gave {figure!r}; return the matplotlib figure.")
    width, height = figure.get_size_inches() * figure.dpi
    letters = 0.0
    if os.environ.get(plots.FOR_THE_BOOK):
        letters = plots.enlarge_letters(figure)
        drawn = plots.dots(figure, SHARPNESS, figure.bbox_inches)
        image = plots.without_ground(*drawn, colors=64, always=True)
    else:  # a notebook may lie on any ground
        figure.set_dpi(SHARPNESS)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        image = Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
        few = Image.Quantize.FASTOCTREE
        image = image.convert("RGB").quantize(64, few, dither=Image.Dither.NONE)
    plt.close(figure)  # or the notebook would show it a second time
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    return f"data:image/png;base64,{data}", (round(width), round(height)), letters


def _image(frame: Frame, attributes: str) -> str:
    return f'<img src="{frame.picture}" alt="{html.escape(frame.words)}" {attributes}>'


def _label(name: str) -> str:
    return name.replace("_", " ")


def _slider(name: str, values: tuple[Value, ...], place: int, played: bool) -> str:
    words = [_say(value) for value in values]
    first, last = html.escape(words[place]), len(values) - 1
    return (
        f'<div class="explorer-slider"><label><span>{html.escape(_label(name))}</span>'
        f'<input type="range" max="{last}" value="{place}" aria-valuetext="{first}" '
        f'autocomplete="off" data-values="{html.escape(json.dumps(words))}"></label>'
        f'<output aria-live="off">{first}</output>'
        + f'<button type="button" data-interval="{_interval(values)}">Play</button>' * played
        + "</div>"
    )


def _menu(name: str, values: tuple[Value, ...], place: int) -> str:
    options = "".join(
        f"<option{' selected' * (number == place > 0)}>{html.escape(_say(value))}</option>"
        for number, value in enumerate(values)
    )
    return (
        f"<label><span>{html.escape(_label(name))}</span>"
        f'<select autocomplete="off">{options}</select></label>'
    )


def _asset(name: str) -> str:
    return files("ddpm_course").joinpath("assets", name).read_text(encoding="utf8")
