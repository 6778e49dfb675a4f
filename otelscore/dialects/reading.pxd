# The types with which Cython compiles reading.py; the interpreter never reads this file.

from otelscore.dialects.table cimport first, text
from otelscore.model cimport raw as types

cpdef read(dialect, types.RawSpan span, kind, context)

cdef _read_call(reading, given, dialect, types.RawSpan span, context)

cdef _read_tool(reading, dialect, types.RawSpan span, context)

cdef _read_model(reading, dialect, types.RawSpan span, context)

cdef _read_agent(reading, dialect, types.RawSpan span, context)

cdef str _tool_name(dialect, types.RawSpan span)

cdef _given_role(dialect, types.RawSpan span)

cdef str _agent_in_name(dialect, types.RawSpan span)

cdef _read_failure(reading, soft, dialect, types.RawSpan span, key)

cdef bint _says_failed(dialect, types.RawSpan span) except -1
