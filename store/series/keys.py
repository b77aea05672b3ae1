"""Keys (stream, time) of a batch, sorted and numbered."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Keys"]


class Keys:
    """The distinct keys of a batch, sorted by stream, then by time.

    Attributes
    ----------
    first : ndarray of intp, shape (keys,)
        Row where each key comes first.
    number : ndarray of intp, shape (rows,)
        Number of each row's key.
    """

    def __init__(
        self, stream_id: NDArray[np.int32], time_us: NDArray[np.int64]
    ) -> None:
        # Stable: rows of one key stay in order of arrival.
        order = np.lexsort((time_us, stream_id))
        begins = _begins(stream_id[order], time_us[order])
        self._stream_id = stream_id
        self._time_us = time_us
        self.first: NDArray[np.intp] = order[begins]
        self.number = np.empty(len(order), np.intp)
        self.number[order] = np.cumsum(begins) - 1

    def __len__(self) -> int:
        """Return the number of distinct keys."""
        return len(self.first)

    def streams(self) -> NDArray[np.int32]:
        """Return the streams, sorted, each once."""
        ids: NDArray[np.int32] = self._stream_id[self.first]
        begins = np.append(True, ids[1:] != ids[:-1])
        return np.compress(begins, ids)

    def contained_in(
        self, stream_id: NDArray[Any], time_us: NDArray[Any]
    ) -> NDArray[np.bool_]:
        """Tell which of the keys are among others, shape (keys,)."""
        streams = np.concatenate([self._stream_id[self.first], stream_id])
        times = np.concatenate([self._time_us[self.first], time_us])
        both = Keys(streams, times)
        others = np.zeros(len(both), np.bool_)
        others[both.number[len(self) :]] = True
        found: NDArray[np.bool_] = others[both.number[: len(self)]]
        return found


def _begins(stream_id: NDArray[Any], time_us: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark where a sorted key differs from the one before."""
    begins = np.ones(len(stream_id), np.bool_)
    begins[1:] = (stream_id[1:] != stream_id[:-1]) | (time_us[1:] != time_us[:-1])
    return begins
