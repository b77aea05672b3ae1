"""Every row ends in exactly one of stored, duplicate and problem."""

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.ground.errors import CoordinatesSwapped, NotDegrees
from ingest.ground.fates import Intake, Listed
from ingest.ground.points import take_points
from ingest.ground.vector import Layer, read_layer
from store.ground import CropPoint
from tests.ingest.ground.builders import places, write_csv

REAL = CropPoint(
    row=1,
    lon=124.5,
    lat=43.5,
    year=2019,
    is_crop=True,
    crop=None,
    county="220322",
    simulated=False,
)

rows = st.tuples(
    st.sampled_from(["124.5", "125.5", "120", "43", "", "x"]),
    st.sampled_from(["43.5", "43.25", "125", "nan"]),
    st.sampled_from(["Crop", "Non-crop", "maize", "wheat?", ""]),
    st.sampled_from(["2019", "2018", "", "19"]),
    st.sampled_from(["", ",more"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=12))
def test_counts_add_up(table: list[tuple[str, ...]]) -> None:
    good = ("125.5", "43.5", "Crop", "2019", "")
    lines = [",".join(row[:4]) + row[4] for row in (good, *table, *table)]
    with TemporaryDirectory() as folder:
        path = write_csv(Path(folder) / "a.csv", "lon,lat,crop,year", *lines)
        with suppress(CoordinatesSwapped, NotDegrees):
            _check(read_layer(path), len(lines))


def _check(layer: Layer, rows: int) -> None:
    intake = take_points(layer, places(), known=[REAL])
    fates = [*intake.stored_rows]
    fates += [one.row for one in (*intake.duplicates, *intake.problems)]
    assert sorted(fates) == list(range(1, rows + 1))
    assert len(intake.stored) == len({(p.lon, p.lat, p.year) for p in intake.records})


def test_row_without_a_fate_is_our_fault() -> None:
    with pytest.raises(ValueError, match="one fate"):
        Intake(rows=2, stored=((1, REAL),), duplicates=(), problems=())
    twice = (Listed(1, "x", "x", "某"),)
    with pytest.raises(ValueError, match="one fate"):
        Intake(rows=1, stored=((1, REAL),), duplicates=twice, problems=())
