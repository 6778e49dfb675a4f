# The types with which Cython compiles kinds.py; the interpreter never reads this file.

from otelscore.model cimport raw as types

cdef class ByValue:
    cdef readonly str key
    cdef readonly object kinds, otherwise
    cdef readonly object scopes

    cpdef find(self, types.RawSpan span)

cdef class ByPresence:
    cdef readonly object keys
    cdef readonly object kind
    cdef readonly object scopes

    cpdef find(self, types.RawSpan span)

cdef class ByName:
    cdef readonly object prefixes
    cdef readonly object keys
    cdef readonly object scopes

    cpdef find(self, types.RawSpan span)

    cdef bint _is_here(self, types.RawSpan span) except -1
