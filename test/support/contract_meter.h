/* How much memory a loop has taken from its allocator. */
#ifndef TEST_CONTRACT_METER_H
#define TEST_CONTRACT_METER_H

#include "contract_env.h"

/* Zeroed at first. */
typedef struct contract_meter {
    size_t held; /* bytes, as they were asked for */
} contract_meter;

/* A loop of the test's own, with this regime's options, whose memory is metered. */
iocp_loop_t *contract_meter_loop(contract_meter *meter);

#endif
