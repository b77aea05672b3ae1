"""Errors of the faces.

ApiError
├── PortTaken
├── SettingInvalid
├── OtherWorld
├── ServerFailed
├── ProductUnknown
├── ProductInvalid
├── ProductRunChanged
├── NoDataForYear
├── PointOutside
├── PeriodInvalid
├── SceneFailed
├── PlaceInvalid
├── PeriodUnknown
├── NoScenesThere
├── SourceUnknown
├── CropUnknown
├── GrowthMissing
├── BulletinMissing
├── AsOfInvalid
├── StatisticTooEarly
├── NothingToEstimate
├── EstimatesMissing
└── PageNotBuilt
"""

from collections.abc import Iterable


class ApiError(Exception):
    """Base class of what the faces themselves refuse."""


class PortTaken(ApiError):
    """Another program listens on the port."""


class SettingInvalid(ApiError):
    """A setting of the environment cannot be used."""


class OtherWorld(ApiError):
    """The data folder holds another simulated world."""


class ServerFailed(ApiError):
    """The HTTP server did not come up."""


class ProductUnknown(ApiError):
    """The archive holds no product of this id."""

    def __init__(self, product_id: str) -> None:
        super().__init__(
            f"no product {product_id!r} in the archive; /products lists those there are"
            f" · 档案中没有产品 {product_id}，见 /products"
        )
        self.product_id = product_id


class ProductInvalid(ApiError):
    """A product's item does not say all that is needed to show it."""

    def __init__(self, product_id: str, *, missing: str) -> None:
        super().__init__(
            f"product {product_id!r} lacks {missing!r}; make it again with this version"
            f" · 产品 {product_id} 缺少 {missing}，请用本版本重新生成"
        )
        self.product_id = product_id
        self.missing = missing


class ProductRunChanged(ApiError):
    """The address names a run that is no longer the product's."""

    def __init__(self, product_id: str, *, asked: str, current: str) -> None:
        super().__init__(
            f"product {product_id!r} is now of run {current}, not {asked}; "
            f"read /products/{product_id}/tilejson.json again for the new address"
            f" · 产品已由运行 {current} 更新，请重新读取其 tilejson.json"
        )
        self.product_id = product_id
        self.asked = asked
        self.current = current


class NoDataForYear(ApiError):
    """The place is known, the year is not."""

    def __init__(self, what: str, *, year: int, years: Iterable[int]) -> None:
        self.year = year
        self.years = sorted(set(years))
        there = ", ".join(map(str, self.years))
        super().__init__(
            f"{what}: no data for {year}; years that exist: {there or 'none yet'}"
            f" · 没有 {year} 年的数据；已有年份：{there or '无'}"
        )


class PointOutside(ApiError):
    """The point lies outside what is asked about."""

    def __init__(self, what: str, *, lon: float, lat: float) -> None:
        super().__init__(
            f"lon {lon}, lat {lat} (WGS 84) lies outside {what}"
            f" · 经度 {lon}、纬度 {lat}（WGS 84）处没有数据"
        )
        self.lon = lon
        self.lat = lat


class PeriodInvalid(ApiError):
    """The period ends before it starts."""


class SceneFailed(ApiError):
    """A scene that is needed for the answer cannot be used."""

    def __init__(self, item_id: str | None) -> None:
        super().__init__(
            f"scene {item_id!r} cannot be used; `heitu archive verify` says why"
            f" · 影像 {item_id} 无法使用，`heitu archive verify` 可查原因"
        )
        self.item_id = item_id


class PageNotBuilt(ApiError):
    """The page's bundle is not there."""


class PlaceInvalid(ApiError):
    """The place is not known, or its file does not say where it is."""


class PeriodUnknown(ApiError):
    """Neither a year nor two dates say when the season is, or they are no season."""


class NoScenesThere(ApiError):
    """The archive has no scenes of this place and time."""


class SourceUnknown(ApiError):
    """No source of imagery has the name."""


class AsOfInvalid(ApiError):
    """No season can be cut at the day."""


class StatisticTooEarly(ApiError):
    """A statistic is of a season that is not over."""


class NothingToEstimate(ApiError):
    """The store has no statistics of earlier years to learn from."""


class EstimatesMissing(ApiError):
    """No estimate of this county, crop and year was ever issued."""


class GrowthMissing(ApiError):
    """Nobody graded the growth that is asked for."""

    def __init__(
        self, crop: str, *, county: str | None, when: str | None, known: Iterable[str]
    ) -> None:
        there = ", ".join(sorted(set(known)))
        place = f" --county {county}" if county else ""
        command = f"heitu growth{place} --crop {crop} --date"
        asked = " ".join(filter(None, (crop, county, when)))
        super().__init__(
            f"no growth is graded for {asked}; there is {there or 'none yet'}. Run "
            f"`{command} DATE` with a day of the dekad"
            f" · 没有 {asked} 的长势评级；已有：{there or '无'}。"
            f"请运行 `{command} 日期`"
        )


class BulletinMissing(ApiError):
    """Nobody wrote the bulletin that is asked for."""

    def __init__(
        self, crop: str, *, county: str, wanted: str, known: Iterable[str]
    ) -> None:
        there = ", ".join(sorted(set(known)))
        command = f"heitu bulletin {county} --crop {crop} --date"
        asked = f"{crop} {county} {wanted}"
        super().__init__(
            f"no bulletin is written for {asked}; there is {there or 'none yet'}. Run "
            f"`{command} DATE` with a day of the dekad"
            f" · 没有 {asked} 的农情简报；已有：{there or '无'}。"
            f"请运行 `{command} 日期`"
        )


class CropUnknown(ApiError):
    """No crop map of the archive has the crop."""

    def __init__(self, crop: str, *, known: Iterable[str]) -> None:
        there = ", ".join(sorted(set(known)))
        super().__init__(
            f"no crop map has {crop!r}; crops that are mapped: {there or 'none'}"
            f" · 作物分布图中没有 {crop}，现有：{there or '无'}"
        )
        self.crop = crop
