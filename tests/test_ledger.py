"""The ledger: claims and functions agree, and a disagreement is reported."""

from __future__ import annotations

import io
import re

import pytest
import sympy as sp
import torch

from ddpm_course import Schedule, gaussian, ledger, marginal
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic.notation import Normal, Run, as_written


@pytest.fixture(scope="module")
def among() -> list[ledger.Setting]:
    """The settings, with all that the bindings ask of the package in them."""
    return list(ledger.settings())


@pytest.mark.parametrize("name", ledger.BINDINGS)
def test_function_computes_the_claim_at_every_t(name: str, among: list[ledger.Setting]) -> None:
    assert ledger.largest_error(CLAIMS[name], among) <= ledger.BINDINGS[name].tolerance


@pytest.mark.parametrize("name", ledger.BINDINGS)
def test_binding_reads_its_claim(name: str, among: list[ledger.Setting]) -> None:
    """Another right side, three times as large and one more, is noticed."""
    claim = CLAIMS[name]
    with as_written():
        if isinstance(claim.rhs, Normal):
            at, mean, var, identity = claim.rhs.args
            wrong = Normal(at, 3 * mean + 1, 3 * var + 1, identity)
        elif isinstance(claim.rhs, sp.Tuple):
            wrong = sp.Tuple(*(Run(3 * run.args[0] + 1, *run.args[1:]) for run in claim.rhs))
        else:
            wrong = 3 * claim.rhs + 1
    changed = claim.with_step(-1, wrong)
    accepted = ledger.BINDINGS[name].tolerance
    assert not ledger.largest_error(changed, among, stop=accepted) <= accepted


def test_every_claim_is_computed_or_says_why_not() -> None:
    """A function or a sentence, and never both."""
    bound = set(ledger.BINDINGS)
    silent = [name for name, one in CLAIMS.items() if name not in bound and not one.uncomputed]
    both = [name for name, one in CLAIMS.items() if name in bound and one.uncomputed]
    assert (silent, both, bound - set(CLAIMS)) == ([], [], set())
    said = [one.uncomputed for one in CLAIMS.values() if one.uncomputed]
    assert all(sentence.endswith(".") and len(sentence.split()) > 6 for sentence in said)
    for sentence in said:  # where it sends the reader to another claim, that one is bound
        for name in re.findall(r"bound at ([a-z]+\.[\w-]+)", sentence):
            assert name in bound, sentence


def test_only_what_computes_in_float32_has_a_tolerance_of_its_own() -> None:
    wider = {name for name, one in ledger.BINDINGS.items() if one.tolerance != ledger.TOLERANCE}
    assert wider == {"unet.frequencies", "unet.embedding", "unet.embedding-shift"}


def test_binding_that_never_reads_its_claim_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    idle = ledger.Binding(("marginal.sample",), lambda claim, s: iter([(s.eps, s.eps)]))
    monkeypatch.setitem(ledger.BINDINGS, "marginal.sample", idle)
    with pytest.raises(ValueError, match=r"marginal\.sample is bound .* never reads it"):
        ledger.largest_error(CLAIMS["marginal.sample"])


def test_what_is_shared_is_asked_of_the_package_once() -> None:
    setting = next(ledger.settings())
    asked: list[int] = []
    for _ in range(2):
        assert setting.once("a name", lambda: asked.append(1) or "made") == "made"
    assert asked == [1]
    assert next(ledger.settings()).once("a name", lambda: "anew") == "anew"


def test_error_is_relative_to_each_row() -> None:
    said = torch.tensor([[1.0, 100.0], [0.0, 0.0]]).double()
    found = said + torch.tensor([[1.0, 0.0], [0.0, 0.0]]).double()
    assert ledger.relative_error(found, said) == pytest.approx(0.01)
    assert ledger.relative_error(said + 1e-9, said) == float("inf")  # 0 has no relative error
    assert ledger.relative_error(torch.full((1, 1), float("nan")), said[:1]) == float("inf")


def test_broken_function_fails_the_ledger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variance with a root: the first error in the list of misconceptions."""
    right = marginal.given_x0

    def with_root(x_0: torch.Tensor, t: torch.Tensor, schedule: Schedule) -> gaussian.Gaussian:
        q = right(x_0, t, schedule)
        return q._replace(var=q.var.sqrt())

    names = ("marginal.variance", "marginal.mean", "forward.transition")
    monkeypatch.setattr(ledger, "CLAIMS", {name: CLAIMS[name] for name in names})
    monkeypatch.setattr(marginal, "given_x0", with_root)
    out = io.StringIO()
    assert ledger.main(out) == 1
    assert "fails  marginal.variance" in out.getvalue()
    assert "holds  marginal.mean" in out.getvalue()
    assert "2 of 3 claims hold" in out.getvalue()
    assert "marginal.variance: marginal.given_x0 differs from the claim" in capsys.readouterr().err


def test_broken_proof_fails_the_ledger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = CLAIMS["marginal.alpha-bar-step"]
    broken = claim.with_step(1, -claim.steps[1].expr)
    monkeypatch.setattr(ledger, "CLAIMS", {claim.name: broken})
    assert ledger.main(io.StringIO()) == 1
    assert "step 2 of 3 (take the last factor out) does not follow" in capsys.readouterr().err


def test_whole_ledger_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("marginal.alpha", "marginal.sample")
    monkeypatch.setattr(ledger, "CLAIMS", {name: CLAIMS[name] for name in names})
    out = io.StringIO()
    assert ledger.main(out) == 0
    assert "2 of 2 claims hold; 2 are computed by functions of the package" in out.getvalue()
