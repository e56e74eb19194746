import base64
import html
import io
import json

import ipywidgets
import matplotlib
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from ddpm_course import plots
from ddpm_course.widgets import MOST_FRAMES, Explorer

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _own_settings():
    with matplotlib.rc_context():
        plots.style()
        yield


def square(*setting):
    """A figure that no other setting has."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(2, 1), dpi=50)
    figure.text(0, 0.5, str(setting), fontsize=8)
    return figure


def words(*setting):
    return f'A square that says "{setting}" & <nothing> else.'


def explorer(**controls):
    return Explorer(square, words, **controls)


def parts(explorer):
    """The page, its pictures in the order in which the script puts them, and what they say."""
    page = BeautifulSoup(explorer.html(), "html.parser")
    pictures, said = json.loads(page.find("script", type="application/json").string)
    pictures.insert(int(page.select_one(".explorer").get("data-first", 0)), page.img["src"])
    return page, pictures, said


def test_every_setting_has_its_own_frame():
    shown = explorer(cloud=["moons", "roll"], t=range(3))
    assert list(shown.frames) == [(c, t) for c in ("moons", "roll") for t in range(3)]
    assert len({frame.picture for frame in shown.frames.values()}) == 6
    for setting, frame in shown.frames.items():
        assert frame.words == words(*setting)


def test_a_frame_is_what_was_drawn():
    def half_red(t):
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(2, 1), dpi=100, layout="none")
        figure.add_axes((t / 4, 0, 0.25, 1), facecolor="#D55E00", xticks=[], yticks=[])
        return figure

    shown = Explorer(half_red, words, t=range(3))
    for (t,), frame in shown.frames.items():
        kind, data = frame.picture.split(",")
        assert kind == "data:image/png;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        assert picture.width == 2 * picture.height
        pixels = [
            picture.getpixel((round(picture.width * (k + 0.5) / 4), picture.height // 2))
            for k in range(4)
        ]
        assert pixels[t] == pytest.approx((0xD5, 0x5E, 0x00), abs=8)
        assert all(pixels[k] == (255, 255, 255) for k in range(4) if k != t)
    page, *_ = parts(shown)
    shown_at = page.img["width"], page.img["height"]
    assert shown_at == ("200", "100")  # as drawn, whatever its sharpness


def test_a_drawing_costs_no_open_figure_and_happens_once():
    import matplotlib.pyplot as plt

    drawn = []
    shown = Explorer(lambda t: drawn.append(t) or square(t), words, t=range(3))
    assert drawn == []  # nothing is drawn before it is shown
    shown.html(), shown.html(), shown.widget()
    assert drawn == [0, 1, 2]
    assert plt.get_fignums() == []


def test_html_holds_every_frame_in_the_order_of_the_script():
    shown = explorer(cloud=["moons", "roll"], t=range(3))
    page, pictures, said = parts(shown)
    assert pictures == [frame.picture for frame in shown.frames.values()]
    assert said == [frame.words for frame in shown.frames.values()]
    assert page.img["alt"] == said[0]


def test_it_starts_where_it_is_told_to():
    shown = explorer(start=("roll", 1), cloud=["moons", "roll"], t=range(3))
    page, pictures, said = parts(shown)
    assert pictures == [frame.picture for frame in shown.frames.values()]
    assert page.img["src"] == shown.frames["roll", 1].picture
    assert page.img["alt"] == said[4] == words("roll", 1)
    assert [option.text for option in page.select("option[selected]")] == ["roll"]
    assert page.select_one("input")["value"] == "1"
    assert page.select_one("input")["aria-valuetext"] == page.output.text == "1"
    picture, row = shown.widget().children
    assert shown.frames["roll", 1].picture in picture.value
    assert (row.children[0].label, row.children[1].label, row.children[2].value) == ("roll", "1", 1)


def test_without_a_start_it_is_the_first_of_each():
    given, left_out = explorer(start=[0], t=range(3)).html(), explorer(t=range(3)).html()
    assert given == left_out
    assert "data-first" not in given


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((1,), "start is \\(1,\\); give one value a control, for cloud, t"),
        ("moons", "start is 'moons'; give one value a control"),
        (("sun", 1), "start has 'sun' for cloud; choose one of moons, roll"),
        (("moons", 3), "start has 3 for t; choose one of 0, 1, 2"),
    ],
)
def test_a_start_that_is_not_there_is_refused(start, message):
    with pytest.raises(ValueError, match=message):
        explorer(start=start, cloud=["moons", "roll"], t=range(3))


def test_html_labels_every_control_and_says_its_value():
    page, *_ = parts(explorer(cloud=["moons", "Swiss & roll"], step_t=[1, 2.5, 1000]))
    assert page.select_one(".explorer")["aria-label"] == "Explorer: cloud and step t"
    menu, slider = page.select("label")
    assert menu.span.text == "cloud"
    assert [option.text for option in menu.select("option")] == ["moons", "Swiss & roll"]
    assert slider.span.text == "step t"
    assert slider.input["max"] == "2"
    assert json.loads(slider.input["data-values"]) == ["1", "2.5", "1000"]
    assert slider.input["aria-valuetext"] == page.output.text == "1"
    assert page.button.text == "Play"


def test_html_needs_nothing_but_itself():
    shown = explorer(t=range(3)).html()
    for outside in ("http", "//cdn", "require", 'src="/', "import "):
        assert outside not in shown
    page = BeautifulSoup(shown, "html.parser")
    assert [
        element for element in page.find_all(src=True) if not element["src"].startswith("data:")
    ] == []
    assert page.find_all(id=True) == []  # so two explorers on a page cannot clash
    # Without a script there is the first picture, and nothing that looks as if it could be moved.
    assert page.select_one(".explorer-settings").has_attr("hidden")


def test_html_is_well_formed():
    from html.parser import HTMLParser

    class Nesting(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open_tags = []

        def handle_starttag(self, tag, attributes):
            assert len(dict(attributes)) == len(attributes), f"<{tag}> has an attribute twice"
            if tag not in ("img", "input"):
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    nesting = Nesting()
    nesting.feed(explorer(cloud=["<b>", '"quoted"'], t=range(3)).html())
    nesting.close()
    assert nesting.open_tags == []


def test_words_cannot_end_the_script():
    shown = Explorer(square, lambda t: f"It says </script> {t} times", t=[1, 2])
    _, _, said = parts(shown)
    assert said == ["It says </script> 1 times", "It says </script> 2 times"]


def test_only_a_slider_can_be_played():
    page, *_ = parts(explorer(cloud=["moons", "roll"]))
    assert page.button is None
    assert not any(isinstance(w, ipywidgets.Play) for w in _all(explorer(a=["x", "y"]).widget()))


def _all(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all(child)


def test_widget_shows_the_frame_of_its_setting():
    shown = explorer(cloud=["moons", "roll"], step_t=range(3))
    picture, row = shown.widget().children
    menu, slider, play = row.children
    assert (menu.description, slider.description) == ("cloud", "step t")
    assert play.max == 2
    for cloud in ("moons", "roll"):
        for t in (2, 0, 1):
            menu.label, slider.label = cloud, str(t)
            frame = shown.frames[cloud, t]
            assert frame.picture in picture.value
            assert f'alt="{html.escape(frame.words)}"' in picture.value


def test_a_front_end_may_choose_between_widget_and_html():
    bundle = explorer(t=range(3))._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"] == "Explorer(t: 3 values)"
    assert 'class="explorer"' in bundle["text/html"]


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({}, "there are 0 controls"),
        (
            {"a": [1, 2], "b": [1, 2], "c": [1, 2]},
            "there are 3 controls \\(a, b, c\\); give one or two",
        ),
        ({"t": [1]}, "t has the values \\(1,\\); give at least two"),
        ({"t": []}, "give at least two"),
        ({"t": [1, 1]}, "give at least two, all different"),
        ({"t": [1, "two"]}, "give all words or all numbers"),
        ({"t": [True, False]}, "give all words or all numbers"),
        ({"t": range(MOST_FRAMES + 1)}, f"t makes {MOST_FRAMES + 1} frames"),
        ({"s": range(20), "t": range(20)}, "s times t makes 400 frames"),
    ],
)
def test_controls_that_cannot_be_shown_are_refused(controls, message):
    with pytest.raises(ValueError, match=message):
        explorer(**controls)


def test_what_is_no_function_is_refused():
    with pytest.raises(ValueError, match="draw is 'a figure'; give a function"):
        Explorer("a figure", words, t=[1, 2])
    with pytest.raises(ValueError, match="describe is None; give a function"):
        Explorer(square, None, t=[1, 2])


def test_wrong_answers_of_the_two_functions_are_refused():
    with pytest.raises(ValueError, match="draw\\(1,\\) gave None; return the matplotlib figure"):
        Explorer(lambda t: None, words, t=[1, 2]).html()
    for said in (None, "", "t = 1"[:3]):
        with pytest.raises(ValueError, match="say what the figure shows"):
            Explorer(square, lambda t, said=said: said, t=[1, 2]).html()

    def growing(t):
        import matplotlib.pyplot as plt

        return plt.figure(figsize=(t, 1))

    with pytest.raises(ValueError, match="draw\\(2,\\) gave a figure of .* the page would jump"):
        Explorer(growing, words, t=[1, 2]).html()


@pytest.mark.parametrize("picture", [False, True])
def test_a_drawing_says_so_and_an_explorer_with_a_picture_does_not(picture):
    def draw(t):
        figure = square(t)
        if picture and t == 2:
            figure.add_subplot().imshow([[0, 1], [1, 0]])
        return figure

    page = BeautifulSoup(Explorer(draw, words, t=[1, 2]).html(), "html.parser")
    assert page.img.has_attr("data-drawing") is not picture


def test_in_the_book_a_frame_has_letters_for_a_phone_and_says_so(monkeypatch):
    assert "data-letters" not in explorer(t=[1, 2]).html()
    monkeypatch.setenv(plots.FOR_THE_BOOK, "1")
    page = BeautifulSoup(explorer(t=[1, 2]).html(), "html.parser")
    assert float(page.img["data-letters"]) == pytest.approx(8)  # 100 pixels wide: it fits
