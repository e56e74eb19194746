"""Subscripts in running text are set below the line; nothing else changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "book" / "_ext"))

import subscripts


@pytest.mark.parametrize(
    ("written", "set_as"),
    [
        ("x_0", "x<sub>0</sub>"),
        ("given x_499.", "given x<sub>499</sub>."),
        ("ᾱ_t and α\u0304_{t-1}", "ᾱ<sub>t</sub> and α\u0304<sub>t-1</sub>"),
        ("√ᾱ_t x̂_0", "√ᾱ<sub>t</sub> x̂<sub>0</sub>"),
        ("σ_t² I", "σ<sub>t</sub>² I"),
        ("ε_θ(x_t, t)", "ε<sub>θ</sub>(x<sub>t</sub>, t)"),
        ("dx_u/du", "dx<sub>u</sub>/du"),
        ("L_simple = 1", "L<sub>simple</sub> = 1"),
    ],
)
def test_a_letter_and_what_stands_below_it(written: str, set_as: str) -> None:
    assert subscripts.lowered(f"<p>{written}</p>") == f"<p>{set_as}</p>"


@pytest.mark.parametrize(
    "kept",
    [
        "<p>beta_t, x_prev, clip_x0, x0_hat, some_x_0, x_0[i] and batch_size</p>",
        "<p>https://a.org/arc-agi_3, NECO_a_00142, read_from</p>",
        '<p><code class="x"><span>x_0</span></code></p><pre>x_0 = x_t</pre>',
        '<a title="x_0 of ᾱ_t" href="#a_b">here</a>',
        r'<span class="math notranslate">\(x_0\)</span>',
        r'<div class="output math notranslate">\[\operatorname{Var}[x_t]\]</div>',
        r'<div class="math notranslate" id="x_1"><span class="eqno">(1)</span>\[x_0\]</div>',
        "<li><strong>x_0</strong> (a tensor)</li>",
        "<script>x_0 < x_1</script>",
    ],
)
def test_names_code_and_formulas_stay(kept: str) -> None:
    assert subscripts.lowered(kept) == kept


def test_what_is_kept_ends_where_it_ends() -> None:
    body = r'<code>x_0</code> x_0 <span class="math">\(x_1\)</span> x_1 <strong>x_t</strong> x_t'
    assert subscripts.lowered(body) == (
        r'<code>x_0</code> x<sub>0</sub> <span class="math">\(x_1\)</span> x<sub>1</sub> '
        "<strong>x_t</strong> x<sub>t</sub>"
    )
