"""What must survive a restart: what came, runs that were scored, memories of final ones, totals. One SQLite file."""

from otelscore.store.codec import decode_batch, encode_batch
from otelscore.store.errors import StoreError, StoreFullError
from otelscore.store.runs import StoredRun
from otelscore.store.store import REQUEST, STANDINGS, Store

__all__ = ["REQUEST", "STANDINGS", "Store", "StoreError", "StoreFullError", "StoredRun", "decode_batch", "encode_batch"]
