"""Find sounds by example.

    import qbe

    qbe.build_library("lib.idx", ["samples"])
    for result in qbe.open_library("lib.idx").search("query.wav", k=10):
        print(result.path, result.score, result.start, result.end)

What is named here is imported when it is first used: `import qbe` alone loads neither NumPy nor onnxruntime.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qbe.build import Built as Built
    from qbe.build import build_library as build_library
    from qbe.build import remove_from_library as remove_from_library
    from qbe.clips import write_clips as write_clips
    from qbe.embedding import Embeddings as Embeddings
    from qbe.embedding import embed as embed
    from qbe.library import Library as Library
    from qbe.library import LibraryFile as LibraryFile
    from qbe.library import Result as Result
    from qbe.library import open_library as open_library
    from qbe.streams.files import read_stream as read_stream
    from qbe.streams.files import write_stream as write_stream
    from qbe.streams.records import Embedding as Embedding
    from qbe.streams.records import File as File
    from qbe.streams.records import Header as Header
    from qbe.streams.records import Segment as Segment
    from qbe.support.errors import AudioError as AudioError
    from qbe.support.errors import LibraryError as LibraryError
    from qbe.support.errors import ModelError as ModelError
    from qbe.support.errors import QbeError as QbeError
    from qbe.support.errors import StreamError as StreamError
    from qbe.support.errors import TagError as TagError
    from qbe.support.errors import TaskError as TaskError
    from qbe.support.errors import TrainingError as TrainingError
    from qbe.support.errors import UsageError as UsageError

__version__ = "0.1.0"

_MODULES = {
    "qbe.build": ("Built", "build_library", "remove_from_library"),
    "qbe.clips": ("write_clips",),
    "qbe.embedding": ("Embeddings", "embed"),
    "qbe.library": ("Library", "LibraryFile", "Result", "open_library"),
    "qbe.streams.files": ("read_stream", "write_stream"),
    "qbe.streams.records": ("Embedding", "File", "Header", "Segment"),
    "qbe.support.errors": (
        "AudioError",
        "LibraryError",
        "ModelError",
        "QbeError",
        "StreamError",
        "TagError",
        "TaskError",
        "TrainingError",
        "UsageError",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
