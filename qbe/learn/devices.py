"""Where a network is trained, and in which precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from qbe.support.errors import TrainingError, UsageError

CPUINFO = Path("/proc/cpuinfo")


def open_device(name: str) -> torch.device:
    """auto, cpu or cuda. UsageError where it is not there."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        why = "this PyTorch is built without CUDA" if not torch.version.cuda else "no GPU is found"
        raise UsageError(f"--device cuda: not there ({why}): use --device cpu")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def half_precision(device: torch.device) -> bool:
    """Whether bfloat16 pays: on GPUs, and on processors that multiply in it."""
    if device.type == "cuda":
        return True
    flags = CPUINFO.read_text() if CPUINFO.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def loading_workers(device: torch.device) -> int:
    """Processes that make batches. On a CPU one makes more than the rest of the cores can learn from."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1) if device.type == "cuda" else max(1, cores // 8)


@contextmanager
def fast_convolutions() -> Iterator[None]:
    """On a GPU in numbers of 19 bits, by the algorithm that is found to be the fastest for the sizes at hand."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
        yield


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """In 32 bits on a GPU too."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


@contextmanager
def enough_memory() -> Iterator[None]:
    """TrainingError where a GPU has too little for what is done."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise TrainingError(
            "the GPU has too little memory for all sounds and a batch: give a smaller --batch, narrower --widths or "
            "fewer sounds"
        ) from None
