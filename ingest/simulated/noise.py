"""Seeded random streams and the smooth random fields made from them."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy import fft

__all__ = ["Float32", "fractal_tile", "generator", "roll_to_shape", "smooth_field"]

Float32 = NDArray[np.float32]


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Random stream that belongs to a name, the same on every machine.

    Parameters
    ----------
    seed
        Seed of the world.
    names
        What the stream is for, e.g. ``("clouds", "sim-s2-10m", "2026-05-03")``.
        Different names give independent streams, so drawing more numbers for one
        thing never changes another.
    """
    # hash() of a str changes from process to process; SHA-256 does not.
    text = "/".join(str(name) for name in names)
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    return np.random.default_rng(np.random.SeedSequence([seed, key]))


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, int], *, scales: tuple[float, ...]
) -> Float32:
    """Gaussian random field of mean 0 and standard deviation 1.

    Parameters
    ----------
    scales
        Widths in nodes of the Gaussian filters whose results are added with equal
        variance; the correlation of one falls to 1/e at a distance of two widths.
    """
    y, x = (fft.next_fast_len(side, real=True) for side in shape)
    white = fft.rfft2(rng.standard_normal((y, x), dtype=np.float32))
    square = fft.fftfreq(y)[:, None] ** 2 + fft.rfftfreq(x)[None, :] ** 2
    # A filter of width s leaves a variance proportional to 1 / s ** 2.
    widths = np.array(scales)[:, None, None]
    spectrum = (widths * np.exp(-2 * (np.pi * widths) ** 2 * square)).sum(axis=0)
    spectrum[0, 0] = 0.0
    field = fft.irfft2(white * spectrum.astype(np.float32), s=(y, x))
    field = field[: shape[0], : shape[1]]
    return np.asarray(field / field.std(), dtype=np.float32)


def fractal_tile(
    rng: np.random.Generator, size: int, *, slope: float, longest: float
) -> Float32:
    """Periodic noise whose amplitude spectrum falls as a power of frequency.

    Parameters
    ----------
    size
        Side of the square tile in nodes.
    slope
        Exponent of the amplitude spectrum, frequency ** -slope. Cloud fields have
        a power spectrum near k ** -2.7 to k ** -3.6 (assumed from the range
        reported for stratocumulus), so a slope of 1.4-1.8.
    longest
        Wavelength in nodes above which the spectrum stays flat.

    Returns
    -------
    ndarray
        float32 (size, size), mean 0, standard deviation 1; opposite edges join.
    """
    white = fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    frequency = np.hypot(fft.fftfreq(size)[:, None], fft.rfftfreq(size)[None, :])
    spectrum = np.maximum(frequency, 1.0 / longest) ** -slope
    spectrum[0, 0] = 0.0
    field = fft.irfft2(white * spectrum.astype(np.float32), s=(size, size))
    return np.asarray(field / field.std(), dtype=np.float32)


def roll_to_shape(
    tile: Float32, rng: np.random.Generator, shape: tuple[int, int]
) -> Float32:
    """Cut a shape out of a periodic tile, at a random place and mirrored at random.

    A new-looking field for the price of a copy.
    """
    flips = rng.integers(0, 2, size=3)
    if flips[0]:
        tile = tile.T
    rows = (rng.integers(tile.shape[0]) + np.arange(shape[0])) % tile.shape[0]
    columns = (rng.integers(tile.shape[1]) + np.arange(shape[1])) % tile.shape[1]
    if flips[1]:
        rows = rows[::-1]
    if flips[2]:
        columns = columns[::-1]
    return tile[np.ix_(rows, columns)]
