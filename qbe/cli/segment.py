"""qbe segment: sounds -> a stream of segments."""

from __future__ import annotations

import io
from typing import Any

from qbe.cli.app import (
    Exclude,
    FilesFrom,
    Follow,
    Hidden,
    Hop,
    Inputs,
    KeepSilence,
    NoFfmpeg,
    NullNames,
    Quiet,
    Silence,
    Verbose,
    command,
)
from qbe.cli.inputs import finder, is_stdin, noted, sound_files, tell_inputs, whole_stdin
from qbe.cli.outputs import Report, stdout_stream
from qbe.cli.progress import progress, watched


@command("segment", "qbe segment ~/samples | qbe embed | qbe index -o lib.idx")
def segment(
    inputs: Inputs = None,
    files_from: FilesFrom = None,
    null: NullNames = False,
    hidden: Hidden = False,
    exclude: Exclude = None,
    follow: Follow = False,
    no_ffmpeg: NoFfmpeg = False,  # noqa: ARG001  # heeded when it is parsed
    hop: Hop = None,
    silence: Silence = -100.0,
    keep_silence: KeepSilence = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Cut sounds into segments of about a second.

    They go to stdout as a stream: mono, 16 kHz, 1.024 s. The last one of a sound is padded with zeros. Without names, a
    sound is read from stdin.
    """
    from qbe.audio.segmentation import SAMPLE_RATE, WINDOW, segments, window_hop
    from qbe.disk import once
    from qbe.streams.framing import StreamWriter, with_files
    from qbe.streams.records import File, Header
    from qbe.support.names import here

    report, ended, sounding = Report(), list[File](), set[bytes]()
    step = window_hop(hop, SAMPLE_RATE, WINDOW)
    sources: list[Any] = [io.BytesIO(whole_stdin())] if is_stdin(inputs, files_from) else []
    with StreamWriter(stdout_stream(), Header("segments", SAMPLE_RATE, folder=here())) as writer:
        folders = finder(hidden, exclude, follow)
        sources = sources or list(once(sound_files(inputs, files_from, null, report, folders)))
        with progress("segment", len(sources), quiet=quiet, verbose=verbose) as update:
            least = None if keep_silence else silence
            cuts = noted(segments(sources, report, hop=step, silence=least, on_end=ended.append), sounding)
            writer.write_all(with_files(watched(cuts, SAMPLE_RATE, update, len(sources)), ended))
        writer.failed = report.failed
    if verbose:
        tell_inputs("segment", folders, ended, sounding, report.failed)
    return report.end()
