"""The class of each picture: from the names of subfolders, of the digits, or from a .npy file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ddpm_course import sources
from ddpm_course.data import digit_labels

__all__ = ["OWN", "load"]

OWN = "own"  # the labels that the data have of themselves


def load(given: str, source: str, count: int) -> tuple[Tensor, list[str]]:
    """The labels of ``images.load(source)``.

    Args:
        given: "own", for what each digit shows, or for the names of the subfolders (of a folder, or
            in archives), in the order of the alphabet, or of numbers where all are such; or a .npy
            file of whole numbers from 0, in the order of the pictures.
        source: where the pictures are.
        count: how many pictures there are.

    Returns:
        ((N,) int64, the names of the classes in their order).

    Raises:
        ValueError: there are none, or not one for each picture, or a class has no picture.
    """
    if given != OWN:
        labels = _from_file(Path(given), count)
        return labels, [str(i) for i in range(int(labels.max()) + 1)]
    if source == "digits":
        return digit_labels(), [str(i) for i in range(10)]
    pictures = None if source.endswith(".npy") else sources.find(source)
    if isinstance(pictures, sources.Folder):
        places = [file.relative_to(pictures.folder) for file in pictures.files]
    elif isinstance(pictures, sources.Shards):
        places = [Path(name) for name in pictures.names]
    else:
        raise ValueError(f"{source} has no labels that are known here; give a .npy file of them.")
    if bare := [place for place in places if len(place.parts) < 2]:
        raise ValueError(
            f"{bare[0]} in {source} lies in no subfolder, whose name would be its class; move it "
            "into one, or give a .npy file of labels."
        )
    names = sorted({place.parts[0] for place in places})
    if all(name.isascii() and name.isdigit() for name in names):
        names.sort(key=int)  # 2 before 10
    number = {name: i for i, name in enumerate(names)}
    return torch.tensor([number[place.parts[0]] for place in places]), names


def _from_file(file: Path, count: int) -> Tensor:
    import numpy as np

    try:
        array = np.load(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read as numbers ({error}); write it anew.") from error
    if array.shape != (count,) or array.dtype.kind not in "iu" or array.min() < 0:
        raise ValueError(
            f"{file} holds {array.dtype} of shape {array.shape}; give ({count},) whole numbers "
            "from 0, the class of each picture."
        )
    if array.max() >= count:  # each class has a picture
        raise ValueError(
            f"{file} holds the class {array.max()}, and there are {count} pictures; count the "
            "classes from 0."
        )
    if missing := sorted(set(range(int(array.max()))) - set(array.tolist())):
        raise ValueError(
            f"{file} goes up to the class {array.max()}, and no picture is of class {missing[0]}; "
            "number the classes from 0 without a gap."
        )
    return torch.from_numpy(array.astype(np.int64))
