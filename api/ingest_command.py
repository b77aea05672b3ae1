"""`heitu ingest` and `heitu export`: data in, tables out."""

import typer

from api.ingest_ground import cuts, fields, monitor, points, segments
from api.ingest_report import report
from api.ingest_scenes import folder, scenes
from api.ingest_statistics import statistics, statistics_export
from api.ingest_weather import weather

__all__ = ["export_app", "ingest_app"]

ingest_app = typer.Typer(help="Bring data in · 导入数据")
export_app = typer.Typer(help="Give tables out · 导出表格")

ingest_app.command()(scenes)
ingest_app.command()(folder)
ingest_app.command()(report)
ingest_app.command()(weather)
ingest_app.command()(statistics)
ingest_app.command()(fields)
ingest_app.command()(points)
ingest_app.command()(segments)
ingest_app.command()(cuts)
ingest_app.command()(monitor)
export_app.command("statistics")(statistics_export)
