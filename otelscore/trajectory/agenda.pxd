# The types with which Cython compiles agenda.py; the interpreter never reads this file.

cimport cython

from otelscore.trajectory.fragments cimport Fragment

cdef class Agenda:
    cdef list _heap
    cdef object _order

    cpdef put(self, Fragment fragment, double at)

    @cython.locals(fragment=Fragment, found=list)
    cpdef list due(self, double now)
