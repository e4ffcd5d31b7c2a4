/*
 * The control data of datagrams as Windows has it, WSACMSGHDR after WSACMSGHDR, written and read. No
 * header of the system's is needed, so it is tested and fuzzed natively: what the system gives is
 * bytes from elsewhere, and nothing in it is believed. win32/net/wsamsg.c checks the numbers against
 * the system's headers.
 */
#ifndef IOC_CONTROL_H
#define IOC_CONTROL_H

#include "base.h"

/* Levels and types: IPPROTO_ and what goes with it. */
enum {
    IOC_LEVEL_IPV4 = 0,
    IOC_LEVEL_UDP = 17,
    IOC_LEVEL_IPV6 = 41,

    IOC_CONTROL_UDP_SEND_SIZE = 2,       /* UDP_SEND_MSG_SIZE */
    IOC_CONTROL_UDP_COALESCED = 3,       /* UDP_COALESCED_INFO */
    IOC_CONTROL_IPV4_TOS = 3,            /* IP_TOS */
    IOC_CONTROL_IPV4_TTL = 4,            /* IP_TTL: another name of the next but two */
    IOC_CONTROL_IP_DONT_FRAGMENT = 14,   /* IP_DONTFRAGMENT, IPV6_DONTFRAG */
    IOC_CONTROL_IP_PACKET_INFO = 19,     /* IP_PKTINFO, IPV6_PKTINFO */
    IOC_CONTROL_IP_HOP_LIMIT = 21,       /* IP_HOPLIMIT, IPV6_HOPLIMIT */
    IOC_CONTROL_IPV6_TRAFFIC_CLASS = 39, /* IPV6_TCLASS */
    IOC_CONTROL_IP_ECN = 50              /* IP_ECN, IPV6_ECN */
};

/* Bits of ioc_control.parts. */
enum {
    IOC_CONTROL_LOCAL_4 = 1,
    IOC_CONTROL_LOCAL_6 = 2,
    IOC_CONTROL_HOPS = 4,
    IOC_CONTROL_ECN = 8,
    IOC_CONTROL_CLASS = 16,
    IOC_CONTROL_SEGMENTS = 32,
    IOC_CONTROL_WHOLE = 64 /* no fragments */
};

/* Each member is laid out as the system has it. */
typedef struct ioc_control {
    uint32_t parts; /* which of the following there are */
    struct {        /* IN_PKTINFO */
        unsigned char address[4];
        uint32_t interface_index;
    } local_4;
    struct { /* IN6_PKTINFO */
        unsigned char address[16];
        uint32_t interface_index;
    } local_6;
    uint32_t hops;
    uint32_t ecn;
    uint32_t traffic_class; /* with the ECN codepoint in its lowest two bits */
    uint32_t segment_bytes;
    uint32_t dont_fragment;
} ioc_control;

/*
 * Write what there is for datagrams of a level, IOC_LEVEL_IPV4 or _IPV6; parts that are only received
 * are left out. `word_bytes` is the size of a pointer, 4 or 8, which decides the layout. How many
 * bytes that is: with more than `size` nothing is whole.
 */
size_t ioc_control_write(const ioc_control *control, int32_t level, size_t word_bytes, void *data,
                         size_t size);

/*
 * Read what there is in `size` bytes, and nothing behind them. What is not known, or too short to be
 * what it says, is passed over; where a length cannot be, it ends.
 */
void ioc_control_read(ioc_control *control, size_t word_bytes, const void *data, size_t size);

/* The most that is written, and room for all that may be received, with what others have asked for. */
#define IOC_CONTROL_BYTES 256

#endif
