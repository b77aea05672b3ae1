"""Whatever a table holds, every row of it is accounted for once."""

import csv
import io
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.statistics import Given, StatisticsTable, read_statistics

MEASURES = "面积（公顷）,产量（吨）,单产（吨/公顷）"
HEADER = f"地区,玉米,,,大豆,,\n,{MEASURES},{MEASURES}\n"
NAMES = st.sampled_from(
    [
        *("公主岭市", "公主岭", "农安县", "扶余", "铁西区", "通化", "Dehui City"),
        *("长春市", "合计", "沈阳市", "净月开发区", "张家村", "注：见下"),
        *("", "地区", "=1"),
    ]
)
CELLS = st.sampled_from(
    ["", "-", "…", "0", "100", "100", "750", "7.5", "1,000", "-5", "约3", "1e3", "2019"]
)
ROWS = st.lists(st.tuples(NAMES, *[CELLS] * 6), max_size=12)


def places_of(table: StatisticsTable) -> Counter[tuple[int, str]]:
    """Count how often each row and crop is in the lists; "" for a whole row."""
    found = Counter(
        (place.row, row.statistic.crop) for row in table.rows for place in row.places
    )
    for each in (*table.unmatched, *table.totals, *table.problems, *table.asides):
        found[each.place.row, each.crop] += 1
    return found


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS)
@example(rows=[("农安县", *["100", "750", "7.5"] * 2)] * 3)
def test_no_row_is_lost_and_none_is_counted_twice(
    tmp_path: Path, rows: list[tuple[str, ...]]
) -> None:
    text = io.StringIO(HEADER)
    text.seek(0, io.SEEK_END)
    csv.writer(text).writerows(rows)
    path = tmp_path / "table.csv"
    path.write_text(text.getvalue(), encoding="utf-8")

    found = places_of(read_statistics(path, Given(year=2020)))

    assert set(found.values()) == {1}
    assert found[1, ""] == found[2, ""] == 1
    for number, row in enumerate(rows, 3):
        crops = {crop for line, crop in found if line == number}
        blank = not any(row)
        assert crops in ([set()] if blank else [{""}, {"maize", "soybean"}])


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=ROWS)
def test_what_is_stored_agrees_with_itself(
    tmp_path: Path, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path / "table.csv"
    body = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    path.write_text(HEADER + body, encoding="utf-8")

    table = read_statistics(path, Given(year=2020))

    keys = [(r.statistic.county, r.statistic.crop) for r in table.rows]
    assert len(keys) == len(set(keys))
    for row in table.rows:
        kept = row.statistic
        assert kept.production_t is not None
        quotient = kept.production_t / kept.area_ha
        assert abs(quotient - kept.yield_t_ha) <= 0.0201 * kept.yield_t_ha
