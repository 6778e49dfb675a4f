# The types with which Cython compiles tree.py; the interpreter never reads this file.

cimport cython

cdef object AGENT, LOOP, MODEL, TOOL, RETRIEVAL, WRAPPER, ORDINARY, PART, DELEGATION

cdef class Node:
    cdef public object span, reading, kind, caller
    cdef public bytes span_id
    cdef public Node parent, first, next, agent, loop, wrapper, worker, delegate
    cdef public bint lost, below_step, has_step, has_model, calls_model, calls_tool, offers_tools
    cdef public tuple tools, folding

@cython.locals(by_start=list, nodes=dict, order=list, node=Node, parent=Node, top=Node)
cpdef list grow(spans)

@cython.locals(stack=list, node=Node)
cdef _descend(Node top, list order)

@cython.locals(seen=set, found=list, node=Node)
cdef _cut_cycles(list by_start, list order)

@cython.locals(node=Node, parent=Node, repeats=cython.bint)
cdef _settle(list order)

@cython.locals(node=Node, parent=Node)
cdef _look_up(list order)

@cython.locals(node=Node)
cpdef release(order)

cdef tuple _two(tuple left, tuple right)
