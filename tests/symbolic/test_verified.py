"""What a notebook shows of a claim that holds: each line with its witnesses."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from ddpm_course.symbolic import CLAIMS, ClaimError, claim, kernel
from ddpm_course.symbolic.claim import DEFINITION


class Table(HTMLParser):
    """The cells of the table, row by row; it fails where a tag is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_each_line_has_its_witnesses_in_the_table() -> None:
    made = claim("marginal.variance")
    head, *rows = Table(made.verify()._repr_html_()).rows
    assert head == ["Line", "Reason", "Witnesses"]
    said = list(made.rows())
    assert len(rows) == len(said)
    for (math, reason, witnesses), row in zip(rows, said, strict=True):
        assert row.rhs in math
        assert reason == row.reason
        assert re.fullmatch(r"algebra, \d{3} worlds, kernel of Coq", witnesses)


def test_text_form_says_the_same() -> None:
    made = claim("loss.mean-error")
    text = repr(made.verify())
    assert text.startswith("loss.mean-error: 3 lines hold.\nAssuming: ")
    for row in made.rows():
        assert row.rhs in text
        assert row.reason in text


def test_only_what_the_kernel_checked_says_so() -> None:
    for name in ("forward.gaussian-integral", "marginal.alpha", "loss.elbo", "marginal.mean"):
        made = CLAIMS[name]
        steps = [(step, True, n) for n, step in enumerate(made.base.steps if made.base else ())]
        steps += [(step, False, n) for n, step in enumerate(made.steps)]
        for (step, base, number), line in zip(steps, made.verify().lines, strict=True):
            by_kernel = kernel.checked(made, number, base)
            assert ("kernel of Coq" in line.witnesses) == by_kernel
            assert ("chosen" in line.witnesses) == (step.by is DEFINITION)


def test_signs_of_html_are_not_read_as_tags() -> None:
    shown = claim("marginal.snr-decreases").verify()._repr_html_()  # a claim with <
    assert "&lt; 0" in shown
    Table(shown)


def test_notebook_shows_what_does_not_hold_and_no_program() -> None:
    """IPython asks an error for its own form, and shows that alone."""
    made = claim("marginal.variance")
    with pytest.raises(ClaimError) as caught:
        made.with_step(1, 2 * made.steps[1].expr).verify()
    (shown,) = caught.value._render_traceback_()
    assert shown == f"ClaimError: {caught.value}"
    assert shown.startswith("ClaimError: marginal.variance: step 2 of 5")
