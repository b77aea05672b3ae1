"""The page in a real browser, over the real application."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.routes.page import STATIC
from api.server import bind, serving
from tests.api import samples

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
                "本页所示包含模拟数据",
            ],
        ),
        ("lang=en", ["Maize yield 2026", "Lishu", "10.25", "shows simulated data"]),
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
            ["一号气象站", "气温 3.5 °C", "分钟前", "模拟数据 · simulated"],
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


def test_page_without_simulated_data_has_no_banner(
    address: str, tmp_path: Path
) -> None:
    shown = read(f"{address}?year=2019&lang=en&view=126,44,6", tmp_path / "profile")
    assert "There is no maize estimate for 2019" in shown
    assert "shows simulated data" not in shown
