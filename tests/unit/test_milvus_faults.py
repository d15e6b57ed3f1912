"""What is said when a Milvus server or its client complains: one line, of the right kind, without a secret."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from pymilvus.exceptions import MilvusException

from qbe.engines.milvus.address import parse_address
from qbe.engines.milvus.faults import LoadingError, SilentError, ours
from qbe.engines.milvus.server import Server
from qbe.support.errors import LibraryError

ADDRESS = parse_address("milvus://root:geheim@host:7/samples")


class CallError(grpc.RpcError):
    """As gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, details: str = "") -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


def said(error: Exception, cause: Exception | None = None) -> LibraryError:
    """What becomes of an error of the client, that was raised while it handled another."""
    with pytest.raises(LibraryError) as raised, ours(ADDRESS):
        if cause is None:
            raise error
        try:
            raise cause
        except grpc.RpcError:
            raise error  # noqa: B904 - as the client does
    assert raised.value.__suppress_context__
    text = str(raised.value)
    assert text.startswith("milvus://host:7/samples: ")
    assert "\n" not in text
    assert "geheim" not in text
    return raised.value


def test_who_is_not_let_in_is_told_where_the_token_goes() -> None:
    refused = CallError(grpc.StatusCode.UNAUTHENTICATED, "auth check failure")
    hidden = MilvusException(2, "Fail connecting to server on host:7")
    for error in (said(refused), said(hidden, refused), said(MilvusException(1, "permission deny for root:geheim"))):
        assert "set $QBE_MILVUS_TOKEN" in str(error)


def test_a_server_that_is_not_there_is_not_taken_for_one_that_lets_no_one_in() -> None:
    for error in (CallError(grpc.StatusCode.UNAVAILABLE), MilvusException(2, "Fail connecting to server on host:7")):
        assert "no Milvus server can be reached at host:7" in str(said(error))


def test_what_is_loading_or_silent_may_be_waited_for() -> None:
    assert isinstance(said(MilvusException(65535, "collection not loaded[geheim]")), LoadingError)
    assert isinstance(said(CallError(grpc.StatusCode.DEADLINE_EXCEEDED)), SilentError)
    assert not isinstance(said(MilvusException(1, "disk full")), LoadingError)


def test_what_a_server_says_is_one_line_of_it_without_the_token() -> None:
    text = str(said(MilvusException(1, "cannot do\n  this for root:geheim, or root" + " and more" * 99)))
    assert "cannot do this for ..., or ... and more" in text
    assert len(text) < 400


class Indexing:
    """A client whose server says how far its index is."""

    def __init__(self, *told: dict[str, Any]) -> None:
        self.told, self.asked = list(told), 0

    def describe_index(self, *_: str, **__: int) -> dict[str, Any]:
        self.asked += 1
        return self.told.pop(0)


def test_an_index_is_waited_for_but_not_that_it_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qbe.engines.milvus.server.POLLED", 0)
    server = Server.__new__(Server)
    server.address = ADDRESS
    half = {"total_rows": 9, "indexed_rows": 4, "pending_index_rows": 5, "state": "InProgress"}
    server._client = client = Indexing(half, half | {"state": "Finished"}, half | {"indexed_rows": 9}, half)
    server.wait_for_index("samples", "vector")
    assert client.asked == 3
    server._client = Indexing(half | {"state": "Failed"})
    with pytest.raises(LibraryError, match="cannot index"):
        server.wait_for_index("samples", "vector")
