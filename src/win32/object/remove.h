/*
 * Removing what is open, on a thread of the pool. Win32 codes; 0: it is gone.
 *
 * A tree is emptied by handles alone: each name in a folder is opened relative to the handle of that
 * folder, as what it is (a link is not followed), so nobody can make it lead out of the tree
 * meanwhile. It goes down with a handle for each level, and no recursion: how deep a tree is, others
 * decide.
 */
#ifndef IOC_REMOVE_H
#define IOC_REMOVE_H

#include "../port.h"

#define IOC_REMOVE_ACCESS      ((DWORD)(DELETE | SYNCHRONIZE | FILE_READ_ATTRIBUTES))
#define IOC_REMOVE_TREE_ACCESS (IOC_REMOVE_ACCESS | FILE_LIST_DIRECTORY)

/* Both close the handle. A tree looks at `is_cancelled` before each name. */
uint32_t ioc_remove_one(const ioc_sys *sys, HANDLE file);
uint32_t ioc_remove_tree(ioc_win_port *port, HANDLE folder, const ioc_atomic_u32 *is_cancelled);

/* Whether what has these attributes is a folder that may have something in it. */
bool ioc_remove_is_tree(DWORD attributes);

#endif
