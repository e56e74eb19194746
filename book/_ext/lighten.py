"""Make the pages light and still: sizes on pictures, MathJax only where there is mathematics.

A picture that says its size keeps its place before it is there, so that nothing jumps; a formula
keeps about the place that it will take. A picture whose words would be too small on a phone keeps
the width that they need, and scrolls (book.css, scroll.js). What a page does not show it does not
load, and a book that is copied from folder to folder carries only the files that some page can ask
for.
"""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import SphinxError
from widths import width

from ddpm_course.plots import DOTS, least_width, without_ground

IMAGE = re.compile(
    r'<img(?=[^>]*\ssrc="(?:\.\./)*(_images/[^"]+\.(?:png|svg))")(?![^>]*\swidth=)[^>]*?\s*/?>'
)
# A frame of an explorer: it lies in the page itself, and says its size there.
FRAME = re.compile(r'<img src="data:image/png;base64,[^>]*?>')
LETTERS = re.compile(r"letters ([\d.]+) pt")

# A picture of more bytes than this keeps 1.5 dots for each of the page, not two.
HEAVY, FEWER = 200_000, 0.75

# MathJax by its parts, those that _config.yml names and what they ask for. All in one file there is
# also a menu, which no reader sees, and which took a third of the time.
MATHJAX = "mathjax/startup.js"
ASKED_FOR = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions/",
    "output/chtml.js",
    "output/chtml/fonts/tex.js",
    "output/chtml/fonts/woff-v2/",
    "a11y/assistive-mml.js",
)


def is_drawing(path: Path) -> bool:
    """Whether a figure is lines and words on an empty ground (`ddpm_course.plots.is_drawing`)."""
    if path.suffix == ".svg":
        return True
    with Image.open(path) as picture:
        return picture.info.get("Comment") == "drawing"


def smallest(path: Path) -> float:
    """The size of a figure's smallest words in points, as `ddpm_course.plots` wrote it down."""
    if path.suffix == ".svg":
        said = path.read_text(encoding="utf8")[:3000]
    else:
        with Image.open(path) as picture:
            said = str(picture.info.get("Description", ""))
    found = LETTERS.search(said)
    return float(found[1]) if found else 0.0


def readable(image: str, small: float, width: int) -> str:
    """A picture in a frame that scrolls where the screen is too narrow for its words."""
    if not small:
        return image
    least = f"--least:{least_width(small, width)}px"
    image = f'{image.rstrip("/> ")} data-letters="{small:g}">'
    return f'<span class="scrolls" style="{least}">{image}</span>'


def size(path: Path) -> tuple[int, int]:
    """Width and height of a picture on the page, in CSS pixels."""
    if path.suffix == ".svg":
        head = path.read_text(encoding="utf8")[:2000]
        found = re.search(r'<svg[^>]*?\swidth="([\d.]+)pt"', head)
        high = re.search(r'<svg[^>]*?\sheight="([\d.]+)pt"', head)
        if found is None or high is None:
            raise ValueError(f"{path} says no width and height in points.")
        # As large as the same figure is as dots: 72 points are an inch.
        return round(float(found[1]) * DOTS / 72), round(float(high[1]) * DOTS / 72)
    with Image.open(path) as picture:
        dots = picture.info.get("dpi", (DOTS, DOTS))[0] or DOTS
        # matplotlib writes the dots per inch of what it drew; a finer file is no larger picture.
        shrink = min(1.0, DOTS / dots)
        return round(picture.width * shrink), round(picture.height * shrink)


def give_sizes(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Write width and height into each picture of the page that a cell has drawn."""
    sources = {Path(name).name: path for path, (_, name) in app.env.images.items()}

    def sized(found: re.Match[str]) -> str:
        path = Path(app.srcdir, sources.get(Path(found[1]).name, ""))
        if not path.is_file():
            return found[0]
        width, height = size(path)
        drawn = " data-drawing" if is_drawing(path) else ""
        image = f'{found[0].rstrip("/> ")} width="{width}" height="{height}" loading="lazy"{drawn}>'
        return readable(image, smallest(path), width)

    def framed(found: re.Match[str]) -> str:
        small = re.search(r' data-letters="([\d.]+)"', found[0])
        width = re.search(r' width="(\d+)"', found[0])
        if small is None or width is None:
            return found[0]
        return readable(found[0].replace(small[0], ""), float(small[1]), int(width[1]))

    if "body" in context:
        context["body"] = FRAME.sub(framed, IMAGE.sub(sized, context["body"]))


LISTED = re.compile(
    r'(<div class="output (?:stream|text_plain)[^"]*">)?(<div class="highlight"><pre)>'
    r"(.*?)(?=</pre>)",
    re.DOTALL,
)
TAG = re.compile(r"<[^>]*>")
ALIGNED = re.compile(r"\S {2,}\S")  # columns of a table
ONE_SCREEN = 50  # letters a line that a phone can show, small
# A line of code: what stands before it belongs to the line before, or marks this one as a whole.
LINE = re.compile(r'^((?:</span>|<span></span>|<span class="hll">)*)(.*\n)', re.MULTILINE)
BREAK = re.compile(r'(?<=[(\[{]</span>)|(?=<span class="o">\.</span>)')
OPTION = re.compile(r"(?<![\w<&/-])--?[A-Za-z][\w-]*(?![^<]*>)")


def keep_lines(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Have code and what it printed break as a reader would (book.css): a printed table never, a
    line that is too long for the screen at a space, a bracket or a dot, its rest indented."""

    def kept(found: re.Match[str]) -> str:
        output, head, text = found.groups()
        plain = html.unescape(TAG.sub("", text))
        longest = max(map(len, plain.splitlines()), default=0)
        table = bool(output and ALIGNED.search(plain))
        look = ' class="aligned"' if table else ""
        if output and (table or longest <= ONE_SCREEN):
            look += f' style="--letters:{longest}"'
        return f"{output or ''}{head}{look}>{text if table else LINE.sub(hang, text)}"

    if "body" in context:
        context["body"] = LISTED.sub(kept, context["body"])


def hang(found: re.Match[str]) -> str:
    """A line of code that knows how far it is indented, and where it breaks best; its text is as
    it was, so that a copy is."""
    before, line = found.groups()
    plain = html.unescape(TAG.sub("", line))
    indent = len(plain) - len(plain.lstrip(" "))
    style = f' style="--indent:{indent}ch"' if indent else ""
    line = OPTION.sub(r'<span class="whole">\g<0></span>', BREAK.sub("<wbr>", line))
    return f'{before}<span class="hung"{style}>{line}</span>'


FORMULA = re.compile(
    r'<(span|div) class="math notranslate nohighlight"([^>]*)>'
    r'(\s*(?:<span class="eqno">.*?</span>)?)(\\[(\[].*?\\[)\]])',
    re.DOTALL,
)
TALL = re.compile(r"\\(?:frac|sum|prod|int|lim|begin)\b")


def room(tex: str) -> tuple[float, float]:
    """How wide and about how high a formula will be set, in em."""
    tall = TALL.search(tex) and ("displaystyle" in tex or tex.startswith(r"\["))
    return round(width(tex[2:-2]), 2), 2.5 if tall else 1.0


def keep_room(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Have each formula of the page say how much room it needs until MathJax sets it (book.css)."""

    def kept(found: re.Match[str]) -> str:
        tag, rest, number, tex = found.groups()
        wide, high = room(html.unescape(tex))
        style = f"--wide:{wide}em;--high:{high}em"
        return f'<{tag} class="math notranslate nohighlight" style="{style}"{rest}>{number}{tex}'

    if "body" in context:
        context["body"] = FORMULA.sub(kept, context["body"])


# A formula or a short piece of code within a sentence, with the punctuation that touches it.
TOUCHED = re.compile(
    r'([(\[“‘]*)(<span class="math notranslate nohighlight"[^>]*>\\\((?:(?!\\\)).)*\\\)</span>'
    r'|<code class="[^"]*literal notranslate">(?:<span class="pre">[^<]{1,24}</span>)</code>)'
    r"([^\s<]{0,9})",
    re.DOTALL,
)


LONG = re.compile(
    r'(<code class="[^"]*literal notranslate"><span class="pre)(?=">[^<]{25,}</span>)'
)


def glue(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Keep punctuation at its formula: a browser may begin a line on either side of a formula.
    Code that may fill a line can break, so that what follows it need not stand alone."""

    def glued(found: re.Match[str]) -> str:
        return f'<span class="glued">{found[0]}</span>' if found[1] or found[3] else found[0]

    if "body" in context:
        context["body"] = LONG.sub(r"\1 long", TOUCHED.sub(glued, context["body"]))


def spare_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Carry no state of widgets, which are HTML here; and without a formula nothing to set any."""
    spared = ["widget-state"]
    if 'class="math' not in context.get("body", ""):
        spared += ["mathjax", "window.MathJax"]
    context["script_files"] = [
        script
        for script in context["script_files"]
        if not any(name in f"{script} {getattr(script, 'attributes', '')}" for name in spared)
    ]


def set_mathjax(app: Sphinx, config: Config) -> None:
    config.mathjax_path = MATHJAX


def prune(app: Sphinx, exception: Exception | None) -> None:
    """Leave out the parts of MathJax, the maps of sources and the rest that no page can ask for."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    for path in static.rglob("*.ttf"):  # beside it lies the same font as .woff2, which comes first
        if path.with_suffix(".woff2").is_file():
            path.unlink()
    mathjax = static / "mathjax"
    for path in sorted(mathjax.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir():
            if not any(path.iterdir()):
                shutil.rmtree(path)
        elif not path.relative_to(mathjax).as_posix().startswith(ASKED_FOR):
            path.unlink()
    for path in static.rglob("*.map"):
        path.unlink()
    for path in static.glob("scripts/fontawesome.*"):  # layout.html
        path.unlink()
    shutil.rmtree(static / "locales", ignore_errors=True)  # the theme read them while building


# The theme asks each listing of the page whether it scrolls, as soon as the page is there and
# whenever something in it is new; each time the browser has to lay out all of it.
ASKS = re.compile(
    r'"complete"===document\.readyState\?(\w+)\(\):window\.addEventListener\("load",\1\)'
)


def ask_later(app: Sphinx, exception: Exception | None) -> None:
    """Leave that question to scroll.js, which waits until a listing comes near."""
    file = Path(app.outdir, "_static", "scripts", "pydata-sphinx-theme.js")
    if exception is not None or app.builder.format != "html" or not file.is_file():
        return
    script = ASKS.sub('"scroll.js asks"', file.read_text(encoding="utf8"))
    if '"scroll.js asks"' not in script:
        raise SphinxError(f"{file.name} has changed: ASKS in book/_ext/lighten.py finds nothing.")
    file.write_text(script, encoding="utf8")


def squeeze(app: Sphinx, exception: Exception | None) -> None:
    """Keep fewer dots of a heavy picture; once, since it takes a moment."""
    if exception is not None or app.builder.format != "html":
        return
    for source, (_, name) in app.env.images.items():
        original, path = Path(app.srcdir, source), Path(app.outdir, "_images", name)
        if path.suffix != ".png" or not path.is_file() or not original.is_file():
            continue
        heavy = path.stat().st_size == original.stat().st_size > HEAVY  # not by an earlier build
        if heavy:
            with Image.open(original) as picture:
                fewer(picture).save(path, optimize=True, dpi=(FEWER * 2 * DOTS,) * 2)


def fewer(picture: Image.Image) -> Image.Image:
    """The same picture with ``FEWER`` of its dots, opaque where it was so."""
    size = (round(FEWER * picture.width), round(FEWER * picture.height))
    clear = picture.convert("RGBA")
    mask = clear.getchannel("A").point(lambda opacity: 255 * (opacity == 255))
    flat = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    small = flat.resize(size, Image.Resampling.LANCZOS)
    return without_ground(small, mask.resize(size, Image.Resampling.NEAREST), always=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", give_sizes)
    app.connect("html-page-context", keep_lines)
    app.connect("html-page-context", keep_room)
    app.connect("html-page-context", glue)
    app.connect("config-inited", set_mathjax)
    app.connect("html-page-context", spare_scripts, priority=900)  # after MathJax was added
    app.connect("build-finished", prune, priority=900)  # after MathJax was copied
    app.connect("build-finished", ask_later, priority=900)
    app.connect("build-finished", squeeze, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
