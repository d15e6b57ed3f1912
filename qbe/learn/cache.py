"""Sounds decoded once, and used again as long as the files stay what they were."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from qbe.audio.segmentation import SAMPLE_RATE
from qbe.learn.corpus import write_corpus
from qbe.streams.records import Segment
from qbe.support.errors import OnError, QbeError, TrainingError

FORMAT = b"qbe corpus 1 at %d Hz" % SAMPLE_RATE
MOST_PER_BYTE = 80  # decoded bytes for a byte of file: a header that promises more is wrong

Tell = Callable[[str], None]


def default_cache() -> Path:
    """Where decoded sounds are kept, after the XDG base directory specification."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "qbe"


def decode_once(
    paths: list[bytes], cache: Path, decode: Callable[[OnError], Iterable[Segment]], on_error: OnError, tell: Tell
) -> Path:
    """The folder with the decoded sounds of these files: an old one, or a new one made from the segments of `decode`.

    `tell` hears beforehand how much room it takes. What could not be read is said again when an old folder is used.
    TrainingError where the disk is too small, or the cache is no folder that can be written.
    """
    folder = cache / _key(paths)
    with _locked(cache, tell):
        if folder.is_dir():
            tell(f"the sounds are decoded already: {_gigabytes(_size(folder))} in {folder}")
            for line in (folder / "failures").read_text(errors="surrogateescape").splitlines():
                on_error(TrainingError(line))
        else:
            _check_room(paths, folder, tell)
            _decode(folder, decode, on_error)
    return folder


def _key(paths: list[bytes]) -> str:
    """Changes when a file is added, taken away, or has another size or time."""
    digest = hashlib.sha256(FORMAT)
    for path in paths:
        try:
            status = os.stat(path)
            digest.update(b"%s\0%d\0%d\0" % (os.path.abspath(path), status.st_size, status.st_mtime_ns))
        except OSError:  # decoding will say what is wrong with it
            digest.update(os.path.abspath(path) + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def _locked(cache: Path, tell: Tell) -> Iterator[None]:
    """One decoding at a time: a second training of the same sounds waits, and then has them."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with open(cache / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell(f"another training decodes sounds into {cache}: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise TrainingError(f"{error.filename}: {error.strerror}: name another folder with --cache") from None


def _check_room(paths: list[bytes], folder: Path, tell: Tell) -> None:
    needed, free = sum(_expected(path) for path in paths), shutil.disk_usage(folder.parent).free
    if needed > free:
        raise TrainingError(
            f"{folder.parent}: {len(paths)} sounds take about {_gigabytes(needed)} when decoded, and "
            f"{_gigabytes(free)} are free: name another folder with --cache"
        )
    tell(f"decoding {len(paths)} sounds once takes about {_gigabytes(needed)} in {folder}")


def _expected(path: bytes) -> int:
    """Bytes that a file takes when decoded, by its header."""
    if not os.path.isfile(path):  # a pipe can be read only once
        return 0
    try:
        about = soundfile.info(path)
        return min(round(float(about.duration) * SAMPLE_RATE) * 2, os.path.getsize(path) * MOST_PER_BYTE)
    except (OSError, soundfile.SoundFileError, ZeroDivisionError):  # decoding will say what is wrong with it
        return 0


def _decode(folder: Path, decode: Callable[[OnError], Iterable[Segment]], on_error: OnError) -> None:
    """Into a folder of another name, which gets its own when all is there."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # of a training that was killed
    part.mkdir()
    failures: list[str] = []

    def noted(error: QbeError) -> None:
        failures.append(str(error))
        on_error(error)

    try:
        write_corpus(decode(noted), part)
        (part / "failures").write_text("".join(line + "\n" for line in failures), errors="surrogateescape")
        os.sync()
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
