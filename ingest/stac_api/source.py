"""Scenes of one collection of a STAC API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Final

import pystac

from ingest.band import BandFile
from ingest.fetch import fetch_band
from ingest.http import Signer, Web
from ingest.offer import Bounds, Found, Refused, SceneOffer, Wanted
from ingest.stac_api.access import Credentials, signer_of
from ingest.stac_api.address import is_web_address, shown_address
from ingest.stac_api.errors import ItemUnusable, WantedInvalid
from ingest.stac_api.items import footprint_of, interval_of, read_item, unusable
from ingest.stac_api.outline import outline
from ingest.stac_api.provider import Provider
from ingest.stac_api.search import Answer, Catalogue
from raster.errors import AssetMissing, OffsetUnknown

__all__ = ["StacFound", "StacSource"]

# Scenes beside the place that a note names; the archive keeps the note.
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class StacFound(Found):
    """All that a STAC API has of what is wanted.

    Attributes
    ----------
    beside : int
        Items of the answer that lie beside the place or time after all.
    """

    beside: int = 0


class StacSource:
    """Scenes of a provider of imagery behind a STAC API.

    Parameters
    ----------
    provider : Provider
        `EARTH_SEARCH`, `PLANETARY_COMPUTER` or `COPERNICUS`.
    url : str, optional
        Another address of the same API.
    collection : str, optional
        One of the provider's; its first if left out.
    credentials : Credentials, optional
        For providers whose files are for registered users.
    settings : tuple of str, optional
        Names under which those are set, for the message of what is missing.
    web : Web, optional
        Connections and patience.

    Raises
    ------
    WantedInvalid
        The provider has no such collection, or the address is none of the web.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        url: str | None = None,
        collection: str | None = None,
        credentials: Credentials | None = None,
        settings: tuple[str, ...] = (),
        web: Web | None = None,
    ) -> None:
        self.provider = provider
        self.url = (url or provider.url).rstrip("/")
        self.collection = collection or next(iter(provider.collections))
        self.web = web or Web()
        if not is_web_address(self.url):
            name = shown_address(self.url)
            raise WantedInvalid(
                f"{name} is no address of a STAC API: give one that begins with "
                f"https:// or http:// · {name} 不是 STAC API 地址，请给出以 https:// "
                "或 http:// 开头的地址"
            )
        if self.collection not in provider.collections:
            known = ", ".join(provider.collections)
            raise WantedInvalid(
                f"{provider.name} has no collection {self.collection!r} that is known "
                f"here: take one of {known} · {provider.name} 没有可用的影像集 "
                f"{self.collection}，可选 {known}"
            )
        self.signer: Signer = signer_of(
            provider,
            collection=self.collection,
            web=self.web,
            credentials=credentials,
            settings=settings,
        )

    @property
    def name(self) -> str:
        """Short name, as the command line takes it."""
        return self.provider.name

    def search(self, wanted: Wanted) -> StacFound:
        """Find all scenes of a place and time.

        Scenes of the same acquisition that were processed again are all offered.

        Returns
        -------
        StacFound
            Offers by time, then id, with all bands; those of the letters wanted are
            there. A composite counts if any of its days is wanted.

        Raises
        ------
        WantedInvalid
            A place, time or band that cannot be, or a collection that is not there.
        SearchIncomplete
            Fewer or more scenes than there are.
        StacError, SourceBusy, SourceUnreachable
            The API cannot be searched.
        """
        self._check(wanted)
        place = outline(wanted.where)
        catalogue = Catalogue(
            self.url, self.collection, self.provider.page_size, self.web
        )
        answer = catalogue.find(place, start=wanted.start, end=wanted.end)
        return self._sorted(wanted, answer)

    def fetch(
        self, offer: SceneOffer, key: str, *, clip: Bounds | None, folder: Path
    ) -> BandFile:
        """Write one band, as `ingest.offer.Source.fetch` says."""
        return fetch_band(
            offer.bands[key], clip=clip, folder=folder, web=self.web, signer=self.signer
        )

    def _check(self, wanted: Wanted) -> None:
        if wanted.end < wanted.start:
            raise WantedInvalid(
                f"{wanted.start} to {wanted.end} ends before it starts: swap the dates"
                f" · {wanted.start} 至 {wanted.end} 的起止日期颠倒，请更正"
            )
        mission = self.provider.collections[self.collection]
        unknown = [one for one in wanted.bands if mission and one not in mission.bands]
        if mission and unknown:
            raise WantedInvalid(
                f"{self.collection} has no band {', '.join(unknown)}: it has "
                f"{', '.join(mission.bands)} · {self.collection} 没有 "
                f"{'、'.join(unknown)} 波段，可选 {'、'.join(mission.bands)}"
            )

    def _sorted(self, wanted: Wanted, answer: Answer) -> StacFound:
        offers: list[SceneOffer] = []
        refused: list[Refused] = []
        beside: list[str] = []
        for (_, item_id), feature in answer.items.items():
            try:
                offer = self._offer(wanted, feature)
            except (ItemUnusable, AssetMissing, OffsetUnknown) as exc:
                refused.append(Refused(item_id, str(exc)))
                continue
            if offer is None:
                beside.append(item_id)
            else:
                offers.append(offer)
        clear, cloudy = _by_cloud(offers, wanted.max_cloud)
        return StacFound(
            offers=tuple(sorted(clear, key=_by_time)),
            refused=tuple(sorted(refused, key=lambda one: one.item_id)),
            cloudy=tuple(sorted(cloudy, key=_by_time)),
            notes=_notes(answer, sorted(beside)),
            beside=len(beside),
        )

    def _offer(self, wanted: Wanted, feature: object) -> SceneOffer | None:
        """Read an item; None if it lies beside what is wanted."""
        item = read_item(feature)
        if item.collection_id != self.collection:
            raise unusable(
                item.id,
                f"is of collection {item.collection_id}, not of {self.collection}",
                f"属于影像集 {item.collection_id}，而非所检索的 {self.collection}",
            )
        if not self._is_wanted(wanted, item):
            return None
        return self.provider.offer(item, wanted.bands)

    def _is_wanted(self, wanted: Wanted, item: pystac.Item) -> bool:
        first, last = interval_of(item)
        start = datetime.combine(wanted.start, time.min, UTC)
        end = datetime.combine(wanted.end, time.max, UTC)
        in_time = first <= end and last >= start
        return in_time and bool(footprint_of(item).intersects(wanted.where))


def _by_cloud(
    offers: Sequence[SceneOffer], most: float
) -> tuple[list[SceneOffer], list[SceneOffer]]:
    """Split scenes; one that does not state its cloud is not left out for it."""
    clear: list[SceneOffer] = []
    cloudy: list[SceneOffer] = []
    for one in offers:
        (cloudy if (one.cloud_cover or 0.0) > most else clear).append(one)
    return clear, cloudy


def _by_time(offer: SceneOffer) -> tuple[datetime, str]:
    return offer.acquired, offer.item_id


def _notes(answer: Answer, beside: Sequence[str]) -> tuple[str, ...]:
    number = len(answer.items)
    counted = (
        f"{number} scenes, as the server counts · 共 {number} 景，与服务器计数一致"
        if answer.matched is not None
        else f"{number} scenes; the server does not count them, a second search in "
        f"shorter times gave the same · 共 {number} 景；服务器不提供计数，"
        "分时段再次检索结果一致"
    )
    notes = [counted]
    if answer.repeated:
        notes.append(
            f"{answer.repeated} scenes came twice and count once"
            f" · {answer.repeated} 景重复出现，只计一次"
        )
    if beside:
        named, rest = ", ".join(beside[:_NAMED]), len(beside) - _NAMED
        notes.append(
            f"{len(beside)} scenes beside the place or time were left out: {named}"
            + (f" and {rest} more" if rest > 0 else "")
            + f" · {len(beside)} 景不在检索范围或时段内，未采用：{named}"
            + (f" 等，另有 {rest} 景" if rest > 0 else "")
        )
    return tuple(notes)
