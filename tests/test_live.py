import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_course import checkpoint, data, live


def test_script_holds_the_shipped_network_and_its_schedule():
    text = live.script("digits")
    start, end = "window.ddpmModel = ", ";\n"
    assert text.startswith(start)
    assert text.endswith(end)
    given = json.loads(text.removeprefix(start).removesuffix(end))
    model, schedule = checkpoint.load("digits")
    assert given["beta"] == schedule.beta.tolist()
    assert given["config"]["channels"] == [32, 64]
    weights = model.state_dict()
    assert given["weights"].keys() == weights.keys()
    for name, packed in given["weights"].items():
        values = torch.from_numpy(np.frombuffer(base64.b64decode(packed), "<f2").astype("f4"))
        # The file itself is in half precision, so nothing is lost.
        assert torch.equal(values.view(weights[name].shape), weights[name])


def test_examples_are_real_digits_of_the_test_set():
    given = json.loads(live.examples().removeprefix("window.ddpmDigits = ").removesuffix(";\n"))
    assert len(given) == 20
    images, labels = data.digits("test").flatten(1), data.digit_labels("test")
    for number, ink in enumerate(given):
        distance, nearest = torch.cdist(torch.tensor([ink]).float() / 8 - 1, images).min(dim=1)
        assert distance < 1e-5
        assert labels[nearest] == number % 10
    assert len(set(map(tuple, given))) == 20


def test_what_is_no_model_is_refused():
    with pytest.raises(ValueError, match="neither a run folder"):
        live.script("no-such-model")


def test_each_figure_of_the_book_has_two_still_pictures_with_words():
    book = Path(__file__).parents[1] / "book"
    placed = {
        "-".join(found.split())
        for page in book.glob("*.md")
        for found in re.findall(r"^```\{live\} (.+)$", page.read_text(encoding="utf8"), re.M)
    }
    words = json.loads((book / "_live" / "stills" / "words.json").read_text(encoding="utf8"))
    assert placed == words.keys()
    drawn = {path.stem for path in book.glob("_live/stills/*.png")}
    assert drawn == {name + look for name in placed for look in ("", "-dark")}
    assert [name for name, said in words.items() if len(said.split()) < 5] == []
