"""A Sentinel-2 product in SAFE, its metadata as in real ones but for their length."""

from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from tests.ingest.folders.builders import LEFT, TOP, texture, write_jp2

SIZE = 240
NATIVE = {
    "B02": 10,
    "B03": 10,
    "B04": 10,
    "B08": 10,
    "B05": 20,
    "B06": 20,
    "B07": 20,
    "B8A": 20,
    "B11": 20,
    "B12": 20,
    "SCL": 20,
    "B01": 60,
    "B09": 60,
}
# B04 also comes at 20 and 60 m, B01 also at 20 m, as in real products.
COARSER = (("B04", 20), ("B04", 60), ("B01", 20), ("SCL", 60))

PRODUCT = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-{psd}.sentinel2.eo.esa.int/PSD/\
User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{day}T02:26:01.024Z</PRODUCT_START_TIME>
      <PRODUCT_URI>{name}.SAFE</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <GENERATION_TIME>{day}T05:12:58.000000Z</GENERATION_TIME>
      <Datatake datatakeIdentifier="GS2B_{take}_042926_N{baseline}">
        <SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>
        <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
        <SENSING_ORBIT_NUMBER>46</SENSING_ORBIT_NUMBER>
        <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
      </Datatake>
      <Product_Organisation>
        <Granule_List>
          <Granule datastripIdentifier="S2B_OPER_MSI_L2A_DS_2BPS_20260704T051258_\
S20260704T022802_N{baseline}" granuleIdentifier="S2B_OPER_MSI_L2A_TL_2BPS_\
20260704T051258_A042926_T51TXK_N{baseline}" imageFormat="JPEG2000">
            {images}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <QUANTIFICATION_VALUES_LIST>
        {quantification}
        <AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
      {offsets}
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>{outline}</n1:Geometric_Info>
  <n1:Quality_Indicators_Info>
    <Cloud_Coverage_Assessment>{cloud}</Cloud_Coverage_Assessment>
  </n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""
OUTLINE = """<Product_Footprint><Product_Footprint><Global_Footprint>
<EXT_POS_LIST>44.24 124.26 44.24 124.28 44.23 124.28 44.23 124.26 44.24 124.26 \
</EXT_POS_LIST>
</Global_Footprint></Product_Footprint></Product_Footprint>"""
TILE = f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/\
S2_PDI_Level-2A_Tile_Metadata.xsd">
  <n1:General_Info>
    <TILE_ID>S2B_OPER_MSI_L2A_TL_2BPS_20260704T051258_A042926_T51TXK_N05.11</TILE_ID>
    <SENSING_TIME>{{day}}T02:28:02.581Z</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding>
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone 51N</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:32651</HORIZONTAL_CS_CODE>
      <Size resolution="10"><NROWS>{SIZE}</NROWS><NCOLS>{SIZE}</NCOLS></Size>
      <Geoposition resolution="10">
        <ULX>{LEFT}</ULX><ULY>{TOP}</ULY><XDIM>10</XDIM><YDIM>-10</YDIM>
      </Geoposition>
    </Tile_Geocoding>
    <Tile_Angles>
      <Mean_Sun_Angle>
        <ZENITH_ANGLE unit="deg">24.5</ZENITH_ANGLE>
        <AZIMUTH_ANGLE unit="deg">149.25</AZIMUTH_ANGLE>
      </Mean_Sun_Angle>
    </Tile_Angles>
  </n1:Geometric_Info>
</n1:Level-2A_Tile_ID>
"""
SHIFTED = "".join(
    f'<BOA_ADD_OFFSET band_id="{band}">-1000</BOA_ADD_OFFSET>' for band in range(13)
)


@dataclass(frozen=True)
class Safe:
    """What a product is to be; `at` gives its folder."""

    baseline: str = "05.11"
    day: str = "2026-07-04"
    generated: str = "20260704T051258"
    psd: int = 15
    cloud: str = "12.375"
    offsets: str | None = None
    quantification: str | None = "10000"
    outline: str = OUTLINE
    bands: tuple[str, ...] = ("B04", "B08", "SCL")
    leave_out: tuple[str, ...] = ()
    seed: int = 0
    product: str = PRODUCT
    renamed: tuple[tuple[str, str], ...] = field(default=())

    @property
    def take(self) -> str:
        return f"{self.day.replace('-', '')}T022601"

    @property
    def name(self) -> str:
        number = self.baseline.replace(".", "")
        return f"S2B_MSIL2A_{self.take}_N{number}_R046_T51TXK_{self.generated}"

    @property
    def granule(self) -> str:
        return f"GRANULE/L2A_T51TXK_A042926_{self.take}"

    def images(self) -> list[str]:
        listed = [(key, NATIVE[key]) for key in self.bands]
        listed += [pair for pair in COARSER if pair[0] in self.bands]
        return [
            f"{self.granule}/IMG_DATA/R{metres}m/T51TXK_{self.take}_{key}_{metres}m"
            for key, metres in listed
        ]

    def metadata(self) -> str:
        text = self.product.format(
            psd=self.psd,
            day=self.day,
            take=self.take,
            name=self.name,
            baseline=self.baseline,
            cloud=self.cloud,
            outline=self.outline,
            offsets=self._offsets(),
            quantification=""
            if self.quantification is None
            else "<BOA_QUANTIFICATION_VALUE unit='none'>"
            f"{self.quantification}</BOA_QUANTIFICATION_VALUE>",
            images="".join(f"<IMAGE_FILE>{one}</IMAGE_FILE>" for one in self.images()),
        )
        for old, new in self.renamed:
            text = text.replace(old, new)
        return text

    def _offsets(self) -> str:
        listed = self.offsets
        if listed is None:
            listed = SHIFTED if self.baseline >= "04.00" else ""
        return (
            listed
            and f"<BOA_ADD_OFFSET_VALUES_LIST>{listed}\
</BOA_ADD_OFFSET_VALUES_LIST>"
        )

    def at(self, parent: Path) -> Path:
        """Write the product below a folder."""
        root = parent / f"{self.name}.SAFE"
        for number, image in enumerate(self.images()):
            key, metres = image.rsplit("_", 2)[1:]
            if key not in self.leave_out:
                spacing = int(metres.removesuffix("m"))
                dtype = "uint8" if key == "SCL" else "uint16"
                array = texture(
                    SIZE * 10 // spacing, seed=self.seed + number, dtype=dtype
                )
                array = array % 12 if key == "SCL" else array
                write_jp2(root / f"{image}.jp2", array, metres=spacing)
        root.mkdir(parents=True, exist_ok=True)
        (root / "MTD_MSIL2A.xml").write_text(self.metadata(), encoding="utf-8")
        (root / self.granule).mkdir(parents=True, exist_ok=True)
        (root / self.granule / "MTD_TL.xml").write_text(TILE.format(day=self.day))
        (root / "manifest.safe").write_text("<xfdu/>")
        return root


def zipped(root: Path, *, inner: str | None = None, deflated: bool = False) -> Path:
    """Pack a product beside itself; `inner` is its folder in the zip."""
    path = root.with_name(f"{root.name.removesuffix('.SAFE')}.zip")
    folder = root.name if inner is None else inner
    with ZipFile(path, "w", ZIP_DEFLATED if deflated else ZIP_STORED) as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, Path(folder) / file.relative_to(root))
    return path
