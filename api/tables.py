"""Tables on the command line."""

from rich.console import Console
from rich.table import Table

__all__ = ["print_table"]


def print_table(table: Table) -> None:
    """Print a table; a pipe gets whole cells, since folded ones cannot be read."""
    console = Console()
    for column in table.columns:
        # Ids cut off would all look alike.
        column.overflow = "fold"
    console.print(table) if console.is_terminal else Console(width=200).print(table)
