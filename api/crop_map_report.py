"""What a person is told of a crop-map model, its accuracy and its samples."""

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.table import Table

from api.tables import print_table
from models.crop_map.accuracy import Accuracy, Share
from models.crop_map.classes import CLASSES
from models.crop_map.model import CropMapModel
from models.crop_map.samples import Remark
from raster.files import replace_file

__all__ = ["tell_accuracy", "tell_model", "tell_remarks", "write_remarks"]

_KINDS = {
    "outside": "no scene there 无影像覆盖",
    "small": "smaller than a pixel 小于一个像元",
    "unclear": "too few clear observations 晴空观测不足",
    "repeated": "repeated 重复",
    "contradiction": "labels contradict 标签矛盾",
    "unlikely": "look again 需复核",
}


def tell_model(model: CropMapModel) -> None:
    """Print what a model is, what it needs, and what it leaves out."""
    plan, training = model.plan, model.training
    names = {one.code: f"{one.name_en} {one.name_zh}" for one in CLASSES}
    kinds = ", ".join(names[code] for code in (0, *model.kinds))
    years = ", ".join(map(str, model.years))
    counts = ", ".join(f"{k} {v}" for k, v in training.get("samples", {}).items())
    typer.echo(f"classes 类别: {kinds}")
    typer.echo(f"method 方法: {model.method}; seasons 年份: {years}")
    typer.echo(f"samples 样本: {counts}")
    typer.echo(
        f"inputs 输入: {len(plan.names)}, {' '.join((*plan.series, *plan.metrics))}, "
        f"{plan.step}, {'-'.join(map(str, plan.first))} .. "
        f"{'-'.join(map(str, plan.last))}"
    )
    if model.simulated:
        typer.echo("simulated 模拟数据")
    for name, problem in model.left_out.items():
        typer.echo(f"left out 未包括: {name}: {problem}")
    for accuracy in model.accuracy.values():
        tell_accuracy(accuracy)


def tell_accuracy(accuracy: Accuracy) -> None:
    """Print an accuracy: its method, its matrix, and shares with intervals."""
    typer.echo(f"\naccuracy 精度: {accuracy.method}")
    typer.echo(f"n = {accuracy.n}, overall 总体 {_share(accuracy.overall)}")
    there = [
        one
        for one in CLASSES
        if accuracy.confusion[one.code].any() or accuracy.confusion[:, one.code].any()
    ]
    table = Table("map 图 \\ ground 地面", *(one.name for one in there))
    table.add_column("user's 用户精度")
    for one in there:
        row = accuracy.confusion[one.code, [other.code for other in there]]
        share = _share(accuracy.users[one.code])
        table.add_row(f"{one.name} {one.name_zh}", *map(str, row), share)
    shares = (_share(accuracy.producers[one.code]) for one in there)
    table.add_row("producer's 生产者精度", *shares, "")
    print_table(table)


def tell_remarks(remarks: Sequence[Remark], *, most: int) -> None:
    """Print how many samples there is something to say of, and the first of them."""
    for kind, count in Counter(one.kind for one in remarks).items():
        typer.echo(f"{count} samples 个样本: {_KINDS[kind]}")
    for one in remarks[:most]:
        place = f"{one.lat:.5f} N {one.lon:.5f} E {one.year}"
        typer.echo(f"  {one.sample} ({place}, {one.label}): {one.reason}")
    if len(remarks) > most:
        rest = len(remarks) - most
        typer.echo(f"  … {rest} more, in the file of --report · 其余见 --report 文件")


def write_remarks(path: Path, remarks: Sequence[Remark]) -> None:
    """Write samples to look at as a table that a phone's map program reads.

    Raises
    ------
    raster.WriteFailed, raster.DiskFull
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["sample", "lat", "lon", "year", "label", "kind", "reason"])
    for one in remarks:
        place = (f"{one.lat:.6f}", f"{one.lon:.6f}")
        table.writerow([one.sample, *place, one.year, one.label, one.kind, one.reason])
    # With a byte-order mark, or spreadsheets take the Chinese for Latin letters.
    replace_file(path, text.getvalue().encode("utf-8-sig"))


def _share(share: Share) -> str:
    if math.isnan(share.value):
        return "-"
    numbers = (share.value, share.lower, share.upper)
    value, lower, upper = (f"{100 * number:.0f}" for number in numbers)
    return f"{value} % ({lower}-{upper})"
