"""A map as a picture: SVG, one path a colour, or PNG, a byte a dot."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from html import escape

import numpy as np
from numpy.typing import NDArray

from qbe.maps.colours import Colours
from qbe.maps.thinning import coarse_to_fine

SIDE, MARGIN, LEGEND = 1200, 24, 260  # dots
MOST_IN_SVG = 100_000  # points; of more, a fair picture
CAPTION = "near means alike; the axes mean nothing"
BACKGROUND = "#ffffff"


def svg(where: NDArray[np.float64], colours: Colours) -> bytes:
    """A picture of points [n, 2] with what the colours stand for."""
    order = coarse_to_fine(where)[:MOST_IN_SVG]
    of, (x, y) = colours.of[order], _fitted(where)[order].T
    width = 2 * _radius(len(order))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE + LEGEND} {SIDE}" font-family="sans-serif">',
        f'<rect width="{SIDE + LEGEND}" height="{SIDE}" fill="{BACKGROUND}"/>',
        f'<g fill="none" stroke-linecap="round" stroke-width="{width:g}" stroke-opacity="0.8">',
        *(f'<path stroke="{colours.palette[c]}" d="{_dots(x[of == c], y[of == c])}"/>' for c in np.unique(of).tolist()),
        "</g>",
        *_legend(colours, np.unique(of).tolist()),
        "</svg>\n",
    ]
    return "\n".join(parts).encode()


def _dots(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Lines of no length, which round caps make dots; each from the one before, as that is shorter."""
    points = np.rint(10 * np.stack([x, y], 1)).astype(int)
    steps = np.diff(points, axis=0, prepend=np.zeros((1, 2), int)) / 10
    return "".join(f"m{dx:g} {dy:g}h0" for dx, dy in steps.tolist())


def _legend(colours: Colours, shown: list[int]) -> Iterator[str]:
    for line, number in enumerate(shown, 1):
        y = MARGIN + 28 * line
        yield f'<circle cx="{SIDE + 12}" cy="{y - 6}" r="8" fill="{colours.palette[number]}"/>'
        yield f'<text x="{SIDE + 30}" y="{y}" font-size="18">{escape(colours.labels[number])}</text>'
    yield f'<text x="{MARGIN}" y="{SIDE - 8}" font-size="16" fill="#666666">{CAPTION}</text>'


def png(where: NDArray[np.float64], colours: Colours) -> bytes:
    """A picture of points [n, 2]: what comes first in `coarse_to_fine` lies on top."""
    order = coarse_to_fine(where)[::-1]
    canvas = np.full((SIDE, SIDE), len(colours.palette), np.uint8)
    dots = np.rint(_fitted(where)[order]).astype(int)
    radius = int(_radius(len(where)))
    steps = np.arange(-radius, radius + 1)
    for dx, dy in np.argwhere(np.add.outer(steps**2, steps**2) <= (radius + 0.5) ** 2) - radius:
        canvas[dots[:, 1] + dy, dots[:, 0] + dx] = colours.of[order]
    return _png(canvas, [*colours.palette, BACKGROUND])


def _png(canvas: NDArray[np.uint8], palette: list[str]) -> bytes:
    """Rows of numbers of colours as a file: PNG (ISO/IEC 15948), colour type 3, no filters."""
    height, width = canvas.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each begins with the number of its filter
    lines[:, 1:] = canvas
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0),
        b"PLTE": bytes.fromhex("".join(colour.removeprefix("#") for colour in palette)),
        b"IDAT": zlib.compress(lines.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


def _fitted(where: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in dots of the picture: as large as fits within the margins, in the middle; y downwards."""
    low, high = where.min(0), where.max(0)
    scale = (SIDE - 2 * MARGIN) / max(float((high - low).max()), 1e-9)
    fitted: NDArray[np.float64] = (where - (low + high) / 2) * [scale, -scale] + SIDE / 2
    return fitted


def _radius(count: int) -> float:
    """Of a point among so many, dots."""
    return float(np.clip(round(180 / max(count, 1) ** 0.5), 1, 10))
