"""The county bulletin: what it says, and that it says when it cannot."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pypdfium2
import pytest
from psycopg.conninfo import make_conninfo

from api.bulletin.charts import coloured, draw
from api.bulletin.content import NOT_THE_CROP, Bulletin, gather
from api.bulletin.files import html_of, pdf_of, write_bulletin
from api.bulletin.view import view
from api.bulletin.words import Language
from api.errors import CropUnknown, PlaceInvalid
from ingest.archive import Archive
from models.growth import Level, SignalStatus
from store import Store, estimates, open_store, runs, weather
from tests.api import growth_cases as cases
from tests.api import samples

LANGUAGES: tuple[Language, ...] = ("zh", "en")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Five past years of one county, and a crop map."""
    made = Archive(tmp_path_factory.mktemp("bulletin") / "archive")
    cases.add_years(made, cases.LEVELS)
    cases.add_crop_map(made)
    return made


@pytest.fixture(scope="module")
def module_store(
    database_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store with weather and an estimate; tests only read it."""
    name = f"heitu_bulletin_{os.getpid()}"
    with psycopg.connect(database_server, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        with open_store(url=make_conninfo(database_server, dbname=name)) as store:
            _fill(store)
            yield store
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _fill(store: Store) -> None:
    numbers = np.random.default_rng(4)
    days = pd.date_range("2016-01-01", "2026-07-31")
    warmth = 8 - 22 * np.cos(2 * np.pi * (days.day_of_year - 20) / 365)
    rows = pd.DataFrame(
        {
            "county": cases.LISHU,
            "day": days,
            "tmin": np.round(warmth - 12 + numbers.normal(0, 1, len(days)), 1),
            "tmax": np.round(warmth + numbers.normal(0, 1, len(days)), 1),
            "precipitation": np.round(numbers.gamma(0.3, 8, len(days)), 1),
            "radiation": 18.0,
            "source": "station <A&B>",
            "simulated": False,
        }
    )
    # A drought from May on, and one hot week at silking.
    dry = rows["day"].between("2026-05-01", "2026-07-31")
    rows.loc[dry, "precipitation"] = 0.0
    hot = rows["day"].between("2026-07-16", "2026-07-22")
    rows.loc[hot, "tmax"] = 38.0
    with store.connection() as conn:
        weather.put(conn, rows)
        runs.save(conn, samples.a_run())
        estimates.add(conn, [_estimate(9.0, date(2026, 7, 20))])


def _estimate(value: float | None, as_of: date | None) -> estimates.Estimate:
    return estimates.Estimate(
        county=cases.LISHU,
        crop="maize",
        year=2026,
        value=value,
        lower=None if value is None else value - 1,
        upper=None if value is None else value + 1,
        status="missing" if value is None else "forecast",
        reason="no history · 没有历史" if value is None else None,
        simulated=True,
        run_id=samples.RUN_ID,
        as_of=as_of,
        issued_at=datetime(2026, 7, 25, tzinfo=UTC),
    )


@pytest.fixture(scope="module")
def bulletin(
    archive: Archive, module_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Bulletin:
    """Of maize in Lishu at the end of July."""
    folder = tmp_path_factory.mktemp("growth")
    request = cases.request(archive, past=10)
    return gather(request, module_store, crop="maize", folder=folder)


@pytest.fixture(scope="module")
def pages(bulletin: Bulletin) -> dict[Language, str]:
    """The bulletin as a web page of each language."""
    return {one: html_of(view(bulletin, one), draw(bulletin, one)) for one in LANGUAGES}


def signal(bulletin: Bulletin, key: str) -> Any:
    return next(one for one in bulletin.signals if one.key == key)


def test_growth_is_that_of_the_county_table(bulletin: Bulletin) -> None:
    assert bulletin.growth["grade"] == 2
    assert bulletin.growth["value"] == pytest.approx(0.58, abs=2e-4)
    assert bulletin.simulated
    assert bulletin.crop_map == "crop-map-even"


def test_curves_have_a_column_a_year_and_end_with_the_dekad(bulletin: Bulletin) -> None:
    table = bulletin.curves
    assert [*table.columns] == [2021, 2022, 2023, 2024, 2025, 2026]
    assert table[2026].last_valid_index() == "07-21"
    assert table.loc["07-21", 2025] == pytest.approx(0.68, abs=2e-4)


def test_ungraded_crop_is_told_from_land_without_it() -> None:
    shown = coloured(np.array([[0, 1, NOT_THE_CROP]], dtype=np.uint8))
    assert shown[0, :, 3].tolist() == [255, 255, 0]
    assert shown[0, 0].tolist() != shown[0, 1].tolist()


def test_heat_and_drought_are_told(bulletin: Bulletin) -> None:
    heat = signal(bulletin, "heat_tasselling_and_silking")
    assert (heat.value, heat.level) == (7, Level.WARNING)
    spei = signal(bulletin, "spei_90")
    assert (spei.level, spei.status) == (Level.WARNING, SignalStatus.SHORT)
    assert signal(bulletin, "rain_30").value == 0


def test_signals_without_inputs_say_which(bulletin: Bulletin) -> None:
    water, health = signal(bulletin, "lswi"), signal(bulletin, "vhi")
    assert "short-wave infrared" in water.reason.en
    assert "land surface temperature" in health.reason.en
    assert (water.value, health.value) == (None, None)


def test_summary_names_grade_warnings_and_yield_in_both_languages(
    bulletin: Bulletin,
) -> None:
    chinese = "\n".join(view(bulletin, "zh").summary)
    assert "梨树县玉米长势较差，按常年处于抽雄吐丝期" in chinese
    assert "较往年（5年）同期平均低0.060，低于所有往年" in chinese
    assert "警示：" in chinese
    assert "9.00 吨/公顷（600 公斤/亩），80%区间 8.00—10.00" in chinese
    english = "\n".join(view(bulletin, "en").summary)
    assert "Maize in Lishu County is worse" in english
    assert "0.060 below the mean of 5 past years" in english
    assert "Yield, forecast: 9.00 t/ha, 80% interval 8.00 to 10.00" in english


def test_lead_time_of_the_yield_is_told(bulletin: Bulletin) -> None:
    # Usual maturity ends on 5 October, 77 days after 20 July.
    assert "77 days before usual maturity" in view(bulletin, "en").estimate[1]


def test_a_yield_that_saw_later_data_says_so(bulletin: Bulletin) -> None:
    later = replace(bulletin, estimate=_estimate(9.0, date(2026, 9, 30)))
    assert "later than this dekad" in view(later, "en").estimate[1]
    undated = replace(bulletin, estimate=_estimate(9.0, None))
    assert "not stated" in view(undated, "en").estimate[1]


def test_no_yield_and_a_missing_yield_have_their_words(bulletin: Bulletin) -> None:
    none = view(replace(bulletin, estimate=None), "zh").estimate
    assert none == ["数据库中没有本年该作物的单产估计。"]
    missing = replace(bulletin, estimate=_estimate(None, None))
    assert view(missing, "zh").estimate == ["单产无法估计：没有历史。"]
    assert view(missing, "en").estimate == ["No yield estimate: no history."]


def test_limits_and_stages_are_not_sold_as_standards(bulletin: Bulletin) -> None:
    caveats = "\n".join(view(bulletin, "zh").caveats)
    assert "非标准限值" in caveats
    assert "未经核实" in caveats
    assert "2016、2017、2018、2019、2020年没有影像" in caveats


class _Links(HTMLParser):
    """Collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            fetched = name in {"src", "href", "xlink:href"} and value is not None
            if fetched and not str(value).startswith(("data:", "#")):
                self.found.append(str(value))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_stands_by_itself(
    pages: dict[Language, str], language: Language
) -> None:
    page = pages[language]
    links = _Links()
    links.feed(page)
    assert links.found == []
    assert "script" not in links.tags
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert page.count("<svg ") == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_simulated_data_bear_a_banner(
    bulletin: Bulletin, pages: dict[Language, str], language: Language
) -> None:
    assert 'class="banner"' in pages[language]
    assert "SIMULATED" in pages[language]
    real = html_of(view(replace(bulletin, simulated=False), language), {})
    assert "SIMULATED" not in real


def test_text_of_others_cannot_become_markup(pages: dict[Language, str]) -> None:
    assert "station &lt;A&amp;B&gt;" in pages["zh"]
    assert "<A&B>" not in pages["zh"]


def test_chinese_of_the_pdf_can_be_selected(bulletin: Bulletin) -> None:
    document = pypdfium2.PdfDocument(pdf_of(view(bulletin, "zh"), draw(bulletin, "zh")))
    text = "".join(page.get_textpage().get_text_range() for page in document)
    text = re.sub(r"\s", "", text)
    for words in (
        "梨树县玉米农情简报",
        "模拟数据",
        "长势分布图",
        "使用说明",
        "生长过程曲线",
    ):
        assert words in text
    # Labels of the charts are text too.
    assert "往年范围" in text


def test_the_same_bulletin_is_the_same_bytes(bulletin: Bulletin) -> None:
    told, charts = view(bulletin, "zh"), draw(bulletin, "zh")
    assert draw(bulletin, "zh") == charts
    assert pdf_of(told, charts) == pdf_of(told, charts)


def test_files_are_named_after_county_crop_and_dekad(
    bulletin: Bulletin, tmp_path: Path
) -> None:
    written = write_bulletin(bulletin, tmp_path, languages=("en",))
    stem = "bulletin-220322-maize-20260721-en"
    assert [path.name for path in written] == [f"{stem}.html", f"{stem}.pdf"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in written
    )


def test_without_weather_there_are_no_weather_signals_and_it_is_said(
    archive: Archive, store: Store, tmp_path: Path
) -> None:
    request = cases.request(archive, past=10)
    found = gather(request, store, crop="maize", folder=tmp_path)
    assert [one.key for one in found.signals] == ["sos", "pos", "eos", "lswi", "vhi"]
    assert any("no weather" in caveat.en for caveat in found.caveats)
    charts = draw(found, "zh")
    assert "weather" not in charts
    assert pdf_of(view(found, "zh"), charts).startswith(b"%PDF")


def test_clouds_over_the_dekad_make_a_bulletin_without_a_grade(
    store: Store, tmp_path: Path
) -> None:
    archive = Archive(tmp_path / "archive")
    cases.add_years(archive, cases.LEVELS, clouded=(2026,))
    request = cases.request(archive)
    found = gather(request, store, crop="maize", folder=tmp_path)
    told = view(found, "zh")
    assert told.texts["grade"] == "无法评级"
    assert told.summary[0].startswith("梨树县玉米本旬无法评级：今年晴空观测不足")
    assert {row["value"] for row in told.shares} == {"-"}
    assert told.caveats[0] == "没有作物分布图，统计对象为全县土地"
    assert pdf_of(told, draw(found, "zh")).startswith(b"%PDF")


def test_a_crop_that_is_not_mapped_has_no_bulletin(
    archive: Archive, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(CropUnknown):
        gather(cases.request(archive), store, crop="sorghum", folder=tmp_path)


def test_the_command_writes_what_it_says(
    archive: Archive, module_store: Store, tmp_path: Path
) -> None:
    data = Path(archive.location).parent
    arguments = (
        *("bulletin", "梨树县", "--date", "2026-07-25", "--language", "zh"),
        *("--no-pdf", "--out", str(tmp_path)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEITU_DATABASE_URL", module_store.url)
        result = cases.run(data, *arguments)
    assert result.exit_code == 0, result.output
    path = Path(result.stdout.splitlines()[-1])
    assert path == tmp_path / "bulletin-220322-maize-20260721-zh.html"
    assert "梨树县玉米农情简报" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "wrong", [("--language", "fr"), ("--no-html", "--no-pdf"), ("--min-years", "1")]
)
def test_wrong_options_are_wrong_usage(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    arguments = ("bulletin", "梨树县", "--date", "2026-07-25", *wrong)
    assert cases.run(tmp_path, *arguments).exit_code == 2


def test_an_unknown_county_has_no_bulletin(archive: Archive) -> None:
    data = Path(archive.location).parent
    result = cases.run(data, "bulletin", "某某县", "--date", "2026-07-25")
    assert isinstance(result.exception, PlaceInvalid)
