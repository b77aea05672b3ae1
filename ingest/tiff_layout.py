"""Where the tiles of a TIFF lie, read from its directories alone.

Of a remote file only the directories (IFDs) and the tiles of a window are fetched. A
reader that met bytes not fetched yet would take them for empty tiles, so that every
byte GDAL will look at has to be known here. Source: TIFF 6.0; the BigTIFF design of
http://bigtiff.org; tags 256 to 325.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Span", "TiffLayout", "is_tiff", "read_layout"]

Span = tuple[int, int]
"""First byte and the byte after the last."""

Read = Callable[[int, int], bytes]
"""(offset, length) to bytes, exactly that many."""

WIDTH, HEIGHT = 256, 257
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS = 273, 277, 278, 279
PLANAR = 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325

# Bytes and struct letter of each field type; 16 to 18 are BigTIFF's.
_SIZES: Final = (
    dict.fromkeys((1, 2, 6, 7), 1)
    | dict.fromkeys((3, 8), 2)
    | dict.fromkeys((4, 9, 11, 13), 4)
    | dict.fromkeys((5, 10, 12, 16, 17, 18), 8)
)
_LETTERS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
# A chain of directories that bites its own tail, or nonsense, ends here.
_MOST_DIRECTORIES: Final = 64
_MOST_VALUES: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """Tiles (or strips) of the first, full-resolution image of a TIFF.

    Attributes
    ----------
    width, height : int
        Pixels of the image.
    tile_width, tile_height : int
        Pixels of a tile; a strip is a tile of the image's width.
    planes : int
        1 where the bands lie together in each tile, else the number of bands.
    offsets, counts : tuple of int
        First byte and bytes of each tile, plane by plane, row by row; 0 bytes = a
        tile that is not in the file, which is all nodata.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    planes: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    def spans(
        self, *, rows: tuple[int, int], columns: tuple[int, int], index: int = 1
    ) -> list[Span]:
        """Give the bytes of all tiles that a window of one band touches.

        Parameters
        ----------
        rows, columns
            First pixel and the one after the last, inside the image.
        index
            Band, from 1.
        """
        across = -(-self.width // self.tile_width)
        down = -(-self.height // self.tile_height)
        plane = (min(index, self.planes) - 1) * across * down
        tiles = (
            plane + row * across + column
            for row in range(
                rows[0] // self.tile_height, -(-rows[1] // self.tile_height)
            )
            for column in range(
                columns[0] // self.tile_width, -(-columns[1] // self.tile_width)
            )
        )
        return [
            (self.offsets[tile], self.offsets[tile] + self.counts[tile])
            for tile in tiles
            if self.counts[tile]
        ]


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a TIFF or BigTIFF."""
    return head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def read_layout(read: Read) -> TiffLayout:
    """Read all directories with all their values; return the first one's tiles.

    Parameters
    ----------
    read
        Called for every byte that a reader of the directories may look at.

    Raises
    ------
    ValueError
        The directories make no sense.
    """
    form = _form(read(0, 16))
    layout = None
    for number, tags in enumerate(_directories(read, form)):
        if number == 0:
            layout = _layout(tags)
    if layout is None:
        raise ValueError("it has no directory")
    return layout


@dataclass(frozen=True, slots=True)
class _Form:
    """Byte order and widths of numbers: TIFF or BigTIFF."""

    order: str
    count: str
    offset: str
    entry: int
    first: int


def _form(head: bytes) -> _Form:
    if not is_tiff(head):
        raise ValueError("it is no TIFF")
    order = "<" if head[:1] == b"I" else ">"
    (version,) = struct.unpack(f"{order}H", head[2:4])
    if version == 43:
        return _Form(order, "Q", "Q", 20, struct.unpack(f"{order}Q", head[8:16])[0])
    return _Form(order, "H", "I", 12, struct.unpack(f"{order}I", head[4:8])[0])


def _directories(read: Read, form: _Form) -> Iterator[Mapping[int, tuple[int, ...]]]:
    offset, seen = form.first, set[int]()
    while offset:
        if offset in seen or len(seen) >= _MOST_DIRECTORIES:
            raise ValueError("its directories run in a circle")
        seen.add(offset)
        head = struct.calcsize(f"={form.count}")
        (count,) = struct.unpack(form.order + form.count, read(offset, head))
        end = offset + head + count * form.entry
        if count > 1000:
            raise ValueError(f"a directory of {count} entries")
        block = read(offset + head, count * form.entry)
        tags: dict[int, tuple[int, ...]] = {}
        for at in range(0, len(block), form.entry):
            tag, values = _entry(read, form, block[at : at + form.entry])
            tags[tag] = values
        width = struct.calcsize(f"={form.offset}")
        (offset,) = struct.unpack(form.order + form.offset, read(end, width))
        yield tags


def _entry(read: Read, form: _Form, entry: bytes) -> tuple[int, tuple[int, ...]]:
    """Read one entry with the values it points to; () where they are no integers."""
    width = struct.calcsize(f"={form.offset}")
    tag, kind, count = struct.unpack(f"{form.order}HH{form.offset}", entry[: 4 + width])
    size = _SIZES.get(kind, 1) * count
    if count > _MOST_VALUES:
        raise ValueError(f"tag {tag} with {count} values")
    value = entry[4 + width :]
    if size > width:
        (at,) = struct.unpack(form.order + form.offset, value)
        value = read(at, size)
    letter = _LETTERS.get(kind)
    if letter is None:
        return tag, ()
    return tag, struct.unpack(f"{form.order}{count}{letter}", value[:size])


def _layout(tags: Mapping[int, tuple[int, ...]]) -> TiffLayout:
    tiled = TILE_OFFSETS in tags
    try:
        (width,), (height,) = tags[WIDTH], tags[HEIGHT]
        tile_width = tags[TILE_WIDTH][0] if tiled else width
        tile_height = (
            tags[TILE_HEIGHT][0] if tiled else tags.get(ROWS_PER_STRIP, (height,))[0]
        )
        offsets = tags[TILE_OFFSETS if tiled else STRIP_OFFSETS]
        counts = tags[TILE_COUNTS if tiled else STRIP_COUNTS]
    except (KeyError, ValueError, IndexError) as exc:
        raise ValueError("its directory names no tiles") from exc
    planes = tags.get(SAMPLES, (1,))[0] if tags.get(PLANAR, (1,))[0] == 2 else 1
    tile_height = min(tile_height, height) if not tiled else tile_height
    if not (width and height and tile_width and tile_height):
        raise ValueError("its image is empty")
    tiles = planes * -(-width // tile_width) * -(-height // tile_height)
    if not len(offsets) == len(counts) == tiles:
        raise ValueError(f"it names {len(offsets)} tiles instead of {tiles}")
    return TiffLayout(width, height, tile_width, tile_height, planes, offsets, counts)
