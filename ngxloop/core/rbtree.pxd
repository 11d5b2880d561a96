"""An intrusive red-black tree ordered by key, equal keys in order of insertion, smallest at hand.

It does not know what keys mean or what owns a node. Nodes live inside their owners, so inserting
allocates nothing. Model: ngx_rbtree.h of nginx, which has the same role, a tree for timers; the
algorithms are those of Cormen et al., Introduction to Algorithms, chapter 13.
"""

from libc.stdint cimport int64_t

cdef struct RbNode:
    RbNode* parent
    RbNode* left
    RbNode* right
    int64_t key
    unsigned char red
    unsigned char linked     # is in a tree

cdef struct RbTree:
    RbNode* root
    RbNode* first            # smallest node, NULL when empty
    RbNode* last             # largest node: most timers are the latest of all when they are made
    RbNode nil               # the leaf of all leaves: black, and the parent of the root
    size_t count

cdef void tree_init(RbTree* tree) noexcept nogil
cdef void tree_insert(RbTree* tree, RbNode* node) noexcept nogil     # O(log n)
cdef void tree_remove(RbTree* tree, RbNode* node) noexcept nogil     # O(log n), O(1) on average
cdef RbNode* tree_next(RbTree* tree, RbNode* node) noexcept nogil    # NULL after the last
