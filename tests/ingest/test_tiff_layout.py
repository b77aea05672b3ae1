"""Which bytes of a TIFF a window needs, told from its directories alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.windows import Window

from ingest.tiff_layout import Span, TiffLayout, read_layout
from tests.ingest.rasters import numbers, write

LAYOUT = TiffLayout(
    width=10,
    height=6,
    tile_width=4,
    tile_height=3,
    planes=1,
    offsets=(100, 200, 300, 400, 500, 600),
    counts=(10, 20, 30, 40, 0, 60),
)


class Bytes:
    """Reads a file and remembers what was read."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.spans: list[Span] = []

    def __call__(self, offset: int, length: int) -> bytes:
        self.spans.append((offset, offset + length))
        return self.content[offset : offset + length]


@pytest.mark.parametrize(
    ("rows", "columns", "spans"),
    [
        ((0, 1), (0, 1), [(100, 110)]),
        ((0, 3), (3, 5), [(100, 110), (200, 220)]),
        ((2, 4), (8, 10), [(300, 330), (600, 660)]),
        # The fifth tile has no bytes: it is all nodata.
        ((3, 6), (0, 8), [(400, 440)]),
    ],
)
def test_a_window_needs_the_tiles_it_touches(
    rows: tuple[int, int], columns: tuple[int, int], spans: list[Span]
) -> None:
    assert LAYOUT.spans(rows=rows, columns=columns) == spans


FORMS: list[dict[str, Any]] = [
    {"driver": "COG", "blocksize": 128, "compress": "deflate"},
    {"driver": "GTiff", "tiled": True, "blockxsize": 128, "blockysize": 256},
    {"driver": "GTiff", "blockysize": 16},
    {"driver": "GTiff", "BIGTIFF": "YES", "tiled": True},
    {"driver": "GTiff", "ENDIANNESS": "BIG", "compress": "lzw"},
]


@pytest.mark.parametrize("options", FORMS)
def test_offsets_and_counts_are_those_that_gdal_reads(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    path = write(tmp_path / "a.tif", numbers(500, 700), **options)
    layout = read_layout(Bytes(path))
    with rasterio.open(path) as file:
        height, width = file.block_shapes[0]
        assert (layout.tile_height, layout.tile_width) == (height, width)
        across = -(-700 // width)
        for number, (offset, count) in enumerate(
            zip(layout.offsets, layout.counts, strict=True)
        ):
            at = f"{number % across}_{number // across}"
            assert file.get_tag_item(f"BLOCK_OFFSET_{at}", "TIFF", bidx=1) == str(
                offset
            )
            assert file.get_tag_item(f"BLOCK_SIZE_{at}", "TIFF", bidx=1) == str(count)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_bands_apart_have_tiles_of_their_own(tmp_path: Path, interleave: str) -> None:
    bands = np.stack([numbers(100, 100), numbers(100, 100)])
    path = write(
        tmp_path / "a.tif",
        bands,
        tiled=True,
        blockxsize=64,
        blockysize=64,
        interleave=interleave,
    )
    layout = read_layout(Bytes(path))
    everything = {"rows": (0, 100), "columns": (0, 100)}
    first = layout.spans(index=1, **everything)
    second = layout.spans(index=2, **everything)
    assert len(first) == len(second) == 4
    assert (first == second) is (interleave == "pixel")


@pytest.mark.parametrize("options", FORMS)
@given(row=st.integers(0, 460), column=st.integers(0, 660), size=st.integers(1, 40))
def test_the_bytes_named_are_all_that_gdal_needs(
    tmp_path_factory: pytest.TempPathFactory,
    options: dict[str, Any],
    row: int,
    column: int,
    size: int,
) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / f"whole-{FORMS.index(options)}.tif"
    array = numbers(500, 700)
    if not path.exists():
        write(path, array, **options)
    reader = Bytes(path)
    layout = read_layout(reader)
    needed = reader.spans + layout.spans(
        rows=(row, row + size), columns=(column, column + size)
    )
    sparse = bytearray(len(reader.content))
    for first, end in needed:
        sparse[first:end] = reader.content[first:end]
    part = folder / "part.tif"
    part.write_bytes(sparse)
    with rasterio.open(part) as file:
        window = file.read(1, window=Window(column, row, size, size))
    expected = array[row : row + size, column : column + size]
    np.testing.assert_array_equal(window, expected)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG" + bytes(20), "no TIFF"),
        (b"II*\0" + bytes(20), "no directory"),
        # One directory that names itself as the next.
        (b"II*\0\x08\0\0\0\0\0\x08\0\0\0" + bytes(8), "names no tiles|circle"),
        (b"II*\0\x08\0\0\0\xff\xff" + bytes(30), "directory of 65535 entries"),
    ],
)
def test_nonsense_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_layout(Bytes(path))
