"""Bands in memory, written as files that say what they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingest.band import BandData, BandFile
from raster.cog import write_cog

__all__ = ["count_of", "on_disk", "tags_of"]


def tags_of(properties: Mapping[str, Any]) -> dict[str, str]:
    """Our own properties as tags of a file: ``heitu:run`` is HEITU_RUN."""
    return {
        name.upper().replace(":", "_"): str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in properties.items()
        if name.startswith("heitu:") and isinstance(value, str | bool | int)
    }


def on_disk(path: Path, band: BandData | BandFile, tags: Mapping[str, str]) -> BandFile:
    """Write a band to `path` if it is not in a file yet.

    Raises
    ------
    raster.errors.DiskFull, raster.errors.WriteFailed
        Nothing was written.
    """
    if isinstance(band, BandFile):
        return band
    _write_band(path, band, tags)
    return BandFile(
        path, band.geobox, band.array.dtype.name, band.nodata, band.scale, band.offset
    )


def count_of(band: BandData | BandFile) -> int:
    """Bands that the file of a band has: one, but for a stack in memory."""
    if isinstance(band, BandFile) or band.array.ndim == 2:
        return 1
    return int(band.array.shape[0])


def _write_band(path: Path, band: BandData, tags: Mapping[str, str]) -> None:
    # Averaging the codes of a class layer would invent classes.
    codes = band.scale is None and band.array.dtype.kind in "iu"
    write_cog(
        path,
        band.array,
        band.geobox,
        nodata=band.nodata,
        scale=band.scale,
        offset=band.offset,
        overview_resampling="nearest" if codes else "average",
        tags=tags,
    )
