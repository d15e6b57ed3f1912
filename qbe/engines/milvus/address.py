"""The names of libraries on a Milvus server: milvus://[TOKEN@]HOST[:PORT]/LIBRARY, or milvuss:// for TLS."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from qbe.support.errors import UsageError

SCHEMES = {"milvus": "http", "milvuss": "https"}
PORT = 19530
TOKEN = "QBE_MILVUS_TOKEN"
LONGEST = 200  # characters: the server takes 255, with what is put behind a name


@dataclass(frozen=True)
class Address:
    """name : for messages, without what only the user may know
    host : and port; uri : of the server, for its client
    library : what the library is called there
    token : what lets its user in; empty: nothing is wanted
    """

    name: str
    host: str
    uri: str
    library: str
    token: str = field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether TLS keeps what is said from others."""
        return self.uri.startswith("https")


def parse_address(name: str) -> Address:
    """What a name says. The token is a key, or user:password, in the name or else in $QBE_MILVUS_TOKEN.

    UsageError where the name is none.
    """
    scheme, _, rest = name.partition("://")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port or PORT
    except ValueError:
        host = None
    shown = f"{scheme}://{rest.rpartition('@')[2]}"
    if not host or scheme not in SCHEMES:
        raise UsageError(f"{shown}: no address of a library: {scheme}://HOST:PORT/LIBRARY is wanted")
    library = parts.path.strip("/")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", library) or len(library) > LONGEST:
        raise UsageError(
            f"{shown}: a library there has a name of letters, digits and _, such as {scheme}://{host}/samples"
        )
    server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    token = unquote(parts.netloc.rpartition("@")[0]) or os.environ.get(TOKEN, "")
    return Address(f"{scheme}://{server}/{library}", server, f"{SCHEMES[scheme]}://{server}", library, token)
