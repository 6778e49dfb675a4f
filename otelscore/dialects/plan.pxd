# The types with which Cython compiles plan.py; the interpreter never reads this file.

cimport cython

from otelscore.dialects.reading cimport read
from otelscore.model cimport raw as types

cdef class Plan:
    cdef tuple rules
    cdef bint telling, faulted
    cdef dict narrowed

cdef class Plans:
    cdef readonly dict remembered, applicable
    cdef object _context, _telling
    cdef bint _grouped
    cdef tuple _dialects
    cdef frozenset _marks

    @cython.locals(plan=Plan)
    cpdef read(self, types.RawSpan span)

    cpdef tuple rules(self, types.RawSpan span)

    @cython.locals(plan=Plan)
    cdef Plan _plan(self, types.RawSpan span)

    cdef Plan _made(self, types.RawSpan span)

    cdef _read(self, types.RawSpan span, Plan plan)
