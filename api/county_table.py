"""The counties, read from the store once a process, and the regions they make up."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import shapely

from api.schemas import CountyCollection, CountyProperties
from ingest.boundaries import attribution, simplified
from ingest.county_codes import divisions
from ingest.county_names import PREFECTURE_NAMES
from store import CountyUnknown, Store
from store.counties import County, all_counties

__all__ = ["CountyTable", "Region"]

PROVINCE = "220000"

# About 300 m, a third of a screen pixel when the province fills it: 60 counties are
# 0.1 MB compressed instead of several.
TOLERANCE_DEG = 0.003
# 1 m; more decimals only lengthen the text.
PRECISION_DEG = 1e-5


@dataclass(frozen=True, slots=True)
class Region:
    """A county, a prefecture or the province that estimates can be of.

    Attributes
    ----------
    code, name_zh, name_en : str
    former : tuple of str
        Codes the county had before; estimates of then are stored under them.
    """

    code: str
    name_zh: str
    name_en: str
    former: tuple[str, ...] = ()


class CountyTable:
    """Names and simplified borders of all counties, prepared on first use.

    Counties change with the administrative division, so a process keeps what it read;
    only an empty table is read again, because a new platform starts with one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._by_code: Mapping[str, County] = {}
        self._geojson: bytes | None = None

    def by_code(self) -> Mapping[str, County]:
        """Return code -> county, in the order of the codes."""
        with self._lock:
            return self._read()

    def require(self, code: str) -> County:
        """Return a county.

        Raises
        ------
        CountyUnknown
            There is none of this code.
        """
        county = self.by_code().get(code)
        if county is None:
            raise CountyUnknown(
                f"no county {code!r}: give a GB/T 2260 code, as 220322; GET /counties"
                f" lists them · 没有代码为 {code!r} 的县，请用国标县代码，如 220322"
            )
        return county

    def region(self, code: str) -> Region:
        """Return the county, prefecture or province of a present or a former code.

        Raises
        ------
        CountyUnknown
            There is none of this code, or its land was shared out.
        """
        if code == PROVINCE:
            return Region(code, "吉林省", "Jilin Province")
        if code.endswith("00") and code[:4] in PREFECTURE_NAMES:
            return Region(code, *PREFECTURE_NAMES[code[:4]])
        known = self.by_code()
        if code not in known and (heir := _heir(code)) is not None:
            code = heir
        county = self.require(code)
        return Region(code, county.name_zh, county.name_en, _former(code))

    def geojson(self) -> bytes:
        """Return the GeoJSON FeatureCollection, EPSG:4326, as UTF-8."""
        with self._lock:
            counties = list(self._read().values())
            if self._geojson is None or not counties:
                self._geojson = _collection(counties).model_dump_json().encode()
            return self._geojson

    def _read(self) -> Mapping[str, County]:
        if not self._by_code:
            with self._store.connection() as conn:
                self._by_code = {row.code: row for row in all_counties(conn)}
            self._geojson = None
        return self._by_code


def _heir(code: str) -> str | None:
    """Return the present code of a renamed county, if there is just one."""
    heirs = {each.present for each in divisions() if each.code == code}
    if len(heirs) != 1:
        return None
    (present,) = heirs
    return present[0] if len(present) == 1 else None


def _former(code: str) -> tuple[str, ...]:
    former = (each.code for each in divisions() if each.present == (code,))
    return tuple(dict.fromkeys(one for one in former if one != code))


def _collection(counties: list[County]) -> CountyCollection:
    features = [_feature(county) for county in simplified(counties, TOLERANCE_DEG)]
    return CountyCollection.model_validate(
        {
            "type": "FeatureCollection",
            "attribution": attribution(),
            "features": features,
        }
    )


def _feature(county: County) -> dict[str, object]:
    return {
        "type": "Feature",
        "id": county.code,
        "properties": CountyProperties.model_validate(county),
        "geometry": shapely.geometry.mapping(
            shapely.set_precision(county.geometry, PRECISION_DEG)
        ),
    }
