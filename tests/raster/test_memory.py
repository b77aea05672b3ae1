import platform
import resource

import numpy as np

from raster.memory import keep_memory


def faults_of_a_fresh_array() -> int:
    """Pages that the system hands out to make and fill 40 MB, freed again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(5_000_000).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_freed_arrays_serve_the_next_ones() -> None:
    if not keep_memory():
        assert platform.libc_ver()[0] != "glibc"
        return
    faults_of_a_fresh_array()

    # 40 MB are 10,000 pages.
    assert faults_of_a_fresh_array() < 1_000
