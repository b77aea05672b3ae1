"""One band of an offer, from wherever it lies, as a checked COG in a folder.

Of a remote TIFF only the directories and the tiles of the place are fetched; any other
file comes as a whole. The pixels are decoded from the local copy, once.
"""

from pathlib import Path
from typing import Final

import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ingest.band import BandFile
from ingest.checksum import agrees
from ingest.convert import clip_window, convert, unreadable
from ingest.download import Mirror
from ingest.http import Signer, Unsigned, Web, shown
from ingest.offer import BandOffer, Bounds
from ingest.source_errors import ChecksumDiffers, SourceUnreadable
from ingest.tiff_layout import is_tiff, read_layout
from raster.files import remove

__all__ = ["check_file", "fetch_band", "window_of_remote"]

_REMOTE: Final = ("http://", "https://")
# Enough to tell a TIFF from any other file.
_MAGIC: Final = 4


def fetch_band(
    offer: BandOffer,
    *,
    clip: Bounds | None,
    folder: Path,
    web: Web | None = None,
    signer: Signer | None = None,
) -> BandFile:
    """Write one band as ``folder/KEY.tif``, completely or not at all.

    Parameters
    ----------
    offer : BandOffer
        Where the pixels lie and what they mean.
    clip : (west, south, east, north) or None
        Degrees: pixels outside are not needed; None = the whole file.
    folder : Path
        Exists. Bytes that a killed process left here are used again.
    web, signer
        How a server is asked; patient and unsigned by default.

    Returns
    -------
    BandFile
        Its `source` is the unsigned href.

    Raises
    ------
    SourceError
        The band is not to be had; a subclass says why.
    ChecksumDiffers
        The file is not the one that the offer describes.
    raster.errors.WriteFailed
        The COG cannot be written.
    """
    if not offer.href.startswith(_REMOTE):
        check_file(Path(offer.href), offer)
        return _convert(offer, offer.href, clip, folder)
    mirror = Mirror(
        offer.href,
        folder / f"{offer.key}.part",
        web=web or Web(),
        signer=signer or Unsigned(),
    )
    _arrive(mirror, offer, clip)
    try:
        band = _convert(offer, str(mirror.path), clip, folder)
    except SourceUnreadable:
        mirror.discard()
        raise
    mirror.discard()
    return band


def _arrive(mirror: Mirror, offer: BandOffer, clip: Bounds | None) -> None:
    """Have all bytes here that the conversion will read."""
    try:
        if clip is not None and is_tiff(mirror.read(0, _MAGIC)):
            _check_size(mirror.size, offer)
            window_of_remote(mirror, clip, index=offer.index)
        else:
            mirror.need_all()
            check_file(mirror.path, offer)
    except (ChecksumDiffers, SourceUnreadable):
        # What is here will never do: the next run begins anew.
        mirror.discard()
        raise


def window_of_remote(mirror: Mirror, clip: Bounds, *, index: int = 1) -> Window:
    """Fetch the directories of a TIFF and the tiles of one band's window.

    Returns
    -------
    Window
        Pixels of the file that hold `clip`: of the mirror, these can be read.

    Raises
    ------
    SourceError
        They are not to be had or make no sense, or the window is empty.
    """
    try:
        layout = read_layout(mirror.read)
    except ValueError as exc:
        raise unreadable(shown(mirror.href), str(exc)) from exc
    try:
        with rasterio.open(mirror.path) as file:
            if file.crs is None:
                raise unreadable(shown(mirror.href), "it has no CRS")
            grid = GeoBox(file.shape, file.transform, file.crs.to_wkt())
    except RasterioError as exc:
        raise unreadable(shown(mirror.href), str(exc)) from exc
    window = clip_window(grid, clip, href=shown(mirror.href))
    mirror.need(
        layout.spans(
            rows=(window.row_off, window.row_off + window.height),
            columns=(window.col_off, window.col_off + window.width),
            index=index,
        )
    )
    return window


def _convert(
    offer: BandOffer, path: str, clip: Bounds | None, folder: Path
) -> BandFile:
    target = folder / f"{offer.key}.tif"
    remove(target)
    return convert(
        path,
        target,
        clip=clip,
        nodata=offer.nodata,
        scale=offer.scale,
        offset=offer.offset,
        index=offer.index,
        # The mean of two class codes or of two sets of flags is none.
        overview_resampling="nearest" if offer.scale is None else "average",
        note=shown(offer.href),
    )


def check_file(path: Path, offer: BandOffer) -> None:
    """Compare a whole local file with what its offer says of it.

    Raises
    ------
    ChecksumDiffers
    """
    if not path.is_file():
        return
    _check_size(path.stat().st_size, offer)
    if offer.checksum is not None and agrees(path, offer.checksum) is False:
        raise _differs(offer, f"its checksum is not {offer.checksum}")


def _check_size(size: int | None, offer: BandOffer) -> None:
    if size is not None and offer.size is not None and size != offer.size:
        raise _differs(offer, f"{size} bytes instead of {offer.size}")


def _differs(offer: BandOffer, what: str) -> ChecksumDiffers:
    name = shown(offer.href)
    return ChecksumDiffers(
        f"{name} is not the file that its item describes: {what}; fetch or copy it "
        f"again · {name} 与条目描述不符，请重新获取该文件",
        href=name,
    )
