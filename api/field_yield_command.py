"""`heitu field-yield`: yields of fields from a yield map, with intervals."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.options import Data
from api.settings import command_settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["field_yield"]

Product = Annotated[
    str,
    typer.Argument(metavar="MAP", help="Yield map in the archive · 单产图产品编号"),
]
Fields = Annotated[
    Path | None,
    typer.Option(
        "--fields",
        metavar="FILE",
        help="Polygons; stored fields if left out · 地块文件",
    ),
]
Level = Annotated[
    float, typer.Option(min=1, max=99, help="Of the interval, % · 区间水平")
]
FieldError = Annotated[
    float | None,
    typer.Option(
        "--field-error",
        min=0,
        help="Of whole fields, t/ha, by crop cuts · 地块误差，吨/公顷",
    ),
]
PixelError = Annotated[
    float,
    typer.Option("--pixel-error", min=0, help="Around the field, t/ha · 像元误差"),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FILE.csv", help="Also as a table · 写出表格")
]


def field_yield(
    product: Product,
    fields: Fields = None,
    level: Level = 90.0,
    field_error: FieldError = None,
    pixel_error: PixelError = 0.0,
    out: Out = None,
    data: Data = None,
) -> None:
    """Tell the yield of each field of a yield map, and how sure it is · 地块单产."""
    from api.field_yield_table import field_yield_table
    from models.pixel_yield import WithinError

    within = None
    if field_error is not None:
        within = WithinError(field=field_error, pixel=pixel_error)
    made = field_yield_table(
        command_settings(data), product, fields, level=level / 100, within=within
    )
    _tell(made.table)
    for note in made.notes:
        typer.echo(note)
    if out is not None:
        from raster.files import replace_file

        # Excel takes UTF-8 for the local code page unless it starts with the mark.
        replace_file(out, made.table.to_csv(index=False).encode("utf-8-sig"))
        typer.echo(out)


def _tell(table: "pd.DataFrame") -> None:
    from rich.table import Table

    from api.tables import print_table

    shown = Table(
        "field 地块",
        "t/ha 吨/公顷",
        "interval 区间",
        "ha 公顷",
        "error 误差",
        "status 状态",
    )
    for field, tonnes, low, high, area, error, status, english, chinese in zip(
        *(table[name] for name in ("field", "yield_t_ha", "lower", "upper", "area_ha")),
        *(table[name] for name in ("error", "status", "reason_en", "reason_zh")),
        strict=True,
    ):
        known = tonnes == tonnes
        shown.add_row(
            str(field),
            f"{tonnes:.2f}" if known else "-",
            f"{low:.2f} - {high:.2f}" if low == low else "-",
            f"{area:.2f}" if area == area else "-",
            error,
            status if status == "ok" else f"{english} · {chinese}",
        )
    print_table(shown)
