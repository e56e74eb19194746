"""What every page of the book must be: complete offline, readable, and open to everyone."""

from __future__ import annotations

import html
import io
import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import numpy as np
import pytest
import yaml
from PIL import Image
from scipy import ndimage

from ddpm_course import __version__, plots, symbolic
from ddpm_course.grading import tasks as grading
from tests.book.conftest import (
    BUILD,
    DESKTOP,
    HTML,
    PAGES,
    PHONE,
    UNSET,
    Seen,
    Visit,
    darken,
    parsed,
    unfold,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
import lighten
import reading

pytestmark = pytest.mark.book


def test_page_is_complete_without_a_network(page_name: str, at_desk: Seen, on_phone: Seen) -> None:
    # A blob is what the page itself made: the script of a worker.
    own = {"file", "data", "blob"}
    for seen, theme in ((at_desk, "light"), (on_phone, "dark")):
        assert [url for url in seen.requests if urlsplit(url).scheme not in own] == []
        assert seen.errors == []
        assert seen.theme == theme


def test_mathematics_is_rendered(page_name: str, at_desk: Seen) -> None:
    assert at_desk.more["raw"] == []
    assert at_desk.more["merror"] == 0
    assert at_desk.more["tex"] == []


def test_page_fits_a_phone(page_name: str, on_phone: Seen) -> None:
    assert on_phone.more["width"] <= PHONE[0]
    assert on_phone.more["too wide"] == []


def test_a_printed_table_is_not_torn(page_name: str, at_desk: Seen, on_phone: Seen) -> None:
    assert at_desk.more["torn"] == []
    assert on_phone.more["torn"] == []


def test_what_cells_print_can_be_read_on_a_phone(page_name: str, on_phone: Seen) -> None:
    assert on_phone.more["small print"] == []


def test_lines_of_code_go_on_below_as_one_reads_them(page_name: str, on_phone: Seen) -> None:
    assert on_phone.more["code"] == {"flush": [], "broken": []}


def test_formulas_fit_a_phone(page_name: str, on_phone: Seen) -> None:
    assert on_phone.more["wide formulas"] == []


def test_formulas_can_be_read_and_say_where_they_scroll(
    page_name: str, at_desk: Seen, on_phone: Seen
) -> None:
    """A formula that scrolls is a stop of the Tab key, and no other one is."""
    assert at_desk.more["formulas"] == []
    assert on_phone.more["formulas"] == []


def test_no_line_begins_with_the_punctuation_of_the_line_before(
    page_name: str, at_desk: Seen, on_phone: Seen
) -> None:
    assert at_desk.more["alone"] == []
    assert on_phone.more["alone"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible(page_name: str, scheme: str, at_desk: Seen) -> None:
    assert at_desk.more["axe"][scheme] == ""


def test_nothing_jumps_while_the_page_is_built(
    page_name: str, at_desk: Seen, on_phone: Seen
) -> None:
    assert at_desk.shift <= 0.1
    assert on_phone.shift <= 0.1


def test_a_formula_gets_the_room_that_was_kept_for_it(page_name: str, at_desk: Seen) -> None:
    # Else a line wraps anew once it is set: with some fonts on a page, and not with others.
    assert [
        (formula, wide, kept)
        for formula, wide, kept in at_desk.more["room"]
        if not abs(wide - kept) <= 0.15 + 0.06 * wide
    ] == []


def test_links_lead_somewhere(page_name: str) -> None:
    dead = []
    for element in parsed(page_name).select("[href], [src]"):
        reference = element.get("href") or element.get("src") or ""
        target = urlsplit(urljoin(page_name, reference))
        if target.scheme:
            continue
        path = unquote(target.path)
        if not (HTML / path).is_file():
            dead.append(reference)
        elif target.fragment and path.endswith(".html"):
            anchor = unquote(target.fragment)
            if parsed(path).find(attrs={"id": anchor}) is None:
                dead.append(reference)
    assert dead == []


def test_figures_have_a_text_alternative(page_name: str) -> None:
    images = parsed(page_name).select("main img")
    # myst-nb's own alternative is the name of the image file, which tells nobody anything.
    untold = [
        image["src"]
        for image in images
        if len(image.get("alt", "").split()) < 3 or "/" in image.get("alt", "").split()[0]
    ]
    assert untold == []


def test_korean_says_that_it_is_korean(page_name: str) -> None:
    korean = parsed(page_name).body.find_all(string=re.compile("[\uac00-\ud7a3]"))
    assert [str(text) for text in korean if text.find_parent(lang="ko") is None] == []


def test_page_says_what_it_is(page_name: str) -> None:
    head = parsed(page_name).head
    assert head.title.string.strip()
    assert len(head.select_one("meta[name=description]")["content"]) > 50
    assert head.select_one("meta[property='og:title']")["content"]
    assert head.select_one("link[rel=icon]")["href"]
    assert parsed(page_name).html["lang"] == "en"


def test_page_prints_its_text_alone(page_name: str, at_desk: Seen) -> None:
    assert at_desk.more["printed"] == []
    assert at_desk.more["folded"] == 0
    assert at_desk.more["folds kept"]
    assert at_desk.more["ground"] in {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}
    assert at_desk.more["theme after print"] == "dark"


def test_page_is_light(page_name: str) -> None:
    assert (HTML / page_name).stat().st_size <= 2_500_000


def test_book_is_light() -> None:
    assert sum(path.stat().st_size for path in HTML.rglob("*") if path.is_file()) <= 30_000_000


def test_first_paint_has_the_readers_colors(page_name: str) -> None:
    head = (HTML / page_name).read_text(encoding="utf8").split("</head>")[0]
    script = head.index('matchMedia("(prefers-color-scheme: dark)")')
    assert "defer" not in head[head.rindex("<script", 0, script) : script]


def test_each_formula_says_itself_to_a_screen_reader(page_name: str, at_desk: Seen) -> None:
    assert at_desk.more["untold"] == 0


def test_mathjax_comes_only_where_there_is_mathematics(page_name: str, at_desk: Seen) -> None:
    asked = any("mathjax" in url for url in at_desk.requests)
    assert asked == bool(parsed(page_name).select(".math"))


def test_only_the_page_of_the_search_loads_its_index(page_name: str, at_desk: Seen) -> None:
    asked = [url for url in at_desk.requests if re.search(r"search(?:index|tools)\.js", url)]
    assert bool(asked) == (page_name == "search.html")


def test_a_section_cuts_nothing_off(page_name: str, at_desk: Seen, on_phone: Seen) -> None:
    assert at_desk.more["hanging"] == []
    assert on_phone.more["hanging"] == []


SECTIONS = ".bd-article section section:not(:has(section))"
BOTH_SIZES = pytest.mark.parametrize("visit", [(DESKTOP, "light"), (PHONE, "light")], indirect=True)


@BOTH_SIZES
def test_a_section_is_laid_out_when_it_comes_near_or_is_printed(visit: Visit) -> None:
    page = visit.open("reverse.html")
    near = page.evaluate(
        f"""[...document.querySelectorAll("{SECTIONS}")]
            .filter(section => getComputedStyle(section).contentVisibility === "auto")
            .map(section => section.querySelector("h2, h3"))
            .map(heading => heading.checkVisibility({{contentVisibilityAuto: true}}))"""
    )
    assert len(near) > 10
    assert sum(near) < len(near) / 3
    page.emulate_media(media="print")
    printed = page.evaluate(
        f"""[...document.querySelectorAll("{SECTIONS}")].map(
            section => getComputedStyle(section).contentVisibility)"""
    )
    assert set(printed) == {"visible"}


# Whether a place is where a link leads to, and what is to be read there is set.
ARRIVED = f"""id => {{
    const place = document.getElementById(id).getBoundingClientRect();
    const unset = [...document.querySelectorAll("main {UNSET}")]
        .map(formula => formula.getBoundingClientRect())
        .filter(box => box.height && box.top > 0 && box.bottom < innerHeight);
    return place.top > -1 && place.top < 150 && unset.length === 0;
}}"""


@BOTH_SIZES
@pytest.mark.parametrize("place", ["three-naive-attempts", "one-more-mistake"])
def test_a_link_leads_far_down_and_its_reader_can_come_back(place: str, visit: Visit) -> None:
    """What is above may be as high as was thought or not: what is read stays where it is, also when
    the page is asked for again."""
    page = visit.open("reverse.html", f"#{place}")
    page.wait_for_function(ARRIVED, arg=place)
    page.wait_for_timeout(1000)  # by now all that is near is laid out
    assert page.evaluate(ARRIVED, place)
    page.reload(wait_until="load")
    page.wait_for_timeout(1000)
    page.wait_for_function(ARRIVED, arg=place)


@pytest.mark.parametrize("visit", [(PHONE, "light")], indirect=True)
def test_a_picture_far_down_says_that_it_scrolls_once_it_is_near(visit: Visit) -> None:
    page = visit.open("reverse.html")
    picture = page.locator("#which-variance .scrolls")
    assert "scrolls-now" not in str(picture.get_attribute("class"))
    picture.scroll_into_view_if_needed()
    page.wait_for_function(
        "picture => picture.tabIndex === 0 && picture.matches('.scrolls-now')",
        arg=picture.element_handle(),
    )


def test_paper_cuts_no_formula(page_name: str, at_desk: Seen) -> None:
    assert at_desk.more["cut"] == []


def test_figures_keep_their_place(page_name: str) -> None:
    images = parsed(page_name).select("main img")
    assert [image["src"][:80] for image in images if not image.get("width")] == []


@pytest.mark.parametrize("chapter", grading.CHAPTERS)
def test_pictures_of_exercises_are_figures(chapter: str) -> None:
    """Each question's picture says its letters, as a chapter's figure does, and so can scroll."""
    folder = Path(__file__).parents[2] / "exercises"
    nb = nbformat.read(folder / chapter / f"{chapter}.ipynb", as_version=4)
    attached = [file for cell in nb.cells for file in cell.get("attachments", {})]
    images = parsed(f"{chapter}-exercises.html").select("main .cell_output .scrolls > img")
    assert len(images) == len(attached) >= 4
    assert all(float(image["data-letters"]) > 0 for image in images)


def test_no_picture_has_a_white_box_by_night(page_name: str, at_desk: Seen) -> None:
    """Where a figure ends, the page's own ground is seen; so no box stands around its words."""
    assert at_desk.more["boxed"] == []


def test_words_in_figures_can_be_read_on_a_phone(
    page_name: str, at_desk: Seen, on_phone: Seen
) -> None:
    """Their smallest letters are 9 pixels high at least; what is wider than the screen scrolls."""
    said = {image["data-letters"] for image in parsed(page_name).select("img[data-letters]")}
    assert len(on_phone.more["letters"]) >= bool(said)
    assert [one for one in on_phone.more["letters"] if one[1] < 8.9] == []
    assert at_desk.more["dumb"] == []
    assert on_phone.more["dumb"] == []
    assert on_phone.more["clipped"] == []


def test_figures_say_how_large_their_words_are() -> None:
    """Each figure with axes has words; a grid of pictures may have none."""
    said = [len(parsed(name).select("main img[data-letters]")) for name in PAGES]
    assert sum(said) >= 50


def test_figures_keep_their_shape_on_a_phone(page_name: str, on_phone: Seen) -> None:
    assert on_phone.more["bent"] == []


def test_drawings_are_sharp_and_lie_on_the_ground_of_the_page(visit: Visit) -> None:
    """Curves are SVG; by night nothing has a white box, drawings turn, and pictures stay."""
    places = "main .cell_output img[data-drawing][src$='.svg']"
    assert sum(len(parsed(name).select(places)) for name in PAGES) >= 15
    page = visit.open("marginal.html")  # it has both kinds
    darken(page)
    grounds = page.evaluate(
        """() => [...document.querySelectorAll(".cell_output img")].map(image => {
            const {backgroundColor, filter} = getComputedStyle(image);
            return ["drawing" in image.dataset, backgroundColor, filter];
        })"""
    )
    assert {drawing for drawing, *_ in grounds} == {True, False}
    for drawing, color, turned in grounds:
        assert turned.startswith("invert" if drawing else 'url("#by-night")')
        assert color == "rgba(0, 0, 0, 0)"


def test_pictures_lie_on_the_ground_of_the_page_by_day_and_by_night(visit: Visit) -> None:
    """Their dots stay as they are; words beside them are dark by day and light by night."""
    page = visit.open("marginal.html")
    image = page.locator("main .scrolls > img:not([data-drawing])").first
    image.scroll_into_view_if_needed()
    with Image.open(HTML / str(image.get_attribute("src"))) as file:
        picture = file.convert("RGBA")
    for scheme, ground in (("light", (255, 255, 255)), ("dark", (0x16, 0x19, 0x1D))):
        if scheme == "dark":
            darken(page)
        shot = Image.open(io.BytesIO(image.screenshot())).convert("RGB")
        expected = np.asarray(picture.resize(shot.size, Image.Resampling.BOX)).astype(int)
        found = np.asarray(shot).astype(int)
        inside = ndimage.minimum_filter(expected[..., 3], 9) == 255
        outside = ndimage.maximum_filter(expected[..., 3], 9) == 0
        beside = ~(ndimage.maximum_filter(expected[..., 3], 9) == 255)
        assert inside.mean() > 0.2
        assert outside.mean() > 0.02
        assert np.abs(found - expected[..., :3])[inside].mean() < 8
        assert (found[outside] == ground).all()
        words = found[beside].mean(axis=-1)
        assert words.min() < 90 if scheme == "light" else words.max() > 150


def test_a_heavy_picture_is_smaller_and_looks_the_same() -> None:
    noise = np.random.default_rng(0).normal(128, 50, (20, 40)).clip(0, 255).astype(np.uint8)
    gray = Image.fromarray(noise).resize((800, 400), Image.Resampling.BICUBIC)
    flat, mask = Image.new("RGB", (1000, 600), "white"), Image.new("L", (1000, 600))
    flat.paste(gray, (100, 100))
    flat.paste("black", (100, 40, 400, 60))  # a word
    mask.paste(255, (100, 100, 900, 500))
    before = plots.without_ground(flat, mask)
    after = lighten.fewer(before)
    assert after.size == (750, 450)
    opaque = np.asarray(after.convert("RGBA"))[..., 3] == 255
    assert opaque[75:375, 75:675].all()
    assert opaque.sum() == 300 * 600
    day = Image.new("RGBA", after.size, "white")
    day.alpha_composite(after.convert("RGBA"))
    expected = np.asarray(flat.resize(after.size, Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(np.asarray(day.convert("RGB")) - expected).mean() < 2
    assert np.abs(np.asarray(day.convert("RGB")) - expected)[80:370, 80:670].max() < 20


def test_colored_formulas_say_what_was_proved() -> None:
    """The colors are put around the letters of a claim, and change nothing else."""
    proved = {claim.latex() for claim in symbolic.CLAIMS.values()}
    shown = [
        html.unescape(re.search(r"\\\[(.*)\\\]", display.get_text(), re.DOTALL)[1]).strip()
        for name in PAGES
        for display in parsed(name).select(".claim-colored div.math")
    ]
    assert len(shown) >= 12
    for display in shown:
        assert r"\class{of-" in display
        assert re.sub(r"\\class\{of-\w+\}\{((?:[^{}]|\{[^{}]*\})*)\}", r"\1", display) in proved


def test_captions_of_live_figures_name_quantities_in_the_colors_of_the_figure() -> None:
    said = [
        formula.get_text()
        for name in PAGES
        for formula in parsed(name).select(".live-figure figcaption .math")
    ]
    quantities = [tex for tex in said if re.search(r"x_[0t]|\\epsilon", tex)]
    assert len(quantities) >= 10
    assert [tex for tex in quantities if r"\class{of-" not in tex] == []


def test_colored_formulas_can_be_read_by_day_by_night_and_on_paper(visit: Visit) -> None:
    page = visit.open("marginal.html")
    page.locator(".claim-colored").first.scroll_into_view_if_needed()
    page.wait_for_selector(".claim-colored mjx-container .of-eps")
    ask = """names => [getComputedStyle(document.body).backgroundColor,
        ...names.map(name => getComputedStyle(document.querySelector(".of-" + name)).color)]"""
    seen = page.evaluate(ask, ["x0", "xt", "eps"])
    assert len(set(seen)) == 4
    assert min(contrast(seen[0], color) for color in seen[1:]) >= 4.5
    darken(page)
    dark = page.evaluate(ask, ["x0", "xt", "eps"])
    assert min(contrast(dark[0], color) for color in dark[1:]) >= 4.5
    page.emulate_media(media="print", color_scheme="dark")
    assert len(set(page.evaluate(ask, ["x0", "xt", "eps"])[1:])) == 1


def contrast(one: str, other: str) -> float:
    """As the WCAG have it, from 1 to 21."""

    def light(color: str) -> float:
        parts = [int(value) / 255 for value in re.findall(r"\d+", color)[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_ledger_shows_its_formulas_as_large_as_its_words(visit: Visit) -> None:
    """At a desk no formula is set smaller than the text around it, and none has to scroll."""
    page = visit.open("ledger.html")
    visit.set_all(page)
    size = "getComputedStyle(ELEMENT).fontSize"
    formulas = page.evaluate(
        f"""() => [...document.querySelectorAll("section section p > .math mjx-container")]
            .map(formula => [formula.textContent, {size.replace("ELEMENT", "formula")},
                {size.replace("ELEMENT", "formula.closest('p')")},
                formula.querySelector("mjx-math").getBoundingClientRect().right
                    - formula.closest("p").getBoundingClientRect().right])"""
    )
    assert len(formulas) >= len(symbolic.CLAIMS)
    assert [one for one in formulas if one[1] != one[2] or one[3] > 1] == []


@pytest.mark.parametrize("visit", [(DESKTOP, "light"), (PHONE, "light")], indirect=True)
def test_ledger_says_at_each_number_what_it_is(visit: Visit) -> None:
    page = visit.open("ledger.html")
    said = page.evaluate(
        r"""() => [...document.querySelectorAll("main p")]
            .filter(number => /^\d(\.\de[-+]\d+)?$/.test(number.textContent))
            .map(number => {
                const label = number.closest("dd")?.previousElementSibling;
                return label?.checkVisibility() ? label.textContent : number.textContent;
            })"""
    )
    assert set(said) == {"Largest relative error:"}
    assert len(said) > 80


# Of each numbered equation: how wide the formula, the number and the page are, and whether the
# number stands on a line of its own.
NUMBERS = """() => [...document.querySelectorAll(".claim")]
    .filter(claim => claim.checkVisibility()).map(claim => {
        // The number's box keeps a gap at its left, and at its right the room of the mark.
        const [formula, number, mark] = ["mjx-math", ".eqno, :scope > a", ".claim-mark"].map(
            part => claim.querySelector(part).getBoundingClientRect());
        return {text: claim.textContent, below: number.top >= formula.bottom - 4,
            room: claim.clientWidth - formula.width - number.width,
            gap: number.left - formula.right, level: Math.abs(mark.bottom - number.bottom)};
    })"""


@pytest.mark.parametrize("visit", [(PHONE, "light")], indirect=True)
@pytest.mark.parametrize("name", ["forward.html", "marginal.html", "loss.html"])
def test_number_stands_beside_its_equation_where_both_have_room(name: str, visit: Visit) -> None:
    page = visit.open(name)
    visit.set_all(page)
    claims = page.evaluate(NUMBERS)
    assert len(claims) >= 5
    assert [one for one in claims if one["room"] > 8 and one["below"]] == []
    assert [one for one in claims if not one["below"] and one["gap"] < 0] == []
    assert [one for one in claims if one["level"] > 6] == []


@pytest.mark.parametrize("visit", [(PHONE, "light")], indirect=True)
def test_words_of_the_proof_graph_can_be_read_on_a_phone(visit: Visit) -> None:
    """As large as a figure's words at least; the frame around it scrolls, and says so (DUMB)."""
    page = visit.open("proofs.html")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("main .proofgraph text")]
            .map(word => parseFloat(getComputedStyle(word).fontSize) * word.getScreenCTM().a)"""
    )
    assert len(sizes) >= 10
    assert min(sizes) >= 11
    page.locator("main .proofgraph svg").scroll_into_view_if_needed()
    page.wait_for_selector(".scrolls-now > svg")  # said once the section is laid out


def test_the_reference_gives_no_sentence_as_a_type() -> None:
    """A docstring such as "The seed: any whole number" stays one sentence."""
    labels = parsed("api.html").select("dl.field-list > dt")
    types = [
        label.find_next_sibling("dd").get_text().strip()
        for label in labels
        if label.get_text().startswith("Type")
    ]
    assert types
    assert [one for one in types if not re.fullmatch(r"[\w.]+(\[.*\])?( \| [\w.]+)*", one)] == []


def test_no_subscript_is_written_as_in_code(page_name: str) -> None:
    """In running text x_0 has its 0 below the line; in code and as an argument's name it stays."""
    kept = ["pre", "code", "strong", "script", "style", "svg", "dt"]
    written = [
        text
        for text in parsed(page_name).main.find_all(string=re.compile("_"))
        if not text.find_parent(kept) and not text.find_parent(class_=["math", "cite"])
    ]
    raw = re.compile(r"(?<!\w)[^\W\d_][\u0300-\u036f]*_(?:\{|\w(?![\w\[]))")
    assert [text for text in written if raw.search(text)] == []


def test_bibliography_calls_each_work_what_the_text_calls_it() -> None:
    """The text says (Ho et al., 2020), or Ho et al. (2020); no two works have one name."""
    entries = parsed("bibliography.html").select(".citation")
    names = {entry["id"]: entry.select_one(".label").get_text().strip("[]") for entry in entries}
    assert len(set(names.values())) == len(names) > 100
    wrong, found = [], 0
    for page in PAGES:
        for link in parsed(page).select("main a.internal[href^='bibliography.html#']"):
            name, said = names[link["href"].split("#")[1]], link.get_text()
            if re.fullmatch(r"\d{4}[a-z]?", said):  # the names stand before the link
                before = "".join(part.get_text() for part in reversed([*link.previous_siblings]))
                who = name.split(", ")[0]
                said = f"{who}, {said}" if before.endswith(f"{who} [") else before + said
            found += 1
            wrong += [(name, said)] if said.replace("\xa0", " ") != name else []
    assert found > len(names)
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_links_have_one_color_and_comments_are_quieter_than_code(scheme: str, visit: Visit) -> None:
    """Also a link in a table, and one around code; a comment is gray, and not as strong as code."""
    for name in ("ledger.html", "reverse.html"):
        page = visit.open(name)
        if scheme == "dark":
            darken(page)
        links = page.evaluate(
            """() => [...document.querySelectorAll(
                    ".bd-article a.reference:not(.headerlink, .sd-btn, .claim-mark)")]
                .flatMap(link => [link, ...link.querySelectorAll("code")])
                .map(part => getComputedStyle(part).color)"""
        )
        assert len(links) > 20
        assert len(set(links)) == 1
    ground, code, comment = page.evaluate(
        """() => [["backgroundColor", ".cell_input pre"], ["color", ".highlight .n"],
                  ["color", ".highlight .c1"]]
            .map(([what, where]) => getComputedStyle(document.querySelector(where))[what])"""
    )
    red, green, blue = (int(value) for value in re.findall(r"\d+", comment)[:3])
    assert max(red, green, blue) - min(red, green, blue) < 30
    assert 4.5 <= contrast(ground, comment) < 0.8 * contrast(ground, code)


@pytest.mark.parametrize("visit", [(DESKTOP, "light"), (PHONE, "light")], indirect=True)
def test_a_copy_of_code_is_the_code(visit: Visit) -> None:
    """By its button and by hand, as it stands in the notebook."""
    notebook = nbformat.read(BUILD / "jupyter_execute" / "reverse.ipynb", as_version=4)
    cells = {cell.source.rstrip() for cell in notebook.cells if cell.cell_type == "code"}
    page = visit.open("reverse.html")
    unfold(page)
    page.evaluate("addEventListener('copy', event => window.copied = event.target.value)")
    codes = page.locator("main .cell_input pre")
    assert codes.count() > 20
    by_button, by_hand = set(), set()
    for code in codes.all():
        code.hover()
        code.locator("+ button.copybtn").click()
        by_button.add(page.evaluate("copied").rstrip())
        by_hand.add(
            code.evaluate(
                "code => {getSelection().selectAllChildren(code); return '' + getSelection()}"
            )
        )
    assert by_button <= cells
    assert len(by_button) == codes.count()
    assert {text.rstrip() for text in by_hand} == by_button


def test_paper_shows_the_sources_that_their_reader_has_opened(visit: Visit) -> None:
    page = visit.open("reverse.html")
    page.locator("details.hide > summary").nth(1).click()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    sources = page.locator("details.hide")
    assert sources.count() > 5
    shown = [one.locator("pre").is_visible() for one in sources.all()]
    assert [n for n, seen in enumerate(shown) if seen] == [1]
    assert page.locator("details.hide > summary:visible").count() == 0


def test_paper_shows_every_hint_and_the_solutions_that_their_reader_has_opened(
    visit: Visit,
) -> None:
    page = visit.open("forward-exercises.html")
    solutions = page.locator("details.solution")
    solutions.nth(2).locator("summary").click()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    count = page.get_by_text("Solution", exact=True).count()
    assert solutions.count() == count == len(grading.chapter("forward").tasks)
    shown = [one.locator("pre").is_visible() for one in solutions.all()]
    assert [n for n, seen in enumerate(shown) if seen] == [2]
    hints = page.locator("details.sd-dropdown:not(.solution)")
    assert hints.count() == count
    assert all(hint.locator("p").last.is_visible() for hint in hints.all())
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.sd-dropdown[open]").count() == 1


def test_bibliography_leads_to_the_papers() -> None:
    entries = parsed("bibliography.html").select(".citation")
    numbered = [e for e in entries if re.search(r"arXiv|doi", e.get_text(), re.IGNORECASE)]
    assert len(numbered) >= 60
    assert [e.get_text() for e in numbered if e.select_one("a.external[href*='/']") is None] == []


def test_each_entry_of_the_bibliography_leads_back_to_where_it_is_cited() -> None:
    entries = parsed("bibliography.html").select(".citation")
    links = [[a["href"] for a in e.select(".cited-in a")] for e in entries]
    assert all(links)
    assert all(re.fullmatch(r"[\w-]+\.html#id\d+", link) for of_entry in links for link in of_entry)


def test_listings_lead_to_the_equations_that_they_compute() -> None:
    lines = [
        line.get_text()
        for name in PAGES
        for line in parsed(name).select(".listing .hll a.claim-line[href*='#']")
    ]
    assert len(lines) >= 20
    numbered = [line for line in lines if re.fullmatch(r"# \(\d+\.\d+\)", line)]
    assert len(numbered) >= 15
    folded = [fold for name in PAGES for fold in parsed(name).select(".listing details.docstring")]
    assert len(folded) >= 15


def test_page_says_its_version_date_license_and_how_to_cite_it(page_name: str) -> None:
    cite = parsed(page_name).select_one(".cite")
    text = " ".join(cite.get_text().split())
    assert f"version {__version__}" in text
    assert re.search(r"\d{4}-\d\d-\d\d", text)
    assert cite.select_one("a[rel=license]")["href"].startswith("https://creativecommons.org/")
    title = parsed(page_name).select_one("h1")
    words = (
        title.find(string=True)
        if title and page_name not in {"index.html", "search.html"}
        else "Line by Line"
    )
    assert str(words).split(":")[0].strip() in cite.select_one("pre").get_text()
    assert "<" not in cite.select_one("pre").get_text()


def test_chapter_is_there_as_a_notebook(page_name: str) -> None:
    links = [a["href"] for a in parsed(page_name).select(".cite a[download]")]
    for link in links:
        assert (HTML / link).is_file()
    notebooks = [HTML / link for link in links if link.endswith(".ipynb")]
    assert len(notebooks) == bool(parsed(page_name).select("main .cell_input"))
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert any(cell.cell_type == "code" for cell in notebook.cells)


def test_description_has_no_tex(page_name: str) -> None:
    about = parsed(page_name).head.select_one("meta[name=description]")["content"]
    assert re.findall(r"[\\${}]", about) == []


CHAPTERS = [name for name in reading.LIMITS if (HTML / f"{name}.html").is_file()]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_computes_within_its_first_four_screens(chapter: str, visit: Visit) -> None:
    page = visit.open(f"{chapter}.html")
    figure = page.locator(".live").first.bounding_box()
    assert figure is not None
    assert figure["y"] < 4 * DESKTOP[1]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_first_figure_that_computes_is_within_forty_stops_of_the_text(
    chapter: str, visit: Visit
) -> None:
    """From where "skip to main content" leads, by the Tab key."""
    page = visit.open(f"{chapter}.html")
    stops = page.evaluate(
        """() => [...document.querySelectorAll("main *")]
            .filter(one => one.tabIndex >= 0 && one.checkVisibility())
            .filter(one => one.compareDocumentPosition(document.querySelector(".live"))
                & Node.DOCUMENT_POSITION_FOLLOWING).length"""
    )
    assert stops < 40


def test_twelve_figures_compute() -> None:
    placed = re.findall(
        r'data-live="[\w-]+"(?: data-mode="[\w-]+")?',
        " ".join(path.read_text(encoding="utf8") for path in HTML.glob("*.html")),
    )
    assert len(set(placed)) >= 12


def test_cells_write_no_warnings() -> None:
    noisy = {}
    for path in (BUILD / "jupyter_execute").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
            for output in cell.get("outputs", []):
                if output.get("name") == "stderr":
                    noisy[path.stem] = output["text"]
    assert noisy == {}


def test_every_page_of_the_contents_is_built() -> None:
    contents = yaml.safe_load((BUILD.parent / "_toc.yml").read_text(encoding="utf8"))
    chapters = [chapter for part in contents["parts"] for chapter in part["chapters"]]
    sections = [section for chapter in chapters for section in chapter.get("sections", [])]
    files = [page["file"] for page in chapters + sections]
    assert {path.stem for path in HTML.glob("*.html")} == {*files, contents["root"], "search"}


def test_two_doors_lead_into_the_book(visit: Visit) -> None:
    """Noise first, where the mathematics begins; beside it the state of the field."""
    page = visit.open("index.html")
    buttons = page.locator("main .sd-btn")
    doors = [(button.inner_text(), button.get_attribute("href")) for button in buttons.all()]
    assert doors == [
        ("Start with noise", "forward.html"),
        ("Where the field stands", "trends.html"),
    ]
    for number, (_, leads_to) in enumerate(doors):
        page.goto(page.url.rsplit("/", 1)[0] + "/index.html")
        buttons.nth(number).click()
        page.wait_for_url(f"**/{leads_to}")


def test_search_finds_a_term(visit: Visit) -> None:
    page = visit.open("search.html", "?q=posterior")
    page.wait_for_selector("#search-results li a[href^='reverse.html']")
    assert visit.errors == []
    page = visit.open("search.html", "?q=xylophone")
    page.wait_for_selector("#search-results p.search-summary")
    assert page.locator("#search-results li").count() == 0


@pytest.mark.parametrize(
    ("phrase", "target"),
    [
        ("reparameterization trick", "forward.html#"),
        ("timestep embedding", "unet.html#"),
        ("positional encoding", "unet.html#"),
        ("Langevin", "loss.html#"),
        ("ELBO", "loss.html#"),
        ("FID", "evaluation.html#"),
        ("score matching", "loss.html#"),
        ("classifier-free guidance", "beyond.html#"),
        ("overfitting", "training.html#"),
        ("noise schedule", "marginal.html#"),
        ("two schedules", "marginal.html#"),  # a heading
    ],
)
def test_search_finds_what_learners_type(phrase: str, target: str, visit: Visit) -> None:
    page = visit.open("search.html", "?q=" + phrase.replace(" ", "+"))
    page.wait_for_selector(f"#search-results li a[href^='{target}']")
    link = page.locator(f"#search-results li a[href^='{target}']").first.get_attribute("href") or ""
    name, anchor = link.split("#")
    assert parsed(name.split("?")[0]).find(attrs={"id": anchor}) is not None
    assert visit.errors == []


def test_search_opens_from_any_page_by_keyboard(visit: Visit) -> None:
    page = visit.open("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("posterior")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a[href^='reverse.html']")


def test_first_tab_stop_skips_to_the_text(visit: Visit) -> None:
    page = visit.open("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main-content"


@pytest.mark.parametrize("visit", [(DESKTOP, "dark")], indirect=True)
def test_without_scripts_a_page_is_light_whatever_the_system(visit: Visit) -> None:
    assert visit.context.browser is not None
    context = visit.context.browser.new_context(java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto((HTML / "forward.html").as_uri())
    colors = page.evaluate(
        """() => [...document.querySelectorAll("div.highlight")].flatMap(box => {
            let ground = box;
            const color = at => getComputedStyle(at).backgroundColor;
            while (color(ground) === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
            return [box, ...box.querySelectorAll("pre span")].map(
                one => [color(ground), getComputedStyle(one).color]);
        })"""
    )
    assert len(colors) > 100
    assert [pair for pair in colors if contrast(*pair) < 4.5] == []
    assert len({letters for _, letters in colors}) > 3  # the kinds of words in code
    context.close()


# On sheets of A4, which columns stand for: titles whose first words or picture are on another one.
LEFT_ALONE = """() => {
    const sheet = element => {
        const boxes = [...element.getClientRects()].filter(box => box.width && box.height);
        return boxes.map(box => Math.round(box.left / 800));
    };
    const content = title => {
        let at = title;
        while (at && !at.nextElementSibling) at = at.parentElement;
        at = at?.nextElementSibling;
        while (at && !sheet(at).length) at = at.nextElementSibling;  // what paper does not show
        const inner = at?.querySelector("p, pre, img, canvas, li, td, mjx-container");
        return at?.matches("p, pre, ul, ol") || !inner || !sheet(inner).length ? at : inner;
    };
    return [...document.querySelectorAll("article :is(h2, h3, summary, .admonition-title)")]
        .filter(title => sheet(title).length)
        .filter(title => content(title) && sheet(title).at(-1) !== sheet(content(title))[0])
        .map(title => title.innerText);
}"""


@pytest.mark.parametrize("name", ["few_steps.html", "forward.html"])
def test_on_paper_no_title_is_left_alone(name: str, visit: Visit) -> None:
    page = visit.open(name)
    visit.set_all(page)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    sheets = "column-width: 176mm; column-gap: 134.8px; column-fill: auto; height: 261mm"
    for lower in range(0, 261, 37):  # wherever the first sheet begins
        page.add_style_tag(
            content="@media print { article { position: absolute; left: 0; top: 0; width: 176mm;"
            f" padding: 0 !important; {sheets} }} article::before {{ content: ''; display: block;"
            f" height: {lower}mm }} }}"
        )
        assert page.evaluate(LEFT_ALONE) == []
