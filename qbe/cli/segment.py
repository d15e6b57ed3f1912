"""qbe segment: sounds -> a stream of segments."""

from __future__ import annotations

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
from qbe.cli.inputs import finder, sound_files, tell_inputs
from qbe.cli.outputs import Report, stdout_stream
from qbe.cli.progress import progress, watched
from qbe.support.errors import UsageError


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

    They go to stdout as a stream: mono, 16 kHz, 1.024 s. The last one of a sound is padded with zeros.
    """
    from qbe.audio.segmentation import SAMPLE_RATE, WINDOW, segments, window_hop
    from qbe.disk import once
    from qbe.streams.framing import StreamWriter, with_files
    from qbe.streams.records import File, Header
    from qbe.support.names import here

    if not inputs and not files_from:
        raise UsageError("name files or folders to cut into segments")
    report, ended = Report(), list[File]()
    step = window_hop(hop, SAMPLE_RATE, WINDOW)
    with StreamWriter(stdout_stream(), Header("segments", SAMPLE_RATE, folder=here())) as writer:
        folders = finder(hidden, exclude, follow)
        paths = list(once(sound_files(inputs, files_from, null, report, folders)))
        with progress("segment", len(paths), quiet=quiet, verbose=verbose) as update:
            least = None if keep_silence else silence
            cuts = segments(paths, report, hop=step, silence=least, on_end=ended.append)
            writer.write_all(with_files(watched(cuts, SAMPLE_RATE, update, len(paths)), ended))
        writer.failed = report.failed
    if verbose:
        tell_inputs("segment", folders, ended)
    return report.end()
