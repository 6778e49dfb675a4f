# The types with which Cython compiles assembler.py; the interpreter never reads this file.

cimport cython

from otelscore.trajectory.agenda cimport Agenda
from otelscore.trajectory.fragments cimport Fragment, Trace

cdef class Assembler:
    cdef object _graces, _unsafe, _speakers
    cdef dict _traces, _opened
    cdef Agenda _agenda
    cdef public object hoping, logged, memories
    cdef public Py_ssize_t open_spans
    cdef public dict looked_at

    @cython.locals(trace=Trace, kept=list, duplicates=Py_ssize_t, late=Py_ssize_t)
    cpdef add(self, spans, double now)

    @cython.locals(fragment=Fragment)
    cdef _touch_all(self, fragments, double now)

    @cython.locals(holder=Fragment)
    cdef _touch(self, Fragment fragment, double now)

    cdef _reopen(self, Fragment fragment)

    @cython.locals(part=Fragment)
    cdef _settle(self, Fragment fragment, double closed, double final_at)

    cdef double _pause(self, Fragment fragment)
