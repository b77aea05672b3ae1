"""Compiled kernels: pixels to codes, codes through trees, trees to classes.

A **code** of a feature's value is 0 where it is missing, else 1 + the number of
thresholds below it; so `value <= threshold k` is `code <= k + 1`, in integers. A
**word** is a tree's node in 64 bits::

    63..32  place of the left child; the right one follows it
    31      1 where a missing value goes right: then codes count from -1
    30..16  the feature
    15..0   the last code that goes left; 65535 in a leaf, its own left child

All pixels of a strip go down one level of a tree at a time: no branch depends on the
data, and the processor has many pixels under way at once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raster.jit import kernel

Codes = NDArray[Any]
Int64 = NDArray[np.int64]
Places = NDArray[np.uint64]
Double = NDArray[np.float64]

STRIP = 256
"""Pixels a strip: their codes stay in the CPU's first cache."""

_ALL = 0xFFFF


@kernel
def encode(stored: NDArray[np.int16], tables: Codes, out: Codes) -> None:
    """Look up the codes of int16 features: out[f, p] = tables[f, stored[f, p]].

    `tables` is (feature, 65536), from -32768 on; `stored` and `out` (feature, pixel).
    """
    for f in range(stored.shape[0]):
        for p in range(stored.shape[1]):
            out[f, p] = tables[f, np.int64(stored[f, p]) + 32768]


@kernel
def without_missing(words: Int64) -> Int64:
    """Words that ask the same of codes above 0, with nothing to take off them."""
    plain = np.empty_like(words)
    for i in range(words.size):
        right = (words[i] >> 31) & 1
        # The codes' own shift moves into the threshold: one subtraction less a step.
        plain[i] = (words[i] & ~np.int64(1 << 31)) + right
    return plain


@kernel
def any_missing(codes: Codes, first: int, count: int) -> bool:
    """Whether a code of the strip is 0."""
    for f in range(codes.shape[0]):
        # Counted without leaving early: a loop without a branch is a vector.
        missing = 0
        for p in range(count):
            missing += codes[f, first + p] == 0
        if missing:
            return True
    return False


@kernel
def descend(
    codes: Codes, first: int, count: int, words: Int64, depth: int, node: Places
) -> None:
    """Take all pixels of the strip down a tree of words without missing values."""
    start = np.uint64(first)
    for _ in range(depth):
        for p in range(np.uint64(count)):
            word = words[node[p]]
            code = np.int64(codes[np.uint64((word >> 16) & 0x7FFF), start + p])
            # Arithmetic for a branch: the right child follows the left one. A leaf
            # comes back to itself, so that shallow paths wait for the deepest.
            node[p] = np.uint64((word >> 32) + (code > (word & _ALL)))


@kernel
def descend_missing(
    codes: Codes, first: int, count: int, words: Int64, depth: int, node: Places
) -> None:
    """Take all pixels of the strip down a tree, some values missing."""
    start = np.uint64(first)
    for _ in range(depth):
        for p in range(np.uint64(count)):
            word = words[node[p]]
            code = np.int64(codes[np.uint64((word >> 16) & 0x7FFF), start + p])
            # 0 less 1 wraps to the largest code there is, which goes right.
            right = ((code - ((word >> 31) & 1)) & _ALL) > (word & _ALL)
            node[p] = np.uint64((word >> 32) + right)


@kernel
def add_leaves(
    node: Places, count: int, tree: int, values: Double, total: Double
) -> None:
    """Add what the leaves of a tree say to total (output, pixel).

    One value a leaf goes to output tree % outputs, several to an output each.
    """
    outputs = total.shape[0]
    if values.shape[1] == 1:
        # Boosting fits one tree a class in turn.
        own = np.uint64(tree % outputs)
        for p in range(np.uint64(count)):
            total[own, p] += values[node[p], 0]
    else:
        for k in range(np.uint64(outputs)):
            for p in range(np.uint64(count)):
                total[k, p] += values[node[p], k]


@kernel
def to_shares(total: Double, count: int, boosted: bool, trees: int) -> None:
    """Turn sums of trees into probabilities, in place, (output, pixel).

    Boosted: the logistic function of one output, else softmax; a forest: the mean.
    """
    outputs = total.shape[0]
    for p in range(count):
        if not boosted:
            for k in range(outputs):
                total[k, p] /= trees
        elif outputs == 1:
            total[0, p] = 1 / (1 + np.exp(-total[0, p]))
        else:
            # The largest taken off first: exp of a large logit would overflow.
            top = total[0, p]
            for k in range(1, outputs):
                top = max(top, total[k, p])
            whole = 0.0
            for k in range(outputs):
                total[k, p] = np.exp(total[k, p] - top)
                whole += total[k, p]
            for k in range(outputs):
                total[k, p] /= whole


@kernel
def shares(
    codes: Codes,
    words: Int64,
    roots: Int64,
    depths: Int64,
    values: Double,
    base: Double,
    boosted: bool,
    out: Double,
) -> None:
    """Probabilities of one forest for all pixels, out (output, pixel)."""
    node = np.empty(STRIP, np.uint64)
    total = np.empty((base.size, STRIP))
    plain = without_missing(words)
    for first in range(0, codes.shape[1], STRIP):
        count = min(STRIP, codes.shape[1] - first)
        for k in range(base.size):
            for p in range(count):
                total[k, p] = base[k]
        # Most strips lack nothing, and then a step takes fewer instructions.
        missing = any_missing(codes, first, count)
        for t in range(roots.size):
            node[:count] = np.uint64(roots[t])
            if missing:
                descend_missing(codes, first, count, words, depths[t], node)
            else:
                descend(codes, first, count, plain, depths[t], node)
            add_leaves(node, count, t, values, total)
        to_shares(total, count, boosted, roots.size)
        for k in range(base.size):
            for p in range(count):
                out[k, first + p] = total[k, p]


@kernel
def count_usable(
    codes: Codes, clear: NDArray[np.bool_], most_missing: int, usable: NDArray[np.bool_]
) -> int:
    """Mark pixels seen often enough with at most so many missing features.

    Returns how many there are.
    """
    found = 0
    for p in range(codes.shape[1]):
        usable[p] = clear[p]
        if clear[p]:
            missing = 0
            for f in range(codes.shape[0]):
                missing += codes[f, p] == 0
            usable[p] = missing <= most_missing
            found += usable[p]
    return found


@kernel
def gather(codes: Codes, chosen: Int64, out: Codes) -> None:
    """Copy the chosen pixels' codes side by side: out[f, i] = codes[f, chosen[i]]."""
    for f in range(codes.shape[0]):
        for i in range(chosen.size):
            out[f, i] = codes[f, chosen[i]]


@kernel
def settle(
    chosen: Int64,
    crop: Double,
    kinds: Double,
    names: NDArray[np.uint8],
    label: NDArray[np.uint8],
    percent: NDArray[np.uint8],
) -> None:
    """Write the likeliest class of the chosen pixels, and its probability in per cent.

    `crop` (chosen,) is the probability of any crop, `kinds` (kind, chosen) that of
    each if it is one, `names` their codes. Of equals the lower code stands.
    """
    for i in range(chosen.size):
        best, code = 1 - crop[i], np.uint8(0)
        for k in range(names.size):
            if crop[i] * kinds[k, i] > best:
                best, code = crop[i] * kinds[k, i], names[k]
        label[chosen[i]] = code
        percent[chosen[i]] = np.uint8(np.rint(100 * best))


@kernel
def nearest(
    points: NDArray[np.float32],
    training: NDArray[np.float32],
    squares: NDArray[np.float32],
    out: Double,
) -> None:
    """Distance of each point (point, feature) to the nearest of training.

    `training` is (feature, sample): features in the outer loop, since only so are the
    sums of many samples one vector, without another order of additions. `squares`
    (sample,) is scratch.
    """
    for i in range(points.shape[0]):
        for j in range(squares.size):
            squares[j] = 0
        for f in range(points.shape[1]):
            x = points[i, f]
            for j in range(squares.size):
                apart = x - training[f, j]
                squares[j] += apart * apart
        least = squares[0]
        for j in range(1, squares.size):
            least = min(least, squares[j])
        out[i] = np.sqrt(np.float64(least))
