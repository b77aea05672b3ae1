"""Sentinel-1 RTC of two producers, and what is no RTC."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.folders import FolderSource
from ingest.offer import Bounds
from tests.ingest.folders.builders import offered, pixels, reason, search, write_raster
from tests.ingest.wording import english

HYP3 = "S1A_IW_20260601T095512_DVP_RTC30_G_gpuned_1A2B"
PLANETARY = "S1A_IW_GRDH_1SDV_20260601T095512_20260601T095537_059012_0751AB_rtc"
SIZE = 60
WHOLE: Bounds | None = None


def power(seed: int) -> Any:
    """Backscatter of fields, linear, gamma-distributed with four looks."""
    values = np.random.default_rng(seed).gamma(4, 0.02, (SIZE, SIZE))
    return values.astype("float32")


def hyp3(folder: Path, name: str = HYP3, keys: tuple[str, ...] = ("VV", "VH")) -> Path:
    root = folder / name
    for seed, key in enumerate(keys):
        write_raster(root / f"{name}_{key}.tif", power(seed), metres=30, nodata=0)
    write_raster(root / f"{name}_dem.tif", power(9), metres=30)
    (root / f"{name}.README.md.txt").write_text("HyP3")
    return root


def test_hyp3_folder(tmp_path: Path) -> None:
    root = hyp3(tmp_path)
    offer = offered(tmp_path)
    assert (offer.collection, offer.item_id) == ("sentinel-1-rtc", HYP3)
    assert offer.acquired == datetime(2026, 6, 1, 9, 55, 12, tzinfo=UTC)
    assert offer.properties == {
        "platform": "sentinel-1a",
        "constellation": "sentinel-1",
        "instruments": ["c-sar"],
        "sar:instrument_mode": "IW",
        "sar:polarizations": ["VH", "VV"],
        "heitu:backscatter": "power",
        "heitu:producer": "hyp3",
    }
    assert {key: band.nodata for key, band in offer.bands.items()} == {"vh": 0, "vv": 0}
    assert (offer.bands["vv"].scale, offer.bands["vv"].offset) == (1.0, 0.0)
    file = FolderSource(tmp_path).fetch(offer, "vv", clip=WHOLE, folder=tmp_path)
    assert np.array_equal(pixels(file.path), pixels(root / f"{HYP3}_VV.tif"))


def test_hyp3_zip(tmp_path: Path) -> None:
    root = hyp3(tmp_path)
    shutil.make_archive(str(root), "zip", tmp_path, root.name)
    packed = offered(root.with_name(f"{HYP3}.zip"))
    plain = offered(root)
    assert packed.properties == plain.properties
    file = FolderSource(tmp_path).fetch(packed, "vh", clip=WHOLE, folder=tmp_path)
    assert np.array_equal(pixels(file.path), pixels(root / f"{HYP3}_VH.tif"))


@pytest.mark.parametrize(
    ("letter", "scale"), [("p", "power"), ("a", "amplitude"), ("d", "decibel")]
)
def test_scale_is_that_of_the_name(tmp_path: Path, letter: str, scale: str) -> None:
    hyp3(tmp_path, HYP3.replace("_gp", f"_g{letter}"))
    assert offered(tmp_path).properties["heitu:backscatter"] == scale


def test_single_polarisation(tmp_path: Path) -> None:
    hyp3(tmp_path, HYP3.replace("_DVP_", "_SVP_"), ("VV",))
    assert sorted(offered(tmp_path).bands) == ["vv"]


@pytest.mark.parametrize(
    "layout",
    [
        f"{PLANETARY}/measurement/iw-{{}}.rtc.tiff",
        f"{PLANETARY}/iw-{{}}.rtc.tiff",
        f"{PLANETARY}/{{}}.tif",
        f"{PLANETARY}_{{}}.tif",
        f"{PLANETARY.removesuffix('_rtc')}_9C2C/measurement/iw-{{}}.rtc.tiff",
    ],
)
def test_planetary_computer(tmp_path: Path, layout: str) -> None:
    for seed, key in enumerate(("vv", "vh")):
        path = tmp_path / layout.format(key)
        tags = {"ORBIT_DIRECTION": "DESCENDING"}
        write_raster(path, power(seed), metres=10, nodata=-32768, tags=tags)
    offer = offered(tmp_path)
    assert offer.item_id.startswith("S1A_IW_GRDH_1SDV_20260601T095512_20260601T095537")
    assert sorted(offer.bands) == ["vh", "vv"]
    assert offer.bands["vv"].nodata == -32768
    assert offer.properties["sat:orbit_state"] == "descending"
    assert offer.properties["heitu:backscatter"] == "power"


def test_missing_polarisation(tmp_path: Path) -> None:
    hyp3(tmp_path, keys=("VV",))
    assert "has 1 of 2 polarisations (vv)" in english(reason(tmp_path))


def test_sigma_nought_is_not_mixed_with_gamma_nought(tmp_path: Path) -> None:
    hyp3(tmp_path, HYP3.replace("_gp", "_sp"))
    assert "sigma nought" in english(reason(tmp_path))


def test_uncorrected_product(tmp_path: Path) -> None:
    name = "S1A_IW_GRDH_1SDV_20260601T095512_20260601T095537_059012_0751AB_9C2C"
    path = tmp_path / f"{name}.SAFE/measurement/s1a-iw-grd-vv-20260601t095512.tiff"
    write_raster(path, np.ones((4, 4), "uint16"), metres=10)
    assert "not terrain-corrected" in english(reason(tmp_path))


def test_other_rasters_of_a_product_are_no_scenes(tmp_path: Path) -> None:
    hyp3(tmp_path)
    assert len(search(tmp_path).offers) == 1
