from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.boundaries import jilin_counties
from ingest.ground.errors import ColumnMissing, OptionInvalid, YearUnknown
from ingest.ground.headers import pairs
from ingest.ground.places import Places
from ingest.ground.points import take_points
from ingest.ground.vector import Layer, read_layer
from tests.ingest.ground.builders import places, write_csv
from tests.ingest.wording import english


@pytest.fixture(scope="module")
def northeast(shared_data: Path) -> Layer:
    """5,624 labelled points of Liaoning, Jilin and Heilongjiang."""
    folder = shared_data / "northeast_points"
    return read_layer(folder / "combined_and_anonymised_points.csv")


def test_real_points_count_once(northeast: Layer) -> None:
    # pandas: drop_duplicates(["lon", "lat", "year"]), crop == "Crop".
    intake = take_points(northeast, places(anywhere=True))
    assert intake.rows == 5624
    assert len(intake.stored) == 4756
    assert len(intake.duplicates) == 868
    assert intake.problems == ()
    assert sum(point.is_crop for point in intake.records) == 2674
    assert Counter(point.year for point in intake.records) == {
        2016: 498,
        2017: 1433,
        2018: 1462,
        2019: 1363,
    }
    # The Liaoning 2019 block again, at the end of the file.
    assert intake.duplicates[-1].row == 5624
    assert "row 434" in str(intake.duplicates[-1])


def test_real_points_inside_jilin(northeast: Layer) -> None:
    intake = take_points(northeast, Places(jilin_counties()))
    counties = Counter(point.county for point in intake.records)
    # geopandas.sjoin gives 1,391 on outlines simplified to 0.0005 degree; one point
    # lies 68 m inside the border as it is.
    assert len(intake.stored) == 1392
    assert len(counties) == 58
    assert counties["220822"] == 75
    assert counties["220721"] == 62
    assert counties["220122"] == 59
    outside = [listed for listed in intake.problems if listed.kind == "outside"]
    assert len(outside) == len(intake.problems) == 5624 - 1392 - len(intake.duplicates)


def test_point_on_a_border_belongs_to_one_county() -> None:
    assert places().of_points([125.0, 124.9], [43.5, 43.5]) == ["220183", "220322"]


def test_point_outside_is_listed_with_its_distance(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv",
        "lon,lat,crop,year",
        "124.5,43.5,Crop,2019",
        "123,43.5,Crop,2019",
    )
    intake = take_points(read_layer(path), places())
    assert [row for row, _ in intake.stored] == [1]
    (listed,) = intake.problems
    # A degree of longitude at 43.5 N is 80.9 km, along the parallel and nearly so
    # along the geodesic.
    assert english(str(listed)) == (
        "outside the province, 81 km from it (123.00000, 43.50000)"
    )
    assert listed.row == 2


@pytest.mark.parametrize(
    ("label", "crop", "expected"),
    [
        ("Crop", "", (True, None)),
        ("Non-crop", "", (False, None)),
        ("NonCrop", "", (False, None)),
        ("Noncrop", "", (False, None)),
        ("玉米", "", (True, "maize")),
        ("crop", "水稻", (True, "rice")),
        ("Soybeans", "大豆", (True, "soybean")),
        ("其他", "", (True, "other")),
        ("作物", "Corn", (True, "maize")),
    ],
)
def test_label(
    tmp_path: Path, label: str, crop: str, expected: tuple[bool, str | None]
) -> None:
    rows = ["lon,lat,label,crop_type", f"124.5,43.5,{label},{crop}"]
    intake = take_points(
        read_layer(write_csv(tmp_path / "a.csv", *rows)), places(), year=2024
    )
    (point,) = intake.records
    assert (point.is_crop, point.crop) == expected
    assert (point.county, point.year) == ("220322", 2024)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("124.5,43.5,forest,2019,", "label"),
        ("124.5,43.5,,2019,", "label"),
        ("124.5,43.5,noncrop,2019,maize", "label"),
        ("124.5,43.5,rice,2019,maize", "label"),
        ("124.5,43.5,crop,2019,quinoa", "crop"),
        ("124.5,43.5,crop,,", "year"),
        ("124.5,43.5,crop,2019.5,", "year"),
        ("124.5,43.5,crop,next,", "year"),
    ],
)
def test_row_that_cannot_be_taken(tmp_path: Path, row: str, kind: str) -> None:
    path = write_csv(tmp_path / "a.csv", "lon,lat,label,year,crop_type", row)
    (listed,) = take_points(read_layer(path), places()).problems
    assert (listed.row, listed.kind) == (1, kind)
    assert english(str(listed))


def _three(tmp_path: Path, *labels: str) -> Layer:
    rows = [f"124.5,43.5,{label},2019" for label in labels]
    return read_layer(write_csv(tmp_path / "a.csv", "lon,lat,label,year", *rows))


def test_contradicting_labels_are_all_listed(tmp_path: Path) -> None:
    intake = take_points(_three(tmp_path, "Crop", "Non-crop", "Crop"), places())
    assert intake.stored == ()
    assert [(one.row, one.kind) for one in intake.problems] == [
        *((1, "conflict"), (2, "conflict"), (3, "conflict")),
    ]


def test_stored_points_are_met_again(tmp_path: Path) -> None:
    layer = _three(tmp_path, "Crop")
    (point,) = take_points(layer, places()).records
    simulated = replace(point, simulated=True)

    def fate(known: object, *, made_up: bool = False) -> str:
        intake = take_points(layer, places(), known=[known], simulated=made_up)  # type: ignore[list-item]
        listed = (*intake.duplicates, *intake.problems)
        return listed[0].kind if listed else "new"

    assert fate(point) == "stored"
    assert fate(replace(point, is_crop=False)) == "conflict"
    assert fate(simulated) == "new"
    assert fate(simulated, made_up=True) == "stored"
    assert fate(point, made_up=True) == "simulated"


def test_day_of_collection_is_no_season(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "a.csv", "lon,lat,crop,collection_date", "124.5,43.5,Crop,2022-03-01"
    )
    with pytest.raises(YearUnknown, match="no season"):
        take_points(read_layer(path), places())


def test_other_column_names(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", "E,N,what,yr", "124.5,43.5,Crop,2019")
    columns = pairs(["lon=E,lat=N", "label=what,year=yr"], option="--columns")
    intake = take_points(read_layer(path, columns=columns), places())
    assert intake.records[0].year == 2019
    assert intake.notes == ("columns 列: label = what, year = yr",)
    with pytest.raises(ColumnMissing, match="no column 'X'"):
        read_layer(path, columns={"lon": "X"})


@pytest.mark.parametrize("text", ["label", "label=", "a=b,a=c", ""])
def test_option_that_is_no_pair(text: str) -> None:
    with pytest.raises(OptionInvalid, match="name=value"):
        pairs([text], option="--columns")
