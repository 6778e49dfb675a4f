# The types with which Cython compiles steps.py; the interpreter never reads this file.

cimport cython

from otelscore.trajectory.drafts cimport Draft
from otelscore.trajectory.tree cimport Node

cdef object AGENT, MODEL, TOOL, RETRIEVAL, ORDINARY, HANDOFF, FINAL_ANSWER, PART, FOLDS, SUCCEEDED

@cython.locals(
    node=Node, parent=Node, tool=Node, draft=Draft, holder=Draft, call=Draft, calls=dict, beside=dict, outer=tuple,
    folded=cython.bint
)
cpdef find_steps(nodes, set delegations, dict judgements, str agent)

@cython.locals(step=Draft)
cdef Draft _holder(tuple outer, kind)

@cython.locals(parent=Node)
cdef _agent(Node node, str default, above)
