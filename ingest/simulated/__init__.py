"""A simulated Jilin: weather, crops, fields, yields and scenes made from a seed.

For the demo and for tests of whole chains, where the true yield must be known.
Everything that leaves this package is marked simulated.
"""

from ingest.simulated.errors import (
    CountyNotDescribed,
    CropUnknown,
    GridNotCovered,
    SimulationError,
)
from ingest.simulated.land_cover import CROPS
from ingest.simulated.scenes import SCENES, Rendered, ScenePlan, render, scene_plans
from ingest.simulated.world import (
    HISTORY,
    PROVINCE,
    WINDOW,
    World,
    crop_fractions,
    true_yield,
)

__all__ = [
    "CROPS",
    "HISTORY",
    "PROVINCE",
    "SCENES",
    "WINDOW",
    "CountyNotDescribed",
    "CropUnknown",
    "GridNotCovered",
    "Rendered",
    "ScenePlan",
    "SimulationError",
    "World",
    "crop_fractions",
    "render",
    "scene_plans",
    "true_yield",
]
