"""Runs Coq."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .statement import Statement

PRELUDE = Path(__file__).with_name("prelude.v")

# In front of every statement.
HEADER = """\
Require Import Reals Lra Psatz Lia FunctionalExtensionality.
Require Import Prelude.
Open Scope R_scope.
Section Book.
Variable beta : nat -> R.
Hypothesis Hschedule : schedule beta.
Notation alpha := (alpha_of beta).
Notation alpha_bar := (alpha_bar_of beta).
"""

# What Coq's real numbers rest on. Nothing else may stand below a proof.
AXIOMS = {
    "ClassicalDedekindReals.sig_not_dec",
    "ClassicalDedekindReals.sig_forall_dec",
    "FunctionalExtensionality.functional_extensionality_dep",
    "functional_extensionality_dep",
    "Classical_Prop.classic",
}

PATIENCE = 600  # seconds; the whole book takes less than a hundred


class KernelError(Exception):
    """A statement that Coq refuses, or a proof with an axiom too many."""


def found() -> str:
    """Where Coq is; a sentence where it is not."""
    path = shutil.which("coqc")
    if path is None:
        raise ValueError(
            "Coq is not installed (no `coqc` was found), so its kernel can check nothing; install "
            "it (on Debian or Ubuntu: `apt-get install coq`), or leave out --kernel."
        )
    return path


def identifier(name: str) -> str:
    """The name of a statement in Coq: reverse.mean-eps/2 is reverse_mean_eps_2."""
    return re.sub(r"\W", "_", name)


def lemma(name: str, statement: Statement, script: str) -> str:
    return f"Lemma {identifier(name)} :\n{statement.says}.\nProof.\n{script}.\nQed.\n"


def book(lemmas: Mapping[str, tuple[Statement, str]]) -> str:
    """A file of Coq with all statements and their proofs, and what they rest on."""
    parts = [HEADER, *(lemma(name, *one) for name, one in lemmas.items()), "End Book.\n"]
    if lemmas:
        everything = ", ".join(map(identifier, lemmas))
        parts.append(
            f"Definition everything := ({everything}, 0).\nPrint Assumptions everything.\n"
        )
    return "\n".join(parts)


def compile_in(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run coqc on a text, beside the compiled prelude."""
    coqc = found()
    if not (folder / "Prelude.vo").exists():
        (folder / "Prelude.v").write_text(PRELUDE.read_text(encoding="utf8"), encoding="utf8")
        done = _run(coqc, folder, "Prelude.v")
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if line.strip()]
            raise ValueError(
                f"{coqc} cannot read what the proofs begin with (prelude.v): it needs Coq 8.16 or "
                "one that reads the same, with its library of real numbers; "
                + (f"it says: {told[-1].strip()}" if told else "it says nothing")
            )
    (folder / "Book.v").write_text(text, encoding="utf8")
    return _run(coqc, folder, "Book.v")


def _run(coqc: str, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [coqc, "-q", name],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"{coqc} has said nothing for {PATIENCE} seconds, so nothing is known of the proofs; "
            "run it again on a less busy machine, or leave out --kernel."
        ) from None
    except OSError as error:
        raise ValueError(f"{coqc} cannot be started: {error.strerror}.") from None


def check(lemmas: Mapping[str, tuple[Statement, str]]) -> None:
    """Have the kernel check every lemma; raises KernelError at the first that it refuses."""
    text = book(lemmas)
    with tempfile.TemporaryDirectory() as folder:
        done = compile_in(Path(folder), text)
    if done.returncode:
        raise KernelError(_refusal(text, done.stderr, lemmas))
    beyond = axioms(done.stdout) - AXIOMS
    if beyond:
        raise KernelError(f"the proofs rest on more than the axioms of the reals: {sorted(beyond)}")


def axioms(printed: str) -> set[str]:
    """The names that ``Print Assumptions`` lists."""
    return set(re.findall(r"^([A-Za-z_][\w.]*)\s*(?=:|$)", printed, re.MULTILINE)) - {"Axioms"}


def _refusal(text: str, said: str, lemmas: Mapping[str, tuple[Statement, str]]) -> str:
    """Which statement an error of coqc is about."""
    at = re.search(r"line (\d+)", said)
    before = "\n".join(text.splitlines()[: int(at.group(1))]) if at else text
    names = {identifier(name): name for name in lemmas}
    asked = re.findall(r"^Lemma (\w+) :", before, re.MULTILINE)
    if not asked:
        return f"Coq stopped: {said.strip()}"
    name = names[asked[-1]]
    reason = said.split("Error:", 1)[-1].strip()
    return (
        f"{name}: Coq's kernel does not accept this step.\n{lemmas[name][0].says}\n  Coq: {reason}"
    )
