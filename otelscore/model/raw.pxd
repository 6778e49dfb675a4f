# The types with which Cython compiles raw.py, in its order of fields; the interpreter never reads this file.

cdef class RawEvent:
    cdef public str name
    cdef public object time
    cdef public dict attributes

cdef class RawSpan:
    cdef public bytes trace_id, span_id, parent_id
    cdef public str name
    cdef public object kind, flags, start, end
    cdef public int status
    cdef public str message
    cdef public dict attributes
    cdef public list events
    cdef public tuple links
    cdef public object origin
