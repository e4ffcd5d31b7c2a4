/*
 * Only in the tree that tools/mutants.sh makes, where each file includes it first: which of the
 * defects that are planted is active, and what of the library a program reaches.
 *
 *   IOCPLOOP_MUTANT         the number of the defect (none)
 *   IOCPLOOP_MUTANT_RECORD  a file to which a program adds, at its end, the places it has reached
 */
#ifndef IOC_MUTANTS_H
#define IOC_MUTANTS_H

#define IOC_MUTANTS_PLACES (128 * 1000)

/* A program and a DLL have a copy each. */
extern unsigned ioc_mutants_active;
extern unsigned char ioc_mutants_reached[IOC_MUTANTS_PLACES];

/* Before the first use, which constructors may be; further calls do nothing. */
void ioc_mutants_load(void);

static inline int ioc_mutant_is(unsigned number)
{
    return ioc_mutants_active == number;
}

/* The active defect if it is one of these, else 0. */
static inline unsigned ioc_mutant_among(unsigned first, unsigned last)
{
    return ioc_mutants_active >= first && ioc_mutants_active <= last ? ioc_mutants_active : 0;
}

static inline void ioc_mutants_reach(unsigned place)
{
    ioc_mutants_reached[place] = 1;
}

#endif
