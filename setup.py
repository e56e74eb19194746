"""Puts the exercises into the wheel, and the repository's address into what an index shows.

pyproject.toml says everything else. The address comes in REPOSITORY_URL, when a release is built.
"""

import os
import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithExercises(build_py):
    """exercises/ stays the one source: the wheel gets a copy when it is built."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "ddpm_course" / "exercises"
            ignored = shutil.ignore_patterns(".*", "__pycache__")
            shutil.copytree("exercises", target, ignore=ignored, dirs_exist_ok=True)


def readme(repository: str) -> str:
    """README.md; with a repository, its links and pictures lead there from any other page."""
    text = Path("README.md").read_text(encoding="utf8")
    if repository:
        inside = r"(?!\w+:|#)"
        text = re.sub(rf"\]\({inside}", f"]({repository}/blob/HEAD/", text)
        text = re.sub(rf'src="{inside}', f'src="{repository}/raw/HEAD/', text)
    return text


repository = os.environ.get("REPOSITORY_URL", "").rstrip("/")
setup(
    cmdclass={"build_py": WithExercises},
    long_description=readme(repository),
    long_description_content_type="text/markdown",
    project_urls={"Repository": repository} if repository else {},
)
