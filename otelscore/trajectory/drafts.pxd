# The types with which Cython compiles drafts.py; the interpreter never reads this file.

from otelscore.trajectory.tree cimport Node

cdef class Draft:
    cdef public Node node
    cdef public object span, start, end, kind, name, agent, judgement, call_id, requested, acknowledges
    cdef public bytes span_id
    cdef public tuple arguments
    cdef public list inner
    cdef public Py_ssize_t position, turn
