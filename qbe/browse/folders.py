"""A file in the file manager of this machine."""

from __future__ import annotations

import os
import subprocess
import sys

from qbe.support.errors import AudioError, UsageError, display


def show_in_folder(path: bytes) -> None:
    """Open the folder that a file is in. AudioError where that is gone, UsageError where nothing here opens folders."""
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise AudioError(f"{display(folder)}: No such folder")
    command = [b"open", b"-R", path] if sys.platform == "darwin" else [b"xdg-open", folder]
    try:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         start_new_session=True)  # fmt: skip
    except OSError:
        raise UsageError(f"there is no {command[0].decode()} here to open {display(folder)} with") from None
