"""What a server and its client complain of, as errors of one line that name the server and tell no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from pymilvus.exceptions import MilvusException

from qbe.engines.milvus.address import TOKEN, Address
from qbe.support.errors import LibraryError

NOT_LOADED = re.compile(r"not (fully )?loaded|not ready|no available shard|channel not available|recovering", re.I)
REFUSED = re.compile(r"unauthenticated|auth check failure|permission", re.I)
TRUSTED = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"  # the environment's name for a file of certificates
LONGEST = 300  # characters of what a server says


class LoadingError(LibraryError):
    """It cannot answer as long as it has not loaded what it is asked for."""


class SilentError(LoadingError):
    """It does not answer: it is down, or loading."""


@contextmanager
def ours(address: Address) -> Iterator[None]:
    """Errors of the client as LibraryErrors."""
    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        raise fault_of(error, address) from None


def fault_of(error: MilvusException | grpc.RpcError, address: Address) -> LibraryError:
    """An error of the client as one of ours."""
    where = f"{address.name}: the server at {address.host}"
    cause = error if isinstance(error, grpc.RpcError) else error.__context__  # that the client found no words for
    code = cause.code() if isinstance(cause, grpc.RpcError) else getattr(error, "code", None)
    text = str(getattr(error, "message", "") or getattr(error, "details", lambda: error)())
    if code == grpc.StatusCode.UNAUTHENTICATED or REFUSED.search(text):
        return LibraryError(f"{where} lets no one in without the right token: set ${TOKEN}")
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return SilentError(f"{where} does not answer: see that it and all its nodes run")
    if code == grpc.StatusCode.UNAVAILABLE or "Fail connecting" in text:
        trusted = f", with a certificate that is trusted (${TRUSTED} names a file of more)" if address.is_secret else ""
        return LibraryError(
            f"{address.name}: no Milvus server can be reached at {address.host}: see that it runs{trusted}"
        )
    for secret in filter(None, [address.token, *address.token.split(":")]):
        text = text.replace(secret, "...")
    kind = LoadingError if NOT_LOADED.search(text) else LibraryError
    return kind(f"{where} says: {' '.join(text.split())[:LONGEST]}")
