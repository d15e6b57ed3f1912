"""Where a network is trained, and in which precision."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from qbe.support.errors import UsageError

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
