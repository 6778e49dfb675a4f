"""What must survive a restart: accepted requests, scored runs, memories of final ones, totals. One SQLite file."""

from otelscore.store.codec import decode_batch, encode_batch
from otelscore.store.errors import StoreError, StoreFullError
from otelscore.store.runs import StoredRun
from otelscore.store.store import Store

__all__ = ["Store", "StoreError", "StoreFullError", "StoredRun", "decode_batch", "encode_batch"]
