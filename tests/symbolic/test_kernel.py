"""The second prover: what a step says in Coq, what cannot be said, and what the kernel answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import groupby, islice, zip_longest
from pathlib import Path
from typing import Any

import pytest

from ddpm_course.cli import main
from ddpm_course.symbolic import CLAIMS, kernel
from ddpm_course.symbolic.kernel import coq
from ddpm_course.symbolic.kernel.term import Term
from tests.browser import missing
from tests.kernel_mutants import of_statement, twenty
from tests.kernel_worlds import Judge


@pytest.fixture(scope="module")
def coqc() -> None:
    if shutil.which("coqc") is None:
        missing("Coq is not installed (no `coqc`), so its kernel can check nothing here")


@pytest.fixture(scope="module")
def report() -> kernel.Report:
    return kernel.exported(CLAIMS.values())


def test_a_step_of_algebra_is_said_with_its_conditions() -> None:
    one = kernel.statement(CLAIMS["marginal.variance"], 4)
    assert one.says == (
        "forall (t : nat),\n"
        "  (1 <= t)%nat ->\n"
        "  1 - alpha t * alpha_bar (t - 1)%nat = 1 - alpha_bar t"
    )


def test_what_a_step_cites_is_a_hypothesis() -> None:
    said = kernel.statement(CLAIMS["reverse.mean-eps"], 1).says
    assert "x 0%nat = (x t - sqrt (1 - alpha_bar t) * eps) / sqrt (alpha_bar t) ->" in said


def test_a_mean_is_any_linear_functional_with_the_moments_of_the_noise() -> None:
    said = kernel.statement(CLAIMS["marginal.variance"], 1).says
    assert "expectation E_given_0 ->" in said
    assert "E_given_0 (fun w' => eps_at_ t w' * eps_at_ t w') = 1 ->" in said
    assert "E_given_0 (fun w' => X (t - 1)%nat w' * eps_at_ t w') = 0 ->" in said


def test_gauss_s_integral_is_a_condition_and_not_proved_from_itself() -> None:
    report = kernel.exported([CLAIMS["forward.gaussian-integral"]])
    assert not report.statements
    assert len(report.chosen) == 2
    assert not kernel.whole(CLAIMS["forward.gaussian-integral"])


def test_an_induction_is_said_for_every_time() -> None:
    said = kernel.induction(CLAIMS["marginal.variance"]).says
    assert said.endswith(
        "forall t, (1 <= t)%nat -> variance E_given_0 (fun w' => X t w') = 1 - alpha_bar t"
    )
    assert "(forall t, (2 <= t)%nat -> E_given_0 (fun w' => eps_at_ t w') = 0) ->" in said
    with pytest.raises(kernel.Refused, match="no induction"):
        kernel.induction(CLAIMS["marginal.snr"])


def test_a_name_that_a_binder_has_is_no_letter() -> None:
    """The y of ∫ ... du and the letter y of the claim stay two."""
    said = kernel.statement(CLAIMS["forward.gaussian-sum"], 0).says
    assert "Int (fun y' => normal y' 0 (a ^ 2) * normal (y - y') 0 (b ^ 2))" in said


def test_a_definition_and_what_has_no_words_in_coq_are_refused() -> None:
    with pytest.raises(kernel.Refused, match="it is a definition"):
        kernel.statement(CLAIMS["marginal.alpha"], 0)
    with pytest.raises(kernel.Refused, match="Limit, which is not said in Coq here"):
        kernel.statement(CLAIMS["marginal.continuous-limit"], 0)


def test_what_was_checked_is_up_to_date(report: kernel.Report) -> None:
    """The file says of exactly these statements that the kernel accepted them."""
    assert kernel.RECORD.read_text(encoding="utf8") == kernel.record(report), (
        "run `ddpm-course verify --kernel`: statements have changed since it ran"
    )


def test_a_step_that_changes_loses_its_mark() -> None:
    claim = CLAIMS["marginal.variance"]
    assert kernel.checked(claim, 4)
    assert not kernel.checked(claim.with_step(4, claim.steps[3].expr), 4)
    assert kernel.whole(claim)
    assert not kernel.whole(CLAIMS["marginal.alpha"])  # nothing to ask


def test_the_counts_are_those_of_the_claims() -> None:
    said = kernel.counts(CLAIMS.values())
    marks = {
        mark: int(number) for number, mark in re.findall(r"(\d+) (?:have the mark )?([⊢✓◇≔])", said)
    }
    assert sum(marks.values()) == len(CLAIMS)
    assert marks["◇"] == sum(claim.mark == "◇" for claim in CLAIMS.values())
    done, every, share = map(
        int, re.findall(r"(\d+) of the (\d+) steps of algebra \((\d+)%", said)[0]
    )
    assert 80 <= share == 100 * done // every


@pytest.mark.parametrize(
    "name",
    [
        *("marginal.mean", "marginal.variance", "marginal.closed-form"),
        *("reverse.posterior-variance", "reverse.posterior-mean", "reverse.mean-eps"),
        *("loss.kl-gaussians", "loss.kl-isotropic"),
        *("beyond.ddim-marginal", "beyond.ddim-variance-step", "beyond.ddim-is-ddpm"),
    ],
)
def test_the_main_claims_are_checked_whole(name: str) -> None:
    assert kernel.whole(CLAIMS[name])


def test_without_coq_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["verify", "--kernel"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Coq is not installed" in err


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("echo 'Error: Cannot find Lra.' >&2; exit 1", "it says: Error: Cannot find Lra."),
        ("exit 1", "it says nothing"),
        ("exec sleep 60", "has said nothing for 1 seconds"),
    ],
    ids=["without its library", "silent", "hangs"],
)
def test_a_coq_that_cannot_do_it_is_told_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    said: str,
) -> None:
    coqc = tmp_path / "coqc"
    coqc.write_text(f"#!/bin/sh\n{program}\n", encoding="utf8")
    coqc.chmod(0o755)
    monkeypatch.setattr(coq, "found", lambda: str(coqc))
    monkeypatch.setattr(coq, "PATIENCE", 1)
    with pytest.raises(ValueError) as stopped:  # which the command tells, and ends with 2
        coq.check({})
    assert said in str(stopped.value)
    assert "\n" not in str(stopped.value)


@pytest.mark.long  # `make test` needs no Coq
@pytest.mark.usefixtures("coqc")
def test_the_kernel_accepts_a_claim_and_refuses_a_false_step() -> None:
    report = kernel.exported([CLAIMS["marginal.variance"]])
    kernel.check(report)
    one = report.statements["marginal.variance/4"]
    wrong = one.changed(Term("neg", (one.left,)), one.relation, one.right)
    with pytest.raises(kernel.KernelError, match="marginal.variance/4: Coq's kernel does not"):
        kernel.check(report._replace(statements={"marginal.variance/4": wrong}))


@pytest.mark.long
@pytest.mark.usefixtures("coqc")
def test_an_axiom_too_many_is_seen() -> None:
    printed = "Axioms:\nBook.mine : forall x : R, x = 0\nClassicalDedekindReals.sig_not_dec\n  : x"
    assert coq.axioms(printed) - coq.AXIOMS == {"Book.mine"}


# -- false variants of what is exported ------------------------------------------------------------


def test_every_statement_is_true_in_worlds_that_meet_its_conditions(report: kernel.Report) -> None:
    """So its conditions can be met, and what Coq is asked is what the letters of the book say."""
    for name, one in report.statements.items():
        judge = Judge(one)
        assert len(judge.worlds) >= 5, name
        truths = list(islice(judge.truths(one), 5))
        assert len(truths) >= 5, name
        assert all(truths), name


@pytest.mark.parametrize(
    ("name", "what", "is_false"),
    [
        ("marginal.variance/5", "right: sign before alpha_bar t", True),
        ("marginal.variance/5", "right: alpha_bar t shifted by 1", True),
        ("marginal.variance/5", "relation <", True),
        # A variance has no sign: that of the noise, or of the whole step, may be turned.
        ("marginal.variance/2", "left: sign before sqrt (1 - alpha t) * eps_at_ t w'", False),
        ("marginal.variance/2", "left: root of 1 - alpha t dropped", True),
        ("marginal.variance/all", "right: alpha_bar t shifted by 1", True),
        ("marginal.variance/all", "left: X t w' shifted by 1", True),
        # Twice what is at least 0 is, too.
        ("reverse.variance-order/5", "left: the whole doubled", False),
        ("reverse.variance-order/5", "left: the whole negated", True),
        ("marginal.snr-decreases/5", "right: the whole and 1", False),
        # An integral over the line does not change when u becomes -u.
        ("forward.gaussian-sum/1", "left: sign before y'", False),
        ("forward.gaussian-sum/1", "left: exponent of b", True),
        # A bell of any variance has the area 1.
        ("loss.decoder-sum/3", "left: exponent of sigma 1%nat", False),
    ],
)
def test_a_variant_is_false_where_it_is(
    name: str, what: str, is_false: bool, report: kernel.Report
) -> None:
    one = report.statements[name]
    assert Judge(one).is_false(dict(of_statement(one))[what]) is is_false


# Each claim is a file of Coq; one of each chapter in turn: a run that is stopped has seen all.
SECONDS = 10  # for a mutant: the slowest proof of the book takes less
RECORDED = json.loads(kernel.RECORD.read_text(encoding="utf8"))["checked"]
CHAPTERS = groupby(
    dict.fromkeys(name.split("/")[0] for name in RECORDED), lambda n: n.split(".")[0]
)
IN_TURN = [
    name for row in zip_longest(*(list(group) for _, group in CHAPTERS)) for name in row if name
]


def attempts(mutants: Mapping[str, kernel.Statement], otherwise: str) -> Iterator[str]:
    """Text of Coq that tries to prove each mutant, and says of each how that ended."""
    for name, mutant in mutants.items():
        try:
            script = kernel.script(mutant)
        except Exception:  # nonsense for SymPy, as the root of what is negative
            script = otherwise
        tried = f'tryif solve [{script}] then idtac "proved {name}" else idtac "refused {name}"'
        yield (
            f"Goal {mutant.says}.\n"
            f'tryif (timeout {SECONDS} ({tried})) then idtac else idtac "stopped {name}".\nAbort.\n'
        )


def outcomes(report: kernel.Report, count: int, folder: Path) -> dict[str, list[str]]:
    """What the kernel proved, refused, or had no time for, of some false variants of each."""
    parts, asked = [coq.HEADER], 0
    for name, one in report.statements.items():
        mutants = {f"{name}, {what}": m for what, m in list(twenty(one).items())[:count]}
        parts += attempts(mutants, kernel.script(one))
        asked += len(mutants)
    done = coq.compile_in(folder, "\n".join([*parts, "End Book."]))
    assert done.returncode == 0, done.stderr
    out = {
        end: re.findall(f"^{end} (.*)$", done.stdout, re.MULTILINE)
        for end in ("proved", "refused", "stopped")
    }
    assert sum(map(len, out.values())) == asked > 0
    return out


@pytest.fixture(scope="module")
def prelude(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which what all statements begin with is compiled once."""
    return tmp_path_factory.mktemp("coq")


@pytest.mark.mutants
@pytest.mark.usefixtures("coqc")
@pytest.mark.parametrize("name", IN_TURN)
def test_the_kernel_refuses_false_variants_of_every_statement(
    name: str, prelude: Path, record_property: Any
) -> None:
    """Each variant gets a proof script of its own."""
    ends = outcomes(kernel.exported([CLAIMS[name]]), 20, prelude)
    numbers = [len(ends[end]) for end in ("proved", "refused", "stopped")]
    record_property("mutants of statements", (sum(numbers), numbers[1]))
    record_property("mutants of statements, out of time", (numbers[2], 0))
    assert ends["proved"] == []


@pytest.mark.long
@pytest.mark.usefixtures("coqc")
def test_the_kernel_refuses_a_false_variant_of_every_chapter(
    report: kernel.Report, prelude: Path
) -> None:
    """One of the last step of each; `make kernel-mutants` tries twenty of all."""
    last = {name.split(".")[0]: name for name in report.statements if not name.endswith("/all")}
    some = {name: report.statements[name] for name in last.values()}
    assert outcomes(report._replace(statements=some), 1, prelude)["proved"] == []
