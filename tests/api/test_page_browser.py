"""The page in a real browser, over the real application."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.routes.page import STATIC
from api.server import bind, serving
from ingest.archive import Archive
from store import Store, counties, devices, estimates, runs
from tests.api import samples
from tests.api.test_growth_routes import write
from tests.api.test_products import ACCURACY, add_crop_map

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
    pytest.mark.skipif(
        not (STATIC / "index.html").is_file(),
        reason="api/static is absent: the page is not built (make page)",
    ),
]


@pytest.fixture
def address(client: TestClient) -> Iterator[str]:
    """Address of the application under a real server."""
    with serving(cast(FastAPI, client.app), bind("127.0.0.1", 0)) as address:
        yield address


@pytest.fixture
def measured(store: Store, own_archive: Archive) -> Iterator[str]:
    """Address of a platform without simulated data, and without values."""
    missing = replace(samples.an_estimate("220322", "maize", None), simulated=False)
    with store.connection() as conn:
        counties.replace(conn, samples.two_counties())
        runs.save(conn, replace(samples.a_run(), simulated=False))
        estimates.add(
            conn,
            [
                replace(missing, reason="no clear date · 没有晴空"),
                replace(missing, county="220323", reason="snow"),
            ],
        )
    app = create_app(store=store, archive=own_archive)
    with serving(app, bind("127.0.0.1", 0)) as address:
        yield address


def a_station(name: str, *, simulated: bool) -> devices.Device:
    return devices.Device(
        device_id=name.lower(),
        farm="lishu",
        name_zh=name,
        name_en=name,
        kind="weather-station",
        lon=124.3,
        lat=43.3,
        county="220322",
        simulated=simulated,
        created_at=samples.ISSUED,
    )


def read(address: str, profile: Path) -> str:
    """Return the words on the page once it has come to rest."""
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            # Nothing but the platform can be reached.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={profile}",
            "--window-size=1366,768",
            "--virtual-time-budget=4000",
            "--dump-dom",
            address,
        ],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    body = re.sub(r"(?s)^.*<body>|<noscript>.*?</noscript>", "", done.stdout)
    # A tag ends a word, so that neighbours do not run together.
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def season_query() -> str:
    place = samples.lonlat(samples.FINE, samples.CLEAR)
    return f"panel=season&year=2026&pixel={place['lon']},{place['lat']}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "",
            [
                "2026 年玉米单产",
                "梨树县",
                "10.25",
                "1 / 2",
                "无估计",
                "本平台包含模拟数据",
            ],
        ),
        ("lang=en", ["Maize yield 2026", "Lishu", "10.25", "holds simulated data"]),
        (
            "county=220322",
            [
                "梨树县",
                "10.25 t/ha",
                "80% 区间 9.25 – 11.25",
                "预测",
                "历年单产",
                "9.75",
            ],
        ),
        (season_query(), ["像元生长季", "分辨率 10 米", "生长高峰", "高峰 NDVI"]),
        (
            "panel=devices",
            ["一号气象站 模拟", "气温 3.5 °C", "分钟前"],
        ),
        ("lang=en&panel=devices&device=ws-01", ["Weather station 1", "3.5 °C"]),
        ("panel=season&pixel=2.35,48.85&lang=en", ["Pixel season", "48.85"]),
    ],
)
def test_page_shows(
    address: str, tmp_path: Path, query: str, expected: list[str]
) -> None:
    shown = read(f"{address}?{query}", tmp_path / "profile")
    assert [words for words in expected if words not in shown] == []
    assert "正在读取" not in shown
    assert "Loading" not in shown


@pytest.fixture
def revised(store: Store, own_archive: Archive) -> Iterator[str]:
    """Address of a platform that forecast, revised, and then read the yearbook."""
    base = samples.an_estimate("220322", "maize", 10.0)
    numbers: dict[str, Any] = {"trend": 9.5, "mean5": 9.25}
    with store.connection() as conn:
        counties.replace(conn, samples.two_counties())
        for day, value in ((date(2026, 6, 30), 10.0), (date(2026, 8, 31), 9.0)):
            run_id = f"{day:%m%d}".ljust(16, "0")
            parameters = {"as_of": day.isoformat()}
            runs.save(
                conn, replace(samples.a_run(), run_id=run_id, parameters=parameters)
            )
            made = replace(base, value=value, lower=8.0, run_id=run_id, as_of=day)
            estimates.add(conn, [replace(made, **numbers)])
        run_id = "f".ljust(16, "0")
        runs.save(conn, replace(samples.a_run(), run_id=run_id))
        final = replace(base, value=9.75, lower=None, upper=None, interval=None)
        told: dict[str, Any] = {
            "status": "final",
            "source": "Yearbook · 年鉴",
            "run_id": run_id,
        }
        estimates.add(conn, [replace(final, **told)])
    app = create_app(store=store, archive=own_archive)
    with serving(app, bind("127.0.0.1", 0)) as address:
        yield address


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "county=220322",
            [
                "9.75 t/ha 最终",
                "来源：年鉴",
                "本年估计的历次发布 模拟数据",
                "全部发布（3 次）",
                "数据截至 8月31日 预测 9.00 t/ha 80% 区间 8.00 – 11.00",
                "较上次 −1.00；数据截止日由 2026-06-30 变为 2026-08-31",
                "首次发布",
                "运行 06300000",
            ],
        ),
        (
            "lang=en&county=220322",
            [
                "9.75 t/ha final",
                "Source: Yearbook",
                "Issues of this year's estimate",
                "All issues (3)",
                "Data up to 31 Aug forecast 9.00 t/ha",
                "−1.00 against the one before; data up to 2026-08-31 instead of",
                "Published value",
                "Five-year mean",
            ],
        ),
    ],
)
def test_county_tells_the_history_of_its_estimate(
    revised: str, tmp_path: Path, query: str, expected: list[str]
) -> None:
    shown = read(f"{revised}?{query}", tmp_path / "profile")
    assert [words for words in expected if words not in shown] == []


@pytest.mark.parametrize(
    ("lang", "expected"),
    [
        (
            "zh",
            [
                "总产 108.0 万吨（80% 区间 90.0 – 126.0）",
                "面积 120.0 千公顷（95% 区间 112.2 – 127.8）",
                "面积来源：抽样调查，标准误 4.0 千公顷。",
            ],
        ),
        (
            "en",
            [
                "Production 1,080.0 thousand t (80% interval 900.0 – 1,260.0)",
                "Area 120.0 thousand ha (95% interval 112.2 – 127.8)",
                "Area from a sample survey, standard error 4.0 thousand ha.",
            ],
        ),
    ],
)
def test_county_tells_how_much_it_will_harvest(
    measured: str, store: Store, tmp_path: Path, lang: str, expected: list[str]
) -> None:
    plain = samples.an_estimate("220322", "maize", 9.0)
    harvested = replace(
        plain, measure="production", unit="t", value=1.08e6, lower=9e5, upper=1.26e6
    )
    surveyed = replace(
        plain, measure="area", unit="ha", value=120_000.0, lower=112_200.0
    )
    surveyed = replace(surveyed, upper=127_800.0, interval=0.95, se=4000.0)
    with store.connection() as conn:
        rows = [replace(one, area_source="survey") for one in (harvested, surveyed)]
        estimates.add(conn, rows)
    shown = read(f"{measured}?lang={lang}&county=220322", tmp_path / "profile")
    assert [words for words in expected if words not in shown] == []


def test_banner_tells_of_simulated_data_out_of_sight(
    measured: str, store: Store, tmp_path: Path
) -> None:
    with store.connection() as conn:
        estimates.add(conn, [samples.an_estimate("220322", "soybean", 2.0)])
    shown = read(f"{measured}?year=2019&lang=en", tmp_path / "profile")
    assert "There is no maize estimate for 2019" in shown
    assert "holds simulated data" in shown


def test_page_without_simulated_data_has_no_banner(
    measured: str, tmp_path: Path
) -> None:
    shown = read(f"{measured}?lang=en", tmp_path / "profile")
    assert "There is no maize estimate for 2026" in shown
    assert "simulated" not in shown


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("lang=zh&county=220322", "原因：没有晴空 "),
        ("lang=en&county=220322", "Reason: no clear date "),
        ("lang=zh&county=220323", "原因：snow "),
        ("lang=en&county=220323", "Reason: snow "),
    ],
)
def test_reason_is_in_the_language_of_the_page(
    measured: str, tmp_path: Path, query: str, reason: str
) -> None:
    shown = read(f"{measured}?{query}", tmp_path / "profile")
    assert reason in shown
    assert "no clear date · 没有晴空" not in shown


def test_only_simulated_devices_are_marked(
    measured: str, store: Store, tmp_path: Path
) -> None:
    with store.connection() as conn:
        devices.add(conn, a_station("A", simulated=True), [])
        devices.add(conn, a_station("B", simulated=False), [])
    shown = read(f"{measured}?panel=devices", tmp_path / "profile")
    assert "A 模拟 没有数据" in shown
    assert "B 没有数据" in shown


def test_link_to_a_window_shows_the_window(address: str, tmp_path: Path) -> None:
    shown = read(f"{address}?layer=yield-map-10m", tmp_path / "profile")
    # The scale bar of a map 640 m wide; of the province it reads in kilometres.
    assert re.search(r" \d+ m ", shown)
    assert " km " not in shown


@pytest.fixture
def graded(
    filled_store: Store, own_archive: Archive, tmp_path: Path
) -> Iterator[tuple[str, Path]]:
    """Address of a platform with a crop map, and the folder of its growth."""
    add_crop_map(own_archive, **{"heitu:accuracy": ACCURACY})
    for name in ("growth", "bulletins"):
        (tmp_path / name).mkdir()
    app = create_app(
        store=filled_store,
        archive=own_archive,
        growth=tmp_path / "growth",
        bulletins=tmp_path / "bulletins",
    )
    with serving(app, bind("127.0.0.1", 0)) as address:
        yield address, tmp_path


def test_a_county_tells_its_growth_and_links_its_bulletin(
    graded: tuple[str, Path], tmp_path: Path
) -> None:
    address, folder = graded
    write(folder / "growth", "growth-220322-20260721-counties-maize.csv", {})
    for name in ("zh.html", "zh.pdf", "en.html"):
        (folder / "bulletins" / f"bulletin-220322-maize-20260721-{name}").touch()
    shown = read(f"{address}?county=220322", tmp_path / "profile")
    assert "长势（与往年同期比较） 模拟数据 · simulated 较差" in shown
    assert "2026年7月21日—31日" in shown
    assert "NDVI 0.58，往年同期 0.64（−0.06）" in shown
    assert "低于所有往年" in shown
    assert "旬简报（HTML） 7月21日旬简报（PDF）" in shown


def test_a_county_nobody_graded_is_told_what_to_run(
    graded: tuple[str, Path], tmp_path: Path
) -> None:
    query = "county=220322&lang=en"
    shown = read(f"{graded[0]}?{query}", tmp_path / "profile")
    assert "heitu growth --county 220322 --crop maize --date DATE" in shown
    assert "heitu bulletin 220322 --crop maize --date DATE" in shown


def test_a_crop_map_is_shown_with_classes_and_accuracy(
    graded: tuple[str, Path], tmp_path: Path
) -> None:
    layer = "crop-classes-220322-10m"
    shown = read(f"{graded[0]}?lang=en&layer={layer}", tmp_path / "profile")
    assert "Crops of Lishu 2026" in shown
    assert "maize rice Not seen clear often enough for a class" in shown
    assert "Accuracy: 90% (80–95%) of the samples right" in shown
    assert "100 samples of 2026; cross-validated in blocks of 50 km" in shown
    assert "no sample is of 2026" in shown
    assert "holds simulated data" in shown
