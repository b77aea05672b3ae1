"""Which pixels of a Sentinel-2 scene show the ground."""

import numpy as np
from numpy.typing import NDArray

# Sen2Cor scene classes (Sentinel-2 MSI L2A ATBD): 4 vegetation, 5 not vegetated,
# 6 water, 7 unclassified. Left out: 2, which since baseline 04.00 means cast shadow,
# and 11, because snow hides the crop.
CLEAR_CLASSES = (4, 5, 6, 7)

_IS_CLEAR = np.isin(np.arange(256), CLEAR_CLASSES)


def is_clear(scene_class: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Clear-ground mask of scene classes, same shape; nodata (0) is not clear."""
    return _IS_CLEAR[scene_class]
