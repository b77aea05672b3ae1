"""The tests of ioos-qc, which look at whole series, put together as ours are."""

from typing import Any

import numpy as np
from ioos_qc import qartod  # type: ignore[import-untyped]
from numpy.typing import NDArray

from sensors.quality import History, Limits, Quality

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def expected(
    time_us: NDArray[np.int64], value: NDArray[np.float64], limits: Limits
) -> list[int]:
    """Flags of a whole series, the worst of the tests of ioos-qc."""
    results = [
        qartod.gross_range_test(value, limits.fail, limits.suspect),
        qartod.spike_test(value, limits.spike_suspect, limits.spike_fail),
        qartod.rate_of_change_test(
            value, dates(time_us), limits.rate_suspect, limits.rate_fail
        ),
        flat(time_us, value, limits),
    ]
    flags: list[int] = qartod.qartod_compare(results).tolist()
    return flags


def flat(time_us: NDArray[np.int64], value: NDArray[np.float64], limits: Limits) -> Any:
    return qartod.flat_line_test(
        value,
        dates(time_us),
        limits.flat_suspect_s,
        limits.flat_fail_s,
        limits.flat_tolerance,
    )


def dates(time_us: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return time_us.astype("datetime64[us]")


class Stored:
    """What a store would hold: the flag of each reading, revised as told."""

    def __init__(self, quality: Quality) -> None:
        self.quality = quality
        self.flags: dict[tuple[int, int], int] = {}
        self.values: dict[tuple[int, int], float] = {}

    def write(
        self,
        stream: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> None:
        flags = self.quality.evaluate(stream, time_us, value)
        for key_stream, key_time, flag, each in zip(
            stream.tolist(), time_us.tolist(), flags.flag.tolist(), value, strict=True
        ):
            # A key that is there stays: a duplicate or a conflict.
            self.flags.setdefault((key_stream, key_time), flag)
            self.values.setdefault((key_stream, key_time), float(each))
        for key_stream, key_time, flag in zip(
            flags.revised_stream.tolist(),
            flags.revised_time_us.tolist(),
            flags.revised_flag.tolist(),
            strict=True,
        ):
            assert (key_stream, key_time) in self.flags
            self.flags[key_stream, key_time] = flag
        self.quality.commit()

    def history(self) -> History:
        keys = list(self.flags)
        return History(
            np.array([stream for stream, _ in keys], np.int32),
            np.array([time for _, time in keys], np.int64),
            np.array([self.values[key] for key in keys], np.float64),
            np.array([self.flags[key] for key in keys], np.int16),
        )

    def of(self, stream: int) -> list[int]:
        return [self.flags[key] for key in sorted(self.flags) if key[0] == stream]
