"""Training by class: where labels come from, how they reach the network, and what is drawn."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_course import (
    Schedule,
    UNet,
    UNetConfig,
    checkpoint,
    images,
    labels,
    metrics,
    solvers,
)
from ddpm_course.cli import main
from ddpm_course.data import digit_labels
from ddpm_course.interop import to_diffusers
from ddpm_course.run import Run
from ddpm_course.trainer import TrainConfig, Trainer
from ddpm_course.trends.text_to_image import guided
from ddpm_course.unet import Labelled
from tests.test_sources import archive, encoded, picture

SCHEDULE = Schedule.linear(50, 1e-3, 0.2)
TINY = UNetConfig(
    size=4, channels=(8, 8), blocks=1, attention=(False, True), dropout=0.2, classes=3
)
CONFIG = TrainConfig(steps=8, batch_size=8, warmup=0, device="cpu")
DATA = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1
CLASSES = torch.arange(20) % 3


def network(seed: int = 0) -> Labelled:
    torch.manual_seed(seed)
    model = Labelled(TINY)
    for parameter in model.parameters():  # layers that start at 0 hide what lies behind them
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def state(**changes) -> dict[str, torch.Tensor]:
    trainer = Trainer(network(), SCHEDULE, DATA, replace(CONFIG, **changes), CLASSES)
    for _ in trainer.steps(3):
        pass
    return trainer.state()


def test_own_labels_of_the_digits():
    found, names = labels.load("own", "digits", 1437)
    assert torch.equal(found, digit_labels())
    assert names == list("0123456789")


def test_the_names_of_subfolders(tmp_path):
    for i, name in enumerate(["dogs", "cats", "dogs/old", "ants"]):
        (tmp_path / name).mkdir(exist_ok=True)
        picture(i).save(tmp_path / name / "a.png")
    found, names = labels.load("own", str(tmp_path), 4)
    assert names == ["ants", "cats", "dogs"]
    assert found.tolist() == [0, 1, 2, 2]
    assert torch.equal(
        images.load(tmp_path, 8)[0].flatten(),
        torch.tensor(np.asarray(picture(3)).transpose(2, 0, 1).ravel()),
    )  # in the order of the pictures
    picture(9).save(tmp_path / "z.png")
    with pytest.raises(ValueError, match=r"z\.png in .* lies in no subfolder"):
        labels.load("own", str(tmp_path), 5)


def test_numbers_as_names_are_in_their_order(tmp_path):
    for i, name in enumerate(["10", "2", "0"]):
        (tmp_path / name).mkdir()
        picture(i).save(tmp_path / name / "a.png")
    found, names = labels.load("own", str(tmp_path), 3)
    assert names == ["0", "2", "10"]
    assert found.tolist() == [0, 2, 1]  # the pictures are in the order of the alphabet
    (tmp_path / "10").rename(tmp_path / "10a")
    assert labels.load("own", str(tmp_path), 3)[1] == ["0", "10a", "2"]


def test_folders_in_archives(tmp_path):
    archive(tmp_path / "x.tar", {"b/1.png": encoded(1), "a/2.png": encoded(2)})
    found, names = labels.load("own", str(tmp_path / "x.tar"), 2)
    assert (found.tolist(), names) == ([1, 0], ["a", "b"])


def test_numbers_in_a_file(tmp_path):
    np.save(tmp_path / "a.npy", np.array([2, 0, 1], np.uint8))
    found, names = labels.load(str(tmp_path / "a.npy"), "photos", 3)
    assert (found.tolist(), names) == ([2, 0, 1], ["0", "1", "2"])
    for numbers in (np.zeros(2, int), np.zeros(3), np.array([0, -1, 0])):
        np.save(tmp_path / "a.npy", numbers)
        with pytest.raises(ValueError, match=r"a\.npy holds .* give \(3,\) whole numbers"):
            labels.load(str(tmp_path / "a.npy"), "photos", 3)
    with pytest.raises(ValueError, match="b.npy cannot be read"):
        labels.load(str(tmp_path / "b.npy"), "photos", 3)
    with pytest.raises(ValueError, match="a.npy has no labels that are known here"):
        labels.load("own", str(tmp_path / "a.npy"), 3)


def test_the_gradient_reaches_the_rows_of_the_labels_that_came():
    model = network()
    x, t = DATA[:4], torch.tensor([1, 9, 20, 50])
    model(x, t, torch.tensor([0, 2, 2, 3])).square().sum().backward()
    rows = model.label.weight.grad.abs().sum(dim=1)
    assert (rows[[0, 2, 3]] > 0).all()
    assert rows[1] == 0


def test_without_a_label_it_is_the_null_class():
    model = network().eval()
    x, t = DATA[:2], torch.tensor([3, 40])
    null = torch.full((2,), TINY.classes)
    assert torch.equal(model(x, t), model(x, t, null))
    assert not torch.equal(model(x, t), model(x, t, torch.zeros(2, dtype=torch.int64)))
    with pytest.raises(ValueError, match=r"label has shape \(1,\); give one for each of the 2"):
        model(x, t, null[:1])


@pytest.mark.parametrize("drop", [0.0, 0.25, 1.0])
def test_dropped_labels_are_of_the_null_class_and_the_others_stay(drop):
    config = replace(CONFIG, batch_size=20, drop_label=drop)
    trainer = Trainer(network(), SCHEDULE, DATA, config, CLASSES)
    dropped = 0
    for step in range(100):
        trainer.step = step
        (given,) = trainer._labels()
        true = CLASSES[trainer._batch(step)]
        assert torch.equal(given[given != 3], true[given != 3])
        dropped += int((given == 3).sum())
    assert abs(dropped - 2000 * drop) <= 5 * (2000 * drop * (1 - drop)) ** 0.5


def test_the_labels_are_those_of_the_pictures_in_each_piece():
    seen = []
    model = network()
    model.register_forward_hook(lambda _m, given, _o: seen.append(given[2]))
    data = CLASSES[:, None, None, None].float().expand(20, 1, 4, 4) / 2 - 1
    config = replace(CONFIG, accumulate=2, drop_label=0.0)
    trainer = Trainer(model, SCHEDULE, data, config, CLASSES)
    next(trainer.steps(1))
    assert [len(piece) for piece in seen] == [4, 4]
    trainer.step = 0
    assert torch.equal(torch.cat(seen), ((trainer._draw()[0][:, 0, 0, 0] + 1) * 2).long())


@pytest.mark.parametrize(
    ("given", "model", "sentence"),
    [
        (None, network(), "a Labelled model learns from labels"),
        (CLASSES, UNet(replace(TINY, classes=0)), "labels are for a Labelled model"),
        (CLASSES[:5], network(), r"labels has shape \(5,\) and dtype torch.int64; give \(20,\)"),
        (CLASSES.float(), network(), "dtype torch.float32"),
        (CLASSES + 1, network(), "labels run from 1 to 3; the model knows 0 to 2"),
        (CLASSES - 1, network(), "labels run from -1 to 1"),
    ],
)
def test_labels_that_do_not_fit(given, model, sentence):
    with pytest.raises(ValueError, match=sentence):
        Trainer(model, SCHEDULE, DATA, CONFIG, given)


def test_configs_that_cannot_be():
    with pytest.raises(ValueError, match="classes is -1"):
        replace(TINY, classes=-1)
    with pytest.raises(ValueError, match="classes is 0; a network for labels needs"):
        Labelled(replace(TINY, classes=0))
    with pytest.raises(ValueError, match="drop_label is 2"):
        replace(CONFIG, drop_label=2)
    with pytest.raises(ValueError, match="this model needs labels"):
        to_diffusers(network())


def test_a_run_keeps_its_labels_and_goes_on_bit_for_bit(tmp_path):
    whole = Trainer(network(), SCHEDULE, DATA, CONFIG, CLASSES)
    for _ in whole.steps():
        pass
    cut = Run(Trainer(network(), SCHEDULE, DATA, CONFIG, CLASSES), tmp_path / "run", labels="own")
    for _ in itertools.islice(cut.steps(), 3):
        pass
    cut.save()
    with pytest.raises(ValueError, match="these data or labels are not the ones"):
        Run.resume(tmp_path / "run", DATA, labels=CLASSES.flip(0))
    again = Run.resume(tmp_path / "run", DATA, labels=CLASSES)
    assert again.labels == "own"
    for _ in again.steps():
        pass
    ended = again.trainer.state()
    assert [k for k, v in whole.state().items() if not torch.equal(v, ended[k])] == []
    model, _ = checkpoint.load(tmp_path / "run")
    assert isinstance(model, Labelled)
    assert torch.equal(model.label.weight, again.average.label.weight)


@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_guidance_is_a_line_through_both_predictions(w):
    model = network().eval()
    x, t, label = DATA[:3], torch.tensor([1, 20, 50]), torch.tensor([2, 0, 1])
    free, told = model(x, t), model(x, t, label)
    found = guided(model, label, w)(x, t)
    torch.testing.assert_close(found, (1 - w) * free + w * told, rtol=1e-5, atol=1e-5)


def test_activations_computed_anew_give_the_same_step():
    from torch.autograd.graph import saved_tensors_hooks

    plain, anew = state(), state(checkpoint_activations=True)
    assert plain.keys() == anew.keys()
    assert [k for k in plain if not torch.equal(plain[k], anew[k])] == []

    def kept(checkpoint_activations: bool) -> int:
        config = replace(CONFIG, checkpoint_activations=checkpoint_activations)
        model, sizes = network(), []
        trainer = Trainer(model, SCHEDULE, DATA, config, CLASSES)
        piece = next(trainer._pieces())
        trainer.model.train()
        with saved_tensors_hooks(lambda x: sizes.append(x.nbytes) or x, lambda x: x):
            trainer._predict(piece[0], piece[2])
        return sum(sizes)

    assert kept(True) < 0.6 * kept(False)


def test_a_command_learns_labels_and_draws_a_class(tmp_path, capsys):
    run = str(tmp_path / "run")
    train = ["train", "--labels", "--steps", "2", "--batch-size", "4", "--device", "cpu"]
    assert main([*train, "--checkpoint-activations", "--out", run]) == 0
    assert "10 classes: 0 0, 1 1" in capsys.readouterr().err
    about = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (about["unet"]["classes"], about["labels"]) == (10, "own")
    assert about["train"]["checkpoint_activations"] is True
    assert main(["train", "--resume", run, "--steps", "3", "--device", "cpu"]) == 0
    # So young a network says 0 to all: one with other weights is asked.
    torch.manual_seed(0)
    model = Labelled(UNetConfig(channels=(8, 8), blocks=1, classes=10))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    file = str(tmp_path / "model.safetensors")
    checkpoint.write(file, *checkpoint.pack(model, Schedule.cosine(20)))
    draw = ["sample", file, "--num", "2", "--sampler", "ddim", "--steps", "5"]
    drawn = {}
    for name, options in {
        "free": [],
        "0": ["--label", "3", "--guidance", "0"],
        "1": ["--label", "3", "--guidance", "1"],
        "other": ["--label", "4", "--guidance", "1"],
    }.items():
        out = tmp_path / f"{name}.npy"
        assert main([*draw, *options, "--out", str(out)]) == 0
        drawn[name] = np.load(out)
    np.testing.assert_array_equal(drawn["free"], drawn["0"])
    assert not np.array_equal(drawn["free"], drawn["1"])
    assert not np.array_equal(drawn["other"], drawn["1"])
    capsys.readouterr()
    judge = ["evaluate", file, "--data", "digits", "--num", "2", "--steps", "1", "--label", "3"]
    assert main(judge) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["label"] == 3
    assert "show one class; they are compared with the pictures of all classes" in said.err
    for options, sentence in (
        (["--label", "10"], "--label is 10; the model's classes: it knows 0 to 9"),
        (["--guidance", "1"], "--guidance is towards a class; name one with --label"),
        (["--label", "1", "--guidance", "-1"], "--guidance is -1.0; give a number from 0"),
    ):
        assert main([*draw, *options, "--out", str(tmp_path / "x.npy")]) == 2
        assert sentence in capsys.readouterr().err
    assert main(["sample", "digits", "--label", "1", "--out", str(tmp_path / "x.npy")]) == 2
    assert "it has learned none: drop it" in capsys.readouterr().err


@pytest.mark.long
def test_the_class_that_is_asked_for_is_drawn():
    from ddpm_course.data import digits

    schedule = Schedule.cosine(250)
    torch.manual_seed(0)
    model = Labelled(replace(UNetConfig.digits(), classes=10))
    config = TrainConfig(steps=600, batch_size=64, device="cpu")
    trainer = Trainer(model, schedule, digits(), config, digit_labels())
    for _ in trainer.steps():
        pass
    asked = torch.arange(10).repeat(10)
    chance = torch.Generator().manual_seed(0)
    shape = (100, 1, 8, 8)
    eps_hat = guided(trainer.ema.module, asked, 2.0)
    *_, last = solvers.ddim(eps_hat, shape, schedule, 25, generator=chance)
    seen = metrics.digit_probability(last.x_t).argmax(dim=1)
    assert float((seen == asked).double().mean()) > 0.7  # by chance it would be 0.1


@pytest.mark.parametrize("highest", [4, 10**9, 2**63 + 5])
def test_a_class_without_a_picture_is_a_mistake(tmp_path, highest):
    np.save(tmp_path / "labels.npy", np.array([0, 1, 2, highest], np.uint64))
    with pytest.raises(ValueError, match=f"holds the class {highest}, and there are 4 pictures"):
        labels.load(str(tmp_path / "labels.npy"), "digits", 4)


@pytest.mark.parametrize(("numbers", "missing"), [([1, 2, 3, 3], 0), ([0, 0, 3, 1], 2)])
def test_classes_are_numbered_without_a_gap(tmp_path, numbers, missing):
    np.save(tmp_path / "labels.npy", np.array(numbers))
    with pytest.raises(ValueError) as error:
        labels.load(str(tmp_path / "labels.npy"), "digits", 4)
    assert str(error.value) == (
        f"{tmp_path / 'labels.npy'} goes up to the class 3, and no picture is of class {missing}; "
        "number the classes from 0 without a gap."
    )
