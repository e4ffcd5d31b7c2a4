#define _DEFAULT_SOURCE /* for MAP_ANONYMOUS */

#include "pages.h"

#include <sys/mman.h>

void *bench_pages_take(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

void bench_pages_give(void *pages, size_t bytes)
{
    (void)munmap(pages, bytes);
}
