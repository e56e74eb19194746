"""The drawing of what rests on what: every claim is a point, right of all that it uses."""

from __future__ import annotations

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from ddpm_course.symbolic import CLAIMS

PLACE = Path(__file__).parents[1] / "book" / "_ext" / "proofgraph.py"


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("proofgraph", PLACE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_claim_is_a_point_that_leads_to_its_row() -> None:
    drawing = ET.fromstring(_module().svg())
    titles = [title.text or "" for title in drawing.iter("title")]
    assert sorted(title.split()[1] for title in titles) == sorted(CLAIMS)
    assert {title.split()[0] for title in titles} == {claim.mark for claim in CLAIMS.values()}
    assert all(link.get("href", "").startswith("ledger.html#claim-") for link in drawing.iter("a"))


def test_what_is_used_stands_to_the_left() -> None:
    where, _, high = _module().places()
    assert len(set(where.values())) == len(where)
    for name, claim in CLAIMS.items():
        assert 0 < where[name][1] < high
        assert all(where[used][0] < where[name][0] for used in claim.used)
