# The types with which Cython compiles records.py; the interpreter never reads this file.

from otelscore.model cimport raw as types

cpdef types.RawSpan raw_span(
    bytes trace_id, bytes span_id, bytes parent_id, str name, kind, flags, start, end, int status, str message,
    dict attributes, list events, links, origin)

cpdef types.RawEvent raw_event(str name, time, dict attributes)

cpdef check_depth(int left)
