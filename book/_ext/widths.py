"""How wide MathJax will set a formula, known while the book is built: TeX's rules of spacing over
the widths of its letters. A line then keeps the right room for the formula, whatever fonts the
reader has, and no paragraph grows or shrinks by a line once the formula is there (book.css)."""

import re
from dataclasses import dataclass

TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\S")
TEXT = re.compile(r"\\text\{([^{}]*)\}")

# In em; from MathJax's TeX font.
WIDTHS = {
    token: width
    for width, tokens in {
        0.28: r"[ ] , . ; : | ! ' \mid \cdot",
        0.30: "l",
        0.34: "i",
        0.36: r"t \iota",
        0.39: "( )",
        0.41: r"j \epsilon \ell",
        0.43: r"b c \delta \xi",
        0.45: "r",
        0.46: "q",
        0.47: r"e s z \theta \zeta",
        0.48: "g o v",
        0.49: "y",
        0.50: r"p I 0 1 2 3 4 5 6 7 8 9 / \eta \lVert \rVert \Vert \| \{ \} \circ",
        0.52: r"d k \rho \tau",
        0.53: r"a \nu",
        0.55: r"f \gamma \forall",
        0.57: r"u x \beta \pi \sigma \partial",
        0.58: r"h \kappa \lambda",
        0.60: r"n \mu \phi",
        0.62: r"\omega J \chi \Gamma",
        0.64: r"S \alpha",
        0.65: r"\psi \varphi \in",
        0.68: r"L \Lambda",
        0.70: "T",
        0.72: r"w Z \Sigma \Phi \Omega",
        0.75: "A F P",
        0.76: "B C E O R Y",
        0.77: "U V",
        0.78: r"+ - = < > \Theta \Psi \propto \approx \sim \le \ge \leq \geq \ne \times \top "
        r"\odot \pm",
        0.79: "G Q",
        0.83: r"D \Delta \nabla \%",
        0.85: "X",
        0.88: "m",
        0.89: "H K N",
        1.00: r"\infty \to \mapsto",
        1.05: "M W",
        1.17: r"\dots \ldots \cdots",
    }.items()
    for token in tokens.split()
}
UPRIGHT = {
    letter: width
    for width, letters in {
        0.25: ["\\ "],
        0.28: "il",
        0.31: "j",
        0.37: "If",
        0.39: "rst",
        0.44: "cez",
        0.53: "Jkqvxy",
        0.56: "bdhnpuS",
        0.62: "LZ",
        0.67: "EFP",
        0.72: "BCTw",
        0.75: "AHNRUVXY",
        0.78: "DGKOQ",
        0.83: "m",
        0.92: "M",
        1.03: "W",
    }.items()
    for letter in letters
}
BLACKBOARD = {"E": 0.67, "P": 0.61, "R": 0.72}
SCRIPT = {"N": 0.98, "L": 0.69, "U": 0.69, "D": 0.77}
ALPHABETS = {
    r"\mathbb": BLACKBOARD,
    r"\mathcal": SCRIPT,
    r"\mathrm": UPRIGHT,
    r"\operatorname": UPRIGHT,
}
FUNCTIONS = {r"\lim", r"\min", r"\max", r"\log", r"\exp", r"\cos", r"\sin"}
LARGE = {r"\sum": (1.06, 1.44), r"\prod": (0.94, 1.28), r"\int": (0.61, 0.94)}  # in text, displayed
SPACES = {r"\,": 1 / 6, r"\!": -1 / 6, r"\:": 2 / 9, r"\;": 5 / 18, "\\ ": 1 / 4, r"\quad": 1}
ACCENTS = {r"\bar", r"\hat", r"\tilde", r"\dot"}
# How far a letter leans out of its own width: a subscript stands under that.
LEANS = {
    "T": 0.12,
    "f": 0.06,
    "N": 0.09,
    "V": 0.22,
    "F": 0.12,
    "I": 0.06,
    "H": 0.06,
    "K": 0.04,
    "W": 0.1,
}
BRACKETS = {  # in five sizes; the first four are as high as HEIGHTS says
    "(": (0.389, 0.458, 0.597, 0.736, 0.792),
    "[": (0.278, 0.417, 0.472, 0.528, 0.583),
    r"\lVert": (0.5, 0.556, 0.556, 0.556, 0.556),
}
BRACKETS |= {")": BRACKETS["("], "]": BRACKETS["["], r"\rVert": BRACKETS[r"\lVert"]}
HEIGHTS = (1.0, 1.2, 1.8, 2.4)

KINDS = {
    token: kind
    for kind, tokens in {
        "relation": r"= < > : \sim \approx \le \leq \ge \geq \ne \to \mid \propto \in \mapsto",
        "binary": r"+ - \cdot \times \pm \circ \odot",
        "open": r"( [ \{ \lVert",
        "close": r") ] \} ! \rVert",
        "comma": ", ;",
        "inner": r"\dots \ldots \cdots",
    }.items()
    for token in tokens.split()
}
LOW = {*"acemnorsuvwxzgpqy-+=.,:", r"\alpha", r"\epsilon", r"\nu", r"\sigma", r"\tau"}
LOW |= {r"\omega", r"\pi", r"\gamma", r"\eta", r"\mu"}
DEEP = {*"gjpqy", r"\beta", r"\gamma", r"\eta", r"\mu", r"\varphi"}
SCALES = (1, 0.707, 0.5)  # of text, of a script, of a script's script
SCRIPT_SPACE = 0.083


@dataclass
class Atom:
    width: float
    height: float
    kind: str = "letter"


def width(tex: str) -> float:
    r"""How wide ``\(tex\)`` will be, in em of the text around it."""
    words = TEXT.sub(lambda found: r"\mathrm{" + found[1].replace(" ", "\\ ") + "}", tex)
    return _Reader(TOKEN.findall(words)).row(0, False).width


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens[::-1]

    def next(self) -> str:
        return self.tokens.pop() if self.tokens else "}"

    def sees(self, *wanted: str) -> bool:
        return bool(self.tokens) and self.tokens[-1] in wanted

    def row(self, level: int, displayed: bool, end: str = "}") -> Atom:
        atoms = []
        while self.tokens and not self.sees(end):
            if self.sees(r"\displaystyle"):
                self.next()
                displayed = True
            else:
                atoms.append(self.scripted(level, displayed))
        return Atom(_joined(atoms, level), max((atom.height for atom in atoms), default=0))

    def argument(self, level: int, displayed: bool) -> Atom:
        if not self.sees("{"):
            return self.atom(self.next(), level, displayed)
        self.next()
        row = self.row(level, displayed)
        self.next()
        return row

    def letters(self, alphabet: dict[str, float], scale: float) -> Atom:
        tokens = [self.next()]
        if tokens == ["{"]:
            tokens = []
            while not self.sees("}"):
                tokens.append(self.next())
            self.next()
        return Atom(scale * sum(alphabet.get(token, 0.5) for token in tokens), 0.7 * scale)

    def scripted(self, level: int, displayed: bool) -> Atom:
        """An atom with what stands above and below it."""
        token = self.next()
        atom = self.atom(token, level, displayed)
        scale, above, below = SCALES[level], 0.0, 0.0
        while self.sees("_", "^", "'"):
            which = self.next()
            if which == "'":
                above += 0.275 * SCALES[1] * scale
                continue
            script = self.argument(min(level + 1, 2), False).width
            if which == "_":
                below = script
                atom.height += 0.15 * scale
            else:
                above = script
                atom.height += 0.2 * scale
        if not (above or below):
            return atom
        if displayed and (token in (r"\sum", r"\prod", r"\lim", r"\min", r"\max")):
            return Atom(max(atom.width, above, below), atom.height + 1.2, atom.kind)
        atom.width += max(below - LEANS.get(token, 0) * scale, above) + SCRIPT_SPACE * scale
        return atom

    def atom(self, token: str, level: int, displayed: bool) -> Atom:
        scale = SCALES[level]
        if token in SPACES:
            return Atom(SPACES[token] * scale, 0, "space")
        if token == "{":
            self.tokens.append(token)
            return self.argument(level, displayed)
        if token in (r"\frac", r"\tfrac"):
            full = displayed and token == r"\frac"
            inner = level if full else min(level + 1, 2)
            top, bottom = self.argument(inner, False), self.argument(inner, False)
            height = top.height + bottom.height + (0.5 if full else 0.3) * scale
            return Atom(max(top.width, bottom.width) + 0.2 * scale + 0.24, height)
        if token == r"\sqrt":
            inside = self.argument(level, displayed)
            sign = 0.853 if inside.height <= 0.9 * scale else 1.02
            return Atom(inside.width + sign * scale, inside.height + 0.2 * scale)
        if token in ACCENTS:
            below = self.argument(level, False)
            return Atom(below.width, below.height + 0.2 * scale)
        if token == r"\class":
            self.argument(level, False)
            return self.argument(level, displayed)
        if token == r"\big":
            return Atom(BRACKETS[self.next()][1] * scale, 1.2 * scale)
        if token in ALPHABETS:
            name = self.letters(ALPHABETS[token], scale)
            name.kind = "function" if token == r"\operatorname" else "letter"
            return name
        if token in FUNCTIONS:
            return Atom(
                scale * sum(UPRIGHT.get(letter, 0.5) for letter in token[1:]),
                0.7 * scale,
                "function",
            )
        if token in LARGE:
            return Atom(
                LARGE[token][displayed] * scale, (1.4 if displayed else 1) * scale, "function"
            )
        if token == r"\left":
            left, inside = self.next(), self.row(level, displayed, r"\right")
            self.next()
            right = self.next()
            needed = max(0.901 * inside.height, inside.height - 0.5 * scale) / scale
            size = sum(needed > height for height in HEIGHTS)
            brackets = sum(BRACKETS.get(one, BRACKETS["["])[size] for one in (left, right))
            return Atom(inside.width + brackets * scale, max(inside.height, scale), "inner")
        height = 1 if token in "()[]/" else 0.45 if token in LOW else 0.7
        return Atom(
            WIDTHS.get(token, 0.55) * scale,
            (height + 0.2 * (token in DEEP)) * scale,
            KINDS.get(token, "letter"),
        )


def _joined(atoms: list[Atom], level: int) -> float:
    """The width of atoms in a row, with the space that TeX puts between them."""
    inked = [atom for atom in atoms if atom.kind != "space"]
    kinds = [atom.kind for atom in inked]
    for i, kind in enumerate(kinds):  # a sign, not an operation
        before = kinds[i - 1] if i else "open"
        after = kinds[i + 1] if i + 1 < len(kinds) else "close"
        no_left = before in ("binary", "relation", "open", "comma", "function")
        if kind == "binary" and (no_left or after in ("relation", "close", "comma")):
            kinds[i] = "letter"
    gaps = sum(_gap(before, after, level) for before, after in zip(kinds, kinds[1:], strict=False))
    return sum(atom.width for atom in atoms) + gaps


def _gap(before: str, after: str, level: int) -> float:
    """The TeXbook, chapter 18, in em."""
    pair = (before, after)
    if before == "function" and after in ("letter", "function"):
        return 1 / 6
    if after == "function" and before in ("letter", "function", "close", "inner"):
        return 1 / 6
    if level:
        return 0
    if "binary" in pair:
        return 2 / 9
    if (before == "relation") != (after == "relation"):
        return 5 / 18
    if before == "comma" or ("inner" in pair and before != "open" and after != "close"):
        return 1 / 6
    return 0
