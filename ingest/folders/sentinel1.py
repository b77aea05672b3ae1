"""Sentinel-1 radiometrically terrain-corrected backscatter (RTC), gamma nought.

Two producers: the Planetary Computer (``…_rtc/…/iw-vv.rtc.tiff``, linear power) and
ASF's HyP3 (``S1A_IW_20260601T095512_DVP_RTC30_G_gpuned_1A2B_VV.tif``), whose name says
radiometry and scale: HyP3 RTC Product Guide, naming convention.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from ingest.folders.files import Files
from ingest.folders.header import Header, read_header
from ingest.folders.product import (
    SOURCE,
    Product,
    checked_id,
    invalid,
    known,
    not_usable,
)
from ingest.offer import BandOffer, SceneOffer
from ingest.stac_item import footprint

__all__ = ["COLLECTION", "products"]

COLLECTION = "sentinel-1-rtc"
SCALES = {"p": "power", "a": "amplitude", "d": "decibel"}
POLARISATIONS = {"SV": 1, "SH": 1, "DV": 2, "DH": 2}
# What stands for no data where the file itself does not say it.
HYP3_NODATA, PLANETARY_NODATA = 0.0, -32768.0
ORBIT_TAGS = ("ORBIT_DIRECTION", "orbit_direction", "sat:orbit_state")

_HYP3 = re.compile(
    r"(?P<id>S1[A-D]_\w\w_(?P<time>\d{8}T\d{6})_(?P<channels>[SD][VH])[PRO]_"
    r"RTC(?P<metres>\d\d)_G_(?P<radiometry>[gs])(?P<scale>[pad])\w{4}_[0-9A-F]{4})"
    r"(?:_(?P<key>VV|VH|HH|HV)\.tiff?$)?"
)
_GRD = (
    r"S1[A-D]_\w\w_GRD[FHM]_1S(?P<channels>[SD][VH])_(?P<time>\d{8}T\d{6})_\d{8}T\d{6}"
    r"_\d{6}_[0-9A-F]{6}(?:_[0-9A-F]{4})?"
)
_PLANETARY = re.compile(
    rf"(?:^|/)(?P<id>{_GRD}(?:_rtc)?)(?:/(?:[^/]*/)*[a-z0-9-]*|[_.-])"
    r"(?P<key>vv|vh|hh|hv)(?:[._-]rtc)?\.tiff?$",
    re.IGNORECASE,
)
_RAW = re.compile(r"(?:^|/)(?P<id>S1[A-D]_\w\w_(?:GRD|SLC|RAW|OCN)\w+)\.SAFE/")


def products(files: Files) -> Iterator[Product]:
    """All that looks like a Sentinel-1 product, corrected or not."""
    raw = {found["id"]: found for name in files.sizes if (found := _RAW.search(name))}
    for name, found in sorted(raw.items()):
        root = found.string[: found.end() - 1]
        yield Product(name, files.below(root), _not_corrected(name))
    yield from _grouped(_of_hyp3(files), files, "hyp3")
    yield from _grouped(_of_planetary(files), files, "planetary-computer")


def _grouped(
    names: Iterable[tuple[str, re.Match[str]]], files: Files, producer: str
) -> Iterator[Product]:
    groups: dict[tuple[str, str], dict[str, re.Match[str]]] = {}
    for name, found in names:
        folder = name.removesuffix(found.string[found.start("id") :])
        groups.setdefault((folder, found["id"]), {})[name] = found
    for (_, title), group in groups.items():
        bands = {one["key"].lower(): name for name, one in group.items() if one["key"]}
        parts = next(iter(group.values()))
        reading = _Reading(files, title, parts, bands, producer)
        yield Product(title, frozenset(group), reading.offer, reading.taken.date())


def _of_hyp3(files: Files) -> Iterator[tuple[str, re.Match[str]]]:
    for name in files.sizes:
        found = _HYP3.match(PurePosixPath(name).name)
        if found:
            yield name, found


def _of_planetary(files: Files) -> Iterator[tuple[str, re.Match[str]]]:
    for name in files.sizes:
        found = _PLANETARY.search(name)
        # Without the word it is the plain GRD, whose numbers mean something else.
        if found and "rtc" in name.lower() and not _RAW.search(name):
            yield name, found


def _not_corrected(name: str) -> Callable[[], SceneOffer]:
    return not_usable(
        name,
        "is not terrain-corrected; get the RTC product, gamma nought",
        "未做辐射地形校正，请改用 RTC（gamma0）产品",
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """One product: its name taken apart, and its files by polarisation."""

    files: Files
    name: str
    parts: re.Match[str]
    names: Mapping[str, str]
    producer: str

    @property
    def taken(self) -> datetime:
        return _moment(self.parts["time"])

    def offer(self) -> SceneOffer:
        self._check_radiometry()
        self._check_complete()
        headers = {
            key: read_header(self.files.href(name), product=self.name, file=name)
            for key, name in sorted(self.names.items())
        }
        first = next(iter(headers.values()))
        return SceneOffer(
            source=SOURCE,
            collection=COLLECTION,
            item_id=checked_id(self.name),
            acquired=self.taken,
            footprint=footprint(first.grid),
            bands={key: self._band(key, header) for key, header in headers.items()},
            properties=self._properties(first),
        )

    def _check_radiometry(self) -> None:
        if self.producer == "hyp3" and self.parts["radiometry"] == "s":
            raise invalid(
                self.name,
                self.name,
                "is sigma nought, and gamma nought is never mixed with it; order the "
                "product with radiometry gamma0",
                "为 sigma0，不能与 gamma0 混用，请订购 gamma0 产品",
            )

    def _check_complete(self) -> None:
        expected = POLARISATIONS[self.parts["channels"].upper()]
        if len(self.names) < expected:
            raise invalid(
                self.name,
                self.name,
                f"has {len(self.names)} of {expected} polarisations "
                f"({', '.join(sorted(self.names)) or 'none'}); copy or download the "
                "others to it",
                f"应有 {expected} 个极化通道，实有 {len(self.names)} 个，请补充下载",
            )

    def _band(self, key: str, header: Header) -> BandOffer:
        usual = HYP3_NODATA if self.producer == "hyp3" else PLANETARY_NODATA
        name = self.names[key]
        return BandOffer(
            key=key,
            href=self.files.href(name),
            nodata=usual if header.nodata is None else header.nodata,
            # Stored as physical values.
            scale=1.0,
            offset=0.0,
            size=self.files.size(name),
            resolution=header.metres,
        )

    def _properties(self, header: Header) -> Mapping[str, object]:
        scale = self.parts.groupdict().get("scale") or "p"
        orbit = next((header.tags[t] for t in ORBIT_TAGS if t in header.tags), None)
        return known(
            {
                "platform": f"sentinel-1{self.name[2].lower()}",
                "constellation": "sentinel-1",
                "instruments": ["c-sar"],
                "sar:instrument_mode": self.name.split("_")[1],
                "sar:polarizations": [key.upper() for key in sorted(self.names)],
                "sat:orbit_state": orbit.lower() if orbit else None,
                "heitu:backscatter": SCALES[scale],
                "heitu:producer": self.producer,
            }
        )


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
