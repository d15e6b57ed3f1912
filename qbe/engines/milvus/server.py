"""A Milvus server, spoken to through its client: deadlines, batches, and errors of one line that name the server.

Versions 2.3 and later. Nothing here waits longer than the server is allowed to take, and nothing that writes is tried
twice by itself: an insert whose answer was lost may have been done.
"""

from __future__ import annotations

import json
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from qbe.engines.milvus.address import Address
from qbe.engines.milvus.faults import LoadingError, SilentError, ours
from qbe.streams.records import Numbers, Vector
from qbe.support.errors import LibraryError, LibraryWarning

CONNECTING, ANSWERING, WORKING = 5, 9, 600  # seconds: to be reached, to answer, and to build and move what it holds
LOADING = 60  # seconds to wait for what it has not yet in memory
POLLED, TOLD = 0.2, 5  # seconds between looking how far it is, and saying so
OLDEST = 2, 3
INDEXED = "total_rows", "indexed_rows", "pending_index_rows"  # it tells of an index
NOT_FOUND, BUSY = 100, 8  # its codes for a collection that is not there, and for more than it takes at a time
WRITING = ("Insert", "Delete", "Flush", "CreateIndex", "LoadCollection", "CreateCollection", "DropCollection")
SERVICE = "milvus.proto.milvus.MilvusService"

Row = dict[str, Any]


def _deadlines() -> str:
    """gRPC's configuration of how long each call may take."""
    long = [{"service": SERVICE, "method": method} for method in WRITING]
    calls = [{"name": long, "timeout": f"{WORKING}s"}, {"name": [{}], "timeout": f"{ANSWERING}s"}]
    return json.dumps({"methodConfig": calls})


class Server:
    """A connection. LibraryError from every method where the server cannot be reached or does not do what it should."""

    def __init__(self, address: Address) -> None:
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL + 1)  # it would print tracebacks of what we handle
        self.address = address
        with ours(self.address):
            self._client = MilvusClient(
                address.uri,
                token=address.token,
                timeout=CONNECTING,
                secure=address.is_secret,
                grpc_options={"grpc.service_config": _deadlines()},
            )
            self.version = str(self._client.get_server_version(retry_times=0)).removeprefix("v")
        if (found := re.match(r"(\d+)\.(\d+)", self.version)) and tuple(map(int, found.groups())) < OLDEST:
            raise LibraryError(f"{address.name}: the server is Milvus {self.version}: 2.3 or later is needed")

    def collections(self) -> list[str]:
        with ours(self.address):
            return list(self._client.list_collections(retry_times=0))

    def properties(self, name: str) -> tuple[str, dict[str, str], int | None] | None:
        """The collection of that name or alias, its properties, and when it was made, as the server counts time. None
        where there is none."""
        with ours(self.address):
            try:
                told = self._client.describe_collection(name, retry_times=0)
            except MilvusException as error:
                if error.code == NOT_FOUND:
                    return None
                raise
        return told["collection_name"], dict(told.get("properties", {})), told.get("created_timestamp") or None

    def set_properties(self, name: str, properties: dict[str, str]) -> None:
        with ours(self.address):
            self._client.alter_collection_properties(name, properties, retry_times=0)

    def create(
        self,
        name: str,
        fields: Sequence[tuple[str, DataType, dict[str, Any]]],
        properties: dict[str, str] | None = None,
        index: dict[str, Any] | None = None,
    ) -> None:
        """A collection. fields : name, type and parameters of each, the first one its key, the second one its vector

        index : of the vectors: index_type, metric_type and params; without one nothing is searched for, nor loaded
        """
        with ours(self.address):
            schema = self._client.create_schema(auto_id=False)
            for number, (field, kind, parameters) in enumerate(fields):
                schema.add_field(field, kind, is_primary=number == 0, **parameters)
            self._client.create_collection(name, schema=schema, properties=properties or {}, retry_times=0)
            if index:
                indexes = self._client.prepare_index_params()
                indexes.add_index(fields[1][0], index_name=fields[1][0], **index)
                self._client.create_index(name, indexes, sync=False, retry_times=0)

    def drop(self, name: str) -> None:
        with ours(self.address):
            self._client.drop_collection(name, retry_times=0)

    def point(self, alias: str, name: str) -> None:
        """Make an alias another name of a collection, at once."""
        with ours(self.address):
            if self._client.has_collection(alias, retry_times=0):
                self._client.alter_alias(name, alias, retry_times=0)
            else:
                self._client.create_alias(name, alias, retry_times=0)

    def insert(self, name: str, rows: list[Row]) -> None:
        began = time.monotonic()
        with ours(self.address):
            while True:
                try:
                    done = self._client.insert(name, rows, retry_times=0)
                    break
                except MilvusException as error:  # where it has refused them, they may come again
                    if error.code != BUSY or time.monotonic() - began > LOADING:
                        raise
                    time.sleep(POLLED)
        if done["insert_count"] != len(rows):
            raise LibraryError(f"{self.address.name}: the server took {done['insert_count']} of {len(rows)} rows")

    def delete(self, name: str, filter: str) -> None:
        with ours(self.address):
            self._client.delete(name, filter=filter, retry_times=0)

    def flush(self, name: str) -> None:
        """Have all on disk."""
        with ours(self.address):
            self._client.flush(name, timeout=WORKING, retry_times=0)

    def wait_for_index(self, name: str, field: str) -> None:
        """Until all that is flushed can be searched for by its index. That the server may go on to put parts of it
        together, and index these anew, is not waited for."""
        deadline = time.monotonic() + 60 * WORKING
        with ours(self.address):
            while time.monotonic() < deadline:
                told = self._client.describe_index(name, field, retry_times=0) or {}
                total, done, left = (int(told.get(of, 0)) for of in INDEXED)
                if done >= total or (told.get("state") == "Finished" and not left):
                    return
                if told.get("state") == "Failed":
                    break
                time.sleep(POLLED)
        raise LibraryError(f"{self.address.name}: the server at {self.address.host} cannot index what it holds")

    def waits(self, seconds: float = LOADING) -> Iterator[None]:
        """Again and again, until it has taken too long: LibraryError then. Says in between that it is waited for."""
        began = told = time.monotonic()
        while (now := time.monotonic()) - began < seconds:
            yield
            if now - told > TOLD:
                text = f"the server is loading it: waiting, {now - began:.0f} of {seconds:.0f} s"
                warnings.warn(f"{self.address.name}: {text}", LibraryWarning, stacklevel=2)
                told = now
            time.sleep(POLLED)
        raise LibraryError(
            f"{self.address.name}: the server has not loaded all of it within {seconds:.0f} s: try again"
        )

    def wait_until(self, holds: Callable[[], bool], seconds: float = LOADING) -> None:
        """Wait until something holds that cannot be told as long as the server is loading. LibraryError as `waits`."""
        for _ in self.waits(seconds):
            with suppress(LoadingError):
                if holds():
                    return

    def has_loaded(self, names: Iterable[str]) -> bool:
        """Whether it says that it has collections in memory; those that it has not, it begins to load."""
        return len([name for name in names if not self._is_loaded(name)]) == 0

    def _is_loaded(self, name: str) -> bool:
        try:
            with ours(self.address):
                state = self._client.get_load_state(name, retry_times=0)["state"].name
                if state == "NotLoad":
                    self._client.load_collection(name, _async=True, retry_times=0)
                return bool(state == "Loaded")
        except SilentError as error:  # this it would answer while it is loading, too
            raise LibraryError(str(error)) from None

    def count(self, name: str, filter: str = "", *, since: int | None = None) -> int:
        """Of rows. since : as for `query`"""
        [row] = self.query(name, filter, ["count(*)"], since=since)
        return int(row["count(*)"])

    def query(self, name: str, filter: str, fields: Sequence[str], *, since: int | None = None) -> list[Row]:
        """Fields of all rows that a filter lets through, in any order.

        since : a moment, as of `properties`: what was written before it is surely seen. None: what was written up to
            now, for which the server waits some tenths of a second
        """
        with ours(self.address):
            rows: list[Row] = list(
                self._client.query(name, filter, list(fields), strict_float32=True, retry_times=0, **_seen(since))
            )
        return rows

    def search(
        self,
        name: str,
        field: str,
        vectors: Vector,
        limit: int,
        filter: str,
        effort: int,
        fields: Sequence[str],
        *,
        since: int | None = None,
    ) -> list[tuple[Numbers, Vector, list[Row]]]:
        """For each vector, the keys of the rows nearest to it, best first, their scores, and some fields of them.

        since : as for `query`
        """
        with ours(self.address):
            found = self._client.search(
                name,
                list(vectors),
                filter,
                limit,
                list(fields),
                search_params={"metric_type": "IP", "params": {"ef": effort}},
                anns_field=field,
                retry_times=0,
                **_seen(since),
            )
        return [
            (np.array(hits.ids, np.int64), np.array(hits.distances, np.float32), [hit["entity"] for hit in hits])
            for hits in found
        ]


def _seen(since: int | None) -> dict[str, Any]:
    """What of that which was written is to be seen: as for `Server.query`, in the client's words."""
    if since is None:
        return {"consistency_level": "Strong"}
    return {"consistency_level": "Customized", "guarantee_timestamp": since}
