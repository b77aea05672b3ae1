import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import ndimage

from raster.errors import SettingInvalid
from raster.mask import MASK_NODATA, MaskKind, clear_mask

# Sentinel-2 Level-2A: scene class and whether it shows the ground.
SCL = {
    0: False,
    1: False,
    2: False,
    3: False,
    4: True,
    5: True,
    6: True,
    7: True,
    8: False,
    9: False,
    10: False,
    11: False,
    12: False,
    255: False,
}
SHADES_IN_SCL = (2, 3, 8, 9, 10)

# "QA_PIXEL value interpretations": USGS LSDS-1619 table 6-3 (Landsat 8-9).
LANDSAT_8_9 = {
    1: False,  # fill
    21824: True,  # clear with lows set
    21826: False,  # dilated cloud over land
    21888: True,  # water with lows set
    21890: False,  # dilated cloud over water
    21952: True,  # water, the clear bit set too
    22080: False,  # mid conf cloud
    22144: False,  # mid conf cloud over water
    22280: False,  # high conf cloud
    23888: False,  # high conf cloud shadow
    23952: False,  # water with cloud shadow
    24088: False,  # mid conf cloud with shadow
    24216: False,  # mid conf cloud with shadow over water
    24344: False,  # high conf cloud with shadow
    24472: False,  # high conf cloud with shadow over water
    30048: False,  # high conf snow or ice
    54596: False,  # high conf cirrus
    54852: False,  # cirrus, mid cloud
    55052: False,  # cirrus, high cloud
}
# USGS LSDS-1618 table 5-6 (Landsat 4-7).
LANDSAT_4_7 = {
    1: False,  # fill
    5440: True,  # clear with lows set
    5442: False,  # dilated cloud over land
    5504: True,  # water with lows set
    5506: False,  # dilated cloud over water
    5696: False,  # mid conf cloud
    5760: False,  # mid conf cloud over water
    5896: False,  # high conf cloud
    7440: False,  # high conf cloud shadow
    7568: False,  # water with cloud shadow
    7696: False,  # mid conf cloud with shadow
    7824: False,  # mid conf cloud with shadow over water
    7960: False,  # high conf cloud with shadow
    8088: False,  # high conf cloud with shadow over water
    13664: False,  # high conf snow or ice
}
# HLS 2.0: bits of Fmask.
FMASK = {
    0b0000_0000: True,  # clear land, climatology aerosol
    0b0100_0000: True,  # low aerosol
    0b1000_0000: True,  # moderate aerosol
    0b1100_0000: True,  # high aerosol
    0b0010_0000: True,  # water
    0b0000_0001: False,  # cirrus of version 1
    0b0000_0010: False,  # cloud
    0b0000_0100: False,  # adjacent to cloud or shadow
    0b0000_1000: False,  # cloud shadow
    0b0001_0000: False,  # snow or ice
    0b1100_0010: False,  # cloud under much aerosol
    255: False,  # fill
}


def one_pixel(value: int, kind: MaskKind, dtype: str = "uint16") -> int:
    return int(clear_mask(np.array([[value]], dtype), kind=kind)[0, 0])


@pytest.mark.parametrize(("value", "clear"), SCL.items())
def test_scene_classes_of_sentinel_2(value: int, clear: bool) -> None:
    assert one_pixel(value, "SCL", "uint8") == clear
    assert one_pixel(value, "SCL", "uint16") == clear


@pytest.mark.parametrize(
    ("value", "clear"), [*LANDSAT_8_9.items(), *LANDSAT_4_7.items()]
)
def test_pixel_quality_of_landsat(value: int, clear: bool) -> None:
    assert one_pixel(value, "QA_PIXEL") == clear


@pytest.mark.parametrize(("value", "clear"), FMASK.items())
def test_fmask_of_hls(value: int, clear: bool) -> None:
    assert one_pixel(value, "Fmask", "uint8") == clear


@pytest.mark.parametrize("kind", ["SCL", "QA_PIXEL", "Fmask"])
def test_what_stands_for_no_data_is_not_clear_and_does_not_grow(kind: MaskKind) -> None:
    clear = {"SCL": 4, "QA_PIXEL": 21824, "Fmask": 0}[kind]
    classes = np.array([[clear, MASK_NODATA[kind], clear]], np.uint16)

    assert clear_mask(classes, kind=kind, grow=1).tolist() == [[1, 0, 1]]


def test_fill_marked_as_cloud_too_does_not_grow() -> None:
    classes = np.array([[21824, 0b1001, 21824]], np.uint16)

    assert clear_mask(classes, kind="QA_PIXEL", grow=1).tolist() == [[1, 0, 1]]


def test_a_class_no_producer_defines_is_not_clear() -> None:
    assert one_pixel(40_000, "SCL") == 0
    assert one_pixel(300, "Fmask") == 0


def test_a_cloud_grows_by_a_disk_of_two_pixels() -> None:
    classes = np.full((7, 7), 4, np.uint8)
    classes[3, 3] = 9

    result = clear_mask(classes, kind="SCL", grow=2)

    assert result.dtype == np.uint8
    assert result.tolist() == [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 1, 1, 1],
        [1, 1, 0, 0, 0, 1, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 0, 0, 0, 1, 1],
        [1, 1, 1, 0, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ]


def test_shadows_in_the_corners_grow_into_the_array_alone() -> None:
    classes = np.full((5, 9), 5, np.uint8)
    classes[0, 8] = 3
    classes[4, 0] = 3

    assert clear_mask(classes, kind="SCL", grow=3).tolist() == [
        [1, 1, 1, 1, 1, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 1, 1, 1, 1, 1],
    ]


@pytest.mark.parametrize("value", [0, 1, 6, 11])
def test_nodata_saturation_water_and_snow_do_not_grow(value: int) -> None:
    classes = np.full((5, 5), 4, np.uint8)
    classes[2, 2] = value
    expected = np.ones((5, 5), np.uint8)
    expected[2, 2] = value == 6

    assert clear_mask(classes, kind="SCL", grow=2).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("kind", "clear", "value", "grows"),
    [
        ("QA_PIXEL", 21824, 22280, True),  # cloud
        ("QA_PIXEL", 21824, 22080, True),  # medium confidence cloud
        ("QA_PIXEL", 21824, 23888, True),  # cloud shadow
        ("QA_PIXEL", 21824, 54596, True),  # cirrus
        ("QA_PIXEL", 21824, 21826, False),  # grown by USGS already
        ("QA_PIXEL", 21824, 30048, False),  # snow
        ("Fmask", 64, 2, True),  # cloud
        ("Fmask", 64, 8, True),  # cloud shadow
        ("Fmask", 64, 4, False),  # grown by the HLS project already
        ("Fmask", 64, 16, False),  # snow
    ],
)
def test_only_clouds_and_shadows_grow(
    kind: MaskKind, clear: int, value: int, grows: bool
) -> None:
    classes = np.array([[clear, clear, value, clear, clear]], np.uint16)
    beside = 0 if grows else 1

    found = clear_mask(classes, kind=kind, grow=1).tolist()

    assert found == [[1, beside, 0, beside, 1]]


def disk(radius: int) -> NDArray[np.bool_]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    inside: NDArray[np.bool_] = x**2 + y**2 <= radius**2
    return inside


# Mostly clear ground, so that what a cloud does to it shows.
scenes = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=24),
    elements=st.sampled_from([4, 9, 0, 3, 6, 11, 2, 8, 10, 1, 12]),
    fill=st.just(4),
)


@given(scenes, st.integers(0, 4))
def test_growing_equals_the_binary_dilation_of_scipy(
    classes: NDArray[np.uint8], grow: int
) -> None:
    shaded = ndimage.binary_dilation(np.isin(classes, SHADES_IN_SCL), disk(grow))
    expected = np.isin(classes, [4, 5, 6, 7]) & ~shaded

    np.testing.assert_array_equal(clear_mask(classes, kind="SCL", grow=grow), expected)


@given(scenes, st.integers(0, 6), st.integers(0, 6))
def test_growing_more_never_makes_a_pixel_clear(
    classes: NDArray[np.uint8], one: int, other: int
) -> None:
    less = clear_mask(classes, kind="SCL", grow=min(one, other))
    more = clear_mask(classes, kind="SCL", grow=max(one, other))

    assert (more <= less).all()


@given(st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_a_window_with_its_margin_has_the_mask_of_the_whole(
    grow: int, seed: int
) -> None:
    whole = np.random.default_rng(seed).integers(3, 8, (30, 30), dtype=np.uint8)
    window = np.s_[10 - grow : 20 + grow, 8 - grow : 19 + grow]

    part = clear_mask(whole[window], kind="SCL", grow=grow)

    expected = clear_mask(whole, kind="SCL", grow=grow)[10:20, 8:19]
    inner = part[grow : part.shape[0] - grow, grow : part.shape[1] - grow]
    np.testing.assert_array_equal(inner, expected)


def test_the_classes_stay_as_they_were() -> None:
    classes = np.array([[4, 9, 4]], np.uint8)

    clear_mask(classes, kind="SCL", grow=1)

    assert classes.tolist() == [[4, 9, 4]]


@pytest.mark.parametrize(
    ("classes", "kind", "grow", "said"),
    [
        (np.zeros((2, 2), np.uint8), "SCL", -1, "grown by -1 pixels"),
        (np.zeros((2, 2), np.uint8), "CLM", 0, "mask kind 'CLM'.*SCL, QA_PIXEL, Fmask"),
        (np.zeros((2, 2), np.int16), "SCL", 0, "classes of type int16"),
        (np.zeros(4, np.uint8), "SCL", 0, r"shape \(4,\)"),
    ],
)
def test_what_cannot_be_masked_is_said(
    classes: NDArray[np.uint8], kind: MaskKind, grow: int, said: str
) -> None:
    with pytest.raises(SettingInvalid, match=said) as caught:
        clear_mask(classes, kind=kind, grow=grow)

    assert " · " in str(caught.value)
