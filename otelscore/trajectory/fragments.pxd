# The types with which Cython compiles fragments.py; the interpreter never reads this file.

cimport cython

cdef object AGENT, _AGENTS

cdef class Fragment:
    cdef public Trace trace
    cdef public object service, first, start, end, survey, first_closed, closed
    cdef public list spans, below
    cdef public set missing, trajectory_ids
    cdef public dict others
    cdef public Fragment caller, into
    cdef public Py_ssize_t height, hoping, lone_model_calls
    cdef public bint has_agent, lent, resumed
    cdef public double opened, arrived, check_at, wake_at, final_at

    @cython.locals(top=Fragment, here=Fragment)
    cpdef Fragment root(self)

    @cython.locals(here=Fragment, caller=Fragment)
    cpdef Fragment holder(self)

    cpdef take(self, span)

    cpdef take_all(self, Fragment other)

    @cython.locals(fragment=Fragment, inner=Fragment, below=Fragment, found=list, stack=list)
    cpdef list members(self)

cdef class Trace:
    cdef public bytes trace_id
    cdef public dict where, waiting, live, maybe_loose

    @cython.locals(parent=Fragment, caller=Fragment, fragment=Fragment, child=Fragment, waiting=Fragment)
    cpdef Fragment add(self, span)

    @cython.locals(holder=Fragment, parent=Fragment)
    cdef tuple _above(self, span)

    cpdef Fragment join(self, Fragment one, Fragment other)

    cpdef remove(self, Fragment fragment)

    cdef _enter(self, Fragment fragment)

    cdef _leave(self, Fragment fragment)

    cdef Fragment _unite(self, siblings)
