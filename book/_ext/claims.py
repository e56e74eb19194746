"""The book's displayed mathematics: directives that typeset claims and nothing else.

    ```{claim} marginal.variance        the numbered equation, with a mark that links to its proof;
    ```                                 {eq}`marginal.variance` refers to it

    ```{derivation} marginal.variance   its steps, aligned, with their reasons
    ```

    ```{ledger}                         every claim, how it is known, and what computes it
    ```

    ```{kernel} marginal.variance 5     a step of a claim, and what Coq's kernel checked of it
    ```

``{claim}`` with the option ``:again:`` shows an equation that is numbered elsewhere once more; with
``:colored:`` it gives x_0, x_t, ε and x̂_0 the colors that they have in the figures (live.css).
So do the captions of the figures that the page computes: there the letters are the legend.

All claims are proved when the build begins. What was proved is remembered beside the doctrees, by
the content of the package, so that the next build proves only after a change.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, ClassVar

import sympy
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from widths import width

from ddpm_course import symbolic
from ddpm_course.symbolic import kernel
from ddpm_course.symbolic.citing import BY_HEART
from ddpm_course.symbolic.printing import latex

logger = logging.getLogger(__name__)

PACKAGE = Path(symbolic.__file__).parent
LEDGER = "ledger"  # the page that holds {ledger}
# What a sentence says in code: `flow.path`, or snake_case.
CODE = re.compile(r"`?((?<=`)[\w.]+(?=`)|\b[a-z]{2,}(?:_[a-z]{2,})+\b)`?")


class ClaimFailure(SphinxError):
    """A page asks for a claim that is not there, or a claim does not hold: the build stops."""

    category = "Claim error"


class part(nodes.TextElement):
    """A piece of HTML around mathematics: a tag, its classes and its attributes."""


class mark(nodes.Element):
    """The mark beside a claim; it becomes a link to the claim's row in the ledger."""


class use(nodes.Element):
    """A claim that a step applies; it becomes the number of its equation, where it has one."""


def anchor(name: str) -> str:
    """The id of a claim's row in the ledger."""
    return nodes.make_id(f"claim-{name}")


def reason_nodes(reason: str) -> list[nodes.Node]:
    """A sentence with inline mathematics between dollar signs."""
    return [
        nodes.math("", piece) if n % 2 else nodes.Text(piece)
        for n, piece in enumerate(reason.split("$"))
        if piece
    ]


def sentence(text: str) -> nodes.paragraph:
    """A paragraph with inline mathematics, and with names of code as code."""
    out = nodes.paragraph()
    for node in reason_nodes(text):
        if isinstance(node, nodes.math):
            out += node
            continue
        for n, piece in enumerate(CODE.split(node.astext())):
            out += nodes.literal(piece, piece) if n % 2 else nodes.Text(piece)
    return out


def div(cls: str, *children: nodes.Node, tag: str = "div", **attributes: str) -> part:
    """An element around its children."""
    node = part("", tag=tag, html={"class": cls, **attributes})
    node.extend(children)
    return node


class OfClaim(SphinxDirective):
    """What {claim} and {derivation} share: the look-up of a name."""

    required_arguments = 1
    has_content = False

    def claim(self) -> symbolic.Claim:
        for source in PACKAGE.rglob("*.py"):
            self.env.note_dependency(str(source))
        try:
            return symbolic.claim(self.arguments[0])
        except ValueError as error:
            source, line = self.get_source_info()
            raise ClaimFailure(f"{source}:{line}: {error}") from None

    def math_block(self, latex: str) -> nodes.math_block:
        node = nodes.math_block(latex, latex, nowrap=False, number=None, docname=self.env.docname)
        self.set_source_info(node)
        return node


class ClaimDirective(OfClaim):
    """{claim}: the equation, numbered, with the mark of its proof."""

    option_spec: ClassVar[dict[str, Any]] = {
        "again": directives.flag,
        "colored": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        claim = self.claim()
        block = self.math_block(claim.latex())
        look = "claim claim-colored" if "colored" in self.options else "claim"
        if "again" in self.options:
            number = use("", label=claim.name)
            number["always"] = True
            return [div(f"{look} claim-again", block, number, mark("", label=claim.name))]
        block["label"] = claim.name
        domain = self.env.get_domain("math")
        domain.note_equation(self.env.docname, claim.name, location=block)
        block["number"] = domain.get_equation_number_for(claim.name)
        identifier = nodes.make_id(f"equation-{claim.name}")
        block["ids"].append(identifier)
        self.state.document.note_explicit_target(block)
        return [div(look, block, mark("", label=claim.name))]


COLORED = re.compile(r'<div class="claim claim-colored.*?\\\[(.*?)\\\]', re.DOTALL)
CAPTION = re.compile(r'<div class="live".*?<figcaption>(.*?)</figcaption>', re.DOTALL)
INLINE = re.compile(r"\\\((.*?)\\\)", re.DOTALL)
QUANTITY = re.compile(
    r"(?P<x0hat>\\hat x_0)|(?P<x0>x_0)|(?P<xt>x_(?:[tsu](?![a-z])|\{t-[12]\}))"
    r"|(?P<eps>\\hat\\epsilon|\\epsilon(?:_(?:\\theta|t|\{t-1\}))?)"
)


def color(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Put the quantities of the displays that ask for it, and of live figures' captions, into
    classes. This comes last: what is proved, read back and searched is the text without them."""

    def colored(found: re.Match[str]) -> str:
        said = QUANTITY.sub(lambda one: rf"\class{{of-{one.lastgroup}}}{{{one[0]}}}", found[1])
        return found[0].replace(found[1], said)

    def captioned(found: re.Match[str]) -> str:
        return found[0].replace(found[1], INLINE.sub(colored, found[1]))

    if "body" in context:
        context["body"] = CAPTION.sub(captioned, COLORED.sub(colored, context["body"]))


class DerivationDirective(OfClaim):
    """{derivation}: the steps of a claim, one below the other, their reasons at the side."""

    def run(self) -> list[nodes.Node]:
        claim = self.claim()
        body = div(
            "derivation",
            role="group",
            **{"aria-label": f"Derivation, step by step, of {claim.name}"},
        )
        # A long left side would push the steps off the page: it gets a line of its own.
        if max(width(rf"\displaystyle {row.lhs}") for row in claim.rows()) > 7.5:  # em
            body["html"]["class"] += " derivation-long"
        if claim.conditions:
            body += div("derivation-assuming", *assumed(claim))
        steps = [*(claim.base.steps if claim.base else ()), *claim.steps]
        for row, step in zip(claim.rows(), steps):
            if row.lhs:
                body += div("derivation-lhs", nodes.math("", rf"\displaystyle {row.lhs}"))
            rhs = rf"\displaystyle {{}} {row.relation} {row.rhs}"
            reason = div("derivation-reason", *reason_nodes(row.reason))
            for name in claim.names_of(step):
                reason += use("", label=name)
            # The reason stands at the side where there is room, and otherwise below.
            body += div("derivation-row", div("derivation-step", nodes.math("", rhs)), reason)
        return [body]


class KernelDirective(OfClaim):
    """{kernel}: a step as it stands in the book, and as the statement that the kernel checked."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        claim, number = self.claim(), int(self.arguments[1]) - 1
        if not kernel.checked(claim, number):
            source, line = self.get_source_info()
            raise ClaimFailure(
                f"{source}:{line}: Coq's kernel did not check {claim.name}, {number}."
            )
        before = claim.steps[number - 1].expr if number else claim.lhs
        step = claim.steps[number]
        said = f"{latex(before)} {step.relation} {latex(step.expr)}"
        statement = kernel.statement(claim, number).says
        return [self.math_block(said), nodes.literal_block(statement, statement, language="coq")]


class LedgerDirective(SphinxDirective):
    """{ledger}: all claims."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        from ddpm_course import ledger

        for source in PACKAGE.parent.rglob("*.py"):
            self.env.note_dependency(str(source))
        every = list(symbolic.CLAIMS.values())
        out: list[nodes.Node] = [nodes.paragraph("", kernel.counts(every))]
        entries = {entry.name: entry for entry in ledger.entries(prove=False)}
        bad = [entry for entry in entries.values() if entry.wrong]
        if bad:
            raise ClaimFailure("\n".join(f"{entry.name}: {entry.wrong}" for entry in bad))
        for chapter in dict.fromkeys(claim.chapter for claim in symbolic.CLAIMS.values()):
            words = {"unet": "U-Net"}.get(chapter, chapter.replace("_", " ").capitalize())
            section = nodes.section("", nodes.title("", words), ids=[f"ledger-{chapter}"])
            for claim in symbolic.CLAIMS.values():
                if claim.chapter == chapter:
                    section += self._row(claim, entries[claim.name])
            out.append(section)
        return out

    @staticmethod
    def _row(claim: symbolic.Claim, entry: Any) -> nodes.Node:
        """A claim as wide as the page, and below it what is known of it, each under its name."""
        name = nodes.paragraph("", "", nodes.literal(claim.name, claim.name))
        equation = nodes.paragraph("", "", nodes.math("", claim.latex()), use("", label=claim.name))
        said = assumed(claim) if claim.conditions else []
        how = f"{kernel.mark(claim)} {', '.join(claim.kinds)}"
        done, asked = kernel.count(claim)
        if asked:
            how += f"; kernel: {done} of {asked} {'step' if asked == 1 else 'steps'}"
        if claim.rests_on_cases:
            how += f"; rests on {', '.join(claim.rests_on_cases)}"
        known = [nodes.paragraph("", how)]
        known += [sentence(f"Checked: {one.says}") for one in claim.checks]
        known += [sentence(one) for one in claim.cases]
        if claim.name in BY_HEART:
            why = f"A step may cite it for the reader alone: {BY_HEART[claim.name]}."
            known.append(sentence(why))
        computed = sentence(f"No function: {claim.uncomputed}" if claim.uncomputed else "")
        for number, function in enumerate(entry.functions):
            computed += [nodes.Text(", " if number else ""), _reference(function)]
        fields = [("How it is known", known), ("Computed by", [computed])]
        if entry.error is not None:
            error = f"{entry.error:.1e}" if entry.error else "0"
            fields.append(("Largest relative error", [nodes.paragraph("", error)]))
        about = nodes.field_list("", *(_field(label, body) for label, body in fields))
        row = div("ledger-row", name, equation, *said, about)
        row["ids"] = [anchor(claim.name)]
        return row


MARKS = {
    "⊢": "Checked by the kernel of Coq, down to the definitions",
    "✓": "Proved",
    "◇": "Known on cases, at least in one step",
    "≔": "A definition",
}


def assumed(claim: symbolic.Claim) -> list[nodes.Node]:
    """What the claim assumes, as a sentence."""
    return [sentence("Assuming " + "; ".join(claim.conditions) + ".")]


def _reference(name: str) -> nodes.Node:
    """The name of a function of the package, as a link to the reference where that has it."""
    link = addnodes.pending_xref(
        "", nodes.literal(name, name), refdomain="py", reftype="obj", reftarget=name
    )
    link["refspecific"] = True  # also where only the end of the full name is given
    return link


def _field(label: str, body: list[nodes.Node]) -> nodes.Node:
    return nodes.field("", nodes.field_name("", label), nodes.field_body("", *body))


class Resolve(SphinxPostTransform):
    """Marks become links to the ledger, uses become numbers of equations."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        domain = self.env.get_domain("math")
        document = self.env.docname
        for node in list(self.document.findall(mark)):
            name = node["label"]
            claim = symbolic.claim(name)
            how, sign = ", ".join(claim.kinds), kernel.mark(claim)
            if LEDGER in self.env.found_docs:
                uri = self.app.builder.get_relative_uri(document, LEDGER) + "#" + anchor(name)
                link = nodes.reference("", sign, refuri=uri, internal=True, classes=["claim-mark"])
                link["reftitle"] = f"{MARKS[sign]} ({how}). See its row in the ledger"
                node.replace_self(nodes.paragraph("", "", link, classes=["claim-mark-line"]))
            else:
                node.parent.remove(node)
        for node in list(self.document.findall(use)):
            name = node["label"]
            shown = domain.equations.get(name)  # type: ignore[attr-defined]
            if shown is None:
                node.parent.remove(node)
                continue
            text = nodes.literal("", name)
            reference = domain.resolve_xref(
                self.env, document, self.app.builder, "eq", name, node, text
            )
            node.replace_self([nodes.Text(" "), reference])


def visit_part(self: Any, node: part) -> None:
    attributes = {k: v for k, v in node["html"].items() if k != "class"}
    self.body.append(
        self.starttag(node, node["tag"], "", CLASS=node["html"]["class"], **attributes)
    )


def depart_part(self: Any, node: part) -> None:
    self.body.append(f"</{node['tag']}>\n")


def _pass(self: Any, node: nodes.Node) -> None:
    """Other writers take what is inside."""


def fingerprint() -> str:
    """What the proofs depend on: the symbolic package, word for word, and SymPy."""
    digest = hashlib.sha256(sympy.__version__.encode())
    for source in sorted(PACKAGE.rglob("*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()


def prove(app: Sphinx) -> None:
    """Prove every claim, unless this very package was proved by an earlier build."""
    memory = Path(app.doctreedir) / "claims.json"
    now = fingerprint()
    try:
        if json.loads(memory.read_text())["proved"] == now:
            return
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing is remembered: prove
    logger.info("proving %d claims", len(symbolic.CLAIMS))
    wrong = symbolic.verify()
    if wrong:
        raise ClaimFailure("\n\n".join(wrong.values()))
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(json.dumps({"proved": now}))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("claim", ClaimDirective)
    app.add_directive("derivation", DerivationDirective)
    app.add_directive("ledger", LedgerDirective)
    app.add_directive("kernel", KernelDirective)
    app.add_node(part, html=(visit_part, depart_part), latex=(_pass, _pass), text=(_pass, _pass))
    app.add_node(mark)
    app.add_node(use)
    app.add_post_transform(Resolve)
    app.connect("builder-inited", prove)
    app.connect("html-page-context", color, priority=800)  # after the room was told (lighten.py)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
