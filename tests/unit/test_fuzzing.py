"""Mutated library files are refused with a message, or answer. tests/bench/fuzz_libraries.py reads many times more."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from fuzzing import MUTATIONS, fuzz, use
from kills import QUERY, small_libraries


def test_mutated_files_give_messages_and_take_no_memory(tmp_path: Path) -> None:
    libraries = small_libraries(tmp_path)
    path = tmp_path / "fuzzed.idx"
    for library in libraries:
        path.write_bytes(library)
        assert use(path, QUERY) == "answered"
    tracemalloc.start()
    outcomes = fuzz(libraries, QUERY, path, rounds=10 * len(MUTATIONS), seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    for mutate in MUTATIONS:
        assert outcomes[f"{mutate.__name__}: refused"] > 2
