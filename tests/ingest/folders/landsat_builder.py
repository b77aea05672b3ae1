"""A Landsat Collection 2 product: GeoTIFFs and an MTL file in one of three forms."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.ingest.folders.builders import texture, write_raster

SIZE = 60
CORNERS = {
    "UL": (124.2525, 44.2465),
    "UR": (124.2750, 44.2463),
    "LR": (124.2746, 44.2301),
    "LL": (124.2522, 44.2304),
}


@dataclass(frozen=True)
class Landsat:
    """What a product is to be; `at` writes it and gives its folder."""

    sensor: str = "LC09"
    level: str = "L2SP"
    form: str = "json"
    collection: str = "02"
    cloud: str = "21.12"
    leave_out: tuple[str, ...] = ()
    changed: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        collection = f"{self.collection}_T1"
        return f"{self.sensor}_{self.level}_118029_20260703_20260705_{collection}"

    @property
    def craft(self) -> int:
        return int(self.sensor[2:])

    def bands(self) -> dict[str, str]:
        """File names by the key of the metadata."""
        numbers = "1234567" if self.craft >= 8 else "123457"
        thermal = "ST_B10" if self.craft >= 8 else "ST_B6"
        bands = {
            f"FILE_NAME_BAND_{number}": f"{self.name}_SR_B{number}.TIF"
            for number in numbers
        }
        if self.level == "L2SP":
            bands[f"FILE_NAME_BAND_{thermal}"] = f"{self.name}_{thermal}.TIF"
        bands["FILE_NAME_QUALITY_L1_PIXEL"] = f"{self.name}_QA_PIXEL.TIF"
        return bands

    def groups(self) -> dict[str, dict[str, str]]:
        numbers = "1234567" if self.craft >= 8 else "123457"
        thermal = "ST_B10" if self.craft >= 8 else "ST_B6"
        groups = {
            "PRODUCT_CONTENTS": {
                "LANDSAT_PRODUCT_ID": self.name,
                "PROCESSING_LEVEL": self.level,
                "COLLECTION_NUMBER": self.collection,
                "COLLECTION_CATEGORY": "T1",
                **self.bands(),
            },
            "IMAGE_ATTRIBUTES": {
                "SPACECRAFT_ID": f"LANDSAT_{self.craft}",
                "SENSOR_ID": "OLI_TIRS",
                "WRS_TYPE": "2",
                "WRS_PATH": "118",
                "WRS_ROW": "29",
                "DATE_ACQUIRED": "2026-07-03",
                "SCENE_CENTER_TIME": "02:18:34.3964289Z",
                "CLOUD_COVER": self.cloud,
                "SUN_AZIMUTH": "112.20059080",
                "SUN_ELEVATION": "57.84396063",
            },
            "PROJECTION_ATTRIBUTES": {
                f"CORNER_{corner}_{axis}_PRODUCT": str(value)
                for corner, place in CORNERS.items()
                for axis, value in zip(("LON", "LAT"), place, strict=True)
            },
            "LEVEL2_PROCESSING_RECORD": {
                "DATE_PRODUCT_GENERATED": "2026-07-05T05:45:26Z"
            },
            "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": {
                f"REFLECTANCE_{what}_BAND_{number}": value
                for number in numbers
                for what, value in (("MULT", "2.75e-05"), ("ADD", "-0.2"))
            },
            "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": {
                f"TEMPERATURE_MULT_BAND_{thermal}": "0.00341802",
                f"TEMPERATURE_ADD_BAND_{thermal}": "149.0",
            },
            "LEVEL1_PROCESSING_RECORD": {"LANDSAT_SCENE_ID": "LC91180292026184LGN00"},
            # Of the numbers before correction: the same keys, other values.
            "LEVEL1_RADIOMETRIC_RESCALING": {
                f"REFLECTANCE_{what}_BAND_{number}": value
                for number in numbers
                for what, value in (("MULT", "2.0000E-05"), ("ADD", "-0.100000"))
            },
        }
        for path, value in self.changed.items():
            group, key = path.split("/")
            groups[group][key] = value
        return groups

    def metadata(self) -> str:
        groups = self.groups()
        if self.form == "json":
            return json.dumps({"LANDSAT_METADATA_FILE": groups})
        if self.form == "xml":
            body = "".join(
                f"<{group}>"
                + "".join(f"<{key}>{value}</{key}>" for key, value in entries.items())
                + f"</{group}>"
                for group, entries in groups.items()
            )
            return f"<LANDSAT_METADATA_FILE>{body}</LANDSAT_METADATA_FILE>"
        lines = ["GROUP = LANDSAT_METADATA_FILE"]
        for group, entries in groups.items():
            lines.append(f"  GROUP = {group}")
            lines += [f'    {key} = "{value}"' for key, value in entries.items()]
            lines.append(f"  END_GROUP = {group}")
        return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])

    def at(self, parent: Path) -> Path:
        root = parent / self.name
        for number, file in enumerate(self.bands().values()):
            if any(part in file for part in self.leave_out):
                continue
            array = texture(SIZE, seed=number)
            mask = file.endswith("QA_PIXEL.TIF")
            write_raster(
                root / file,
                np.full_like(array, 21824) if mask else array,
                metres=30,
                nodata=1 if mask else 0,
            )
        (root / f"{self.name}_MTL.{self.form}").write_text(self.metadata())
        return root
