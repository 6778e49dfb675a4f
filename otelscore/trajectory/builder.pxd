# The types with which Cython compiles builder.py; the interpreter never reads this file.

cimport cython

from otelscore.trajectory.drafts cimport Draft
from otelscore.trajectory.tree cimport Node

cdef object AGENT, ERROR, MODEL, SKIPPED, WRAPPER, SUCCEEDED

@cython.locals(node=Node)
cdef dict _judge(order, logged)

cdef bint _is_suspect(Node node)

@cython.locals(node=Node)
cdef _said(nodes)

@cython.locals(draft=Draft, steps=list, indices=dict)
cdef tuple _finish(work, outcome, dict answers, recovered, faults, again, bint observed)

cdef bint _died(Node node, dict judgements)

cdef bint _is_orphan(Node node)
