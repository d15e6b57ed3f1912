"""Pictures as SVG files. Matplotlib comes with the train extra only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbe.support.errors import UsageError
from qbe.support.saving import save_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches. UsageError where Matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install '.[train]', in qbe's source") from None
    return Figure(figsize=(width, height), layout="constrained")


def write_svg(path: str, figure: Figure) -> None:
    """The same bytes for the same figure."""
    import matplotlib

    # Without these two every run would give other bytes.
    with matplotlib.rc_context({"svg.hashsalt": "qbe"}), save_file(path) as file:
        figure.savefig(file, format="svg", metadata={"Date": None})
