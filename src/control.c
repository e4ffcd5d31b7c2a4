#include "control.h"

#include <string.h>

/* A kind of control data: where it stands, and in which direction it goes. */
typedef struct control_row {
    int32_t level;
    int32_t type;
    uint32_t part; /* IOC_CONTROL_ bit */
    uint16_t at;   /* its member */
    uint16_t bytes;
    bool is_sent;
    bool is_received;
} control_row;

#define CONTROL_ROW(level, type, part, member, is_sent, is_received)                  \
    {                                                                                 \
        (level), (type), (part), (uint16_t)offsetof(ioc_control, member),             \
            (uint16_t)sizeof(((ioc_control *)NULL)->member), (is_sent), (is_received) \
    }
#define CONTROL_BOTH(level, type, part, member) CONTROL_ROW(level, type, part, member, true, true)
#define CONTROL_SENT(level, type, part, member) CONTROL_ROW(level, type, part, member, true, false)
#define CONTROL_RECEIVED(level, type, part, member) \
    CONTROL_ROW(level, type, part, member, false, true)

static const control_row control_rows[] = {
    CONTROL_BOTH(IOC_LEVEL_IPV4, IOC_CONTROL_IP_PACKET_INFO, IOC_CONTROL_LOCAL_4, local_4),
    CONTROL_BOTH(IOC_LEVEL_IPV6, IOC_CONTROL_IP_PACKET_INFO, IOC_CONTROL_LOCAL_6, local_6),
    CONTROL_BOTH(IOC_LEVEL_IPV4, IOC_CONTROL_IP_HOP_LIMIT, IOC_CONTROL_HOPS, hops),
    CONTROL_BOTH(IOC_LEVEL_IPV6, IOC_CONTROL_IP_HOP_LIMIT, IOC_CONTROL_HOPS, hops),
    CONTROL_RECEIVED(IOC_LEVEL_IPV4, IOC_CONTROL_IPV4_TTL, IOC_CONTROL_HOPS, hops),
    CONTROL_BOTH(IOC_LEVEL_IPV4, IOC_CONTROL_IP_ECN, IOC_CONTROL_ECN, ecn),
    CONTROL_BOTH(IOC_LEVEL_IPV6, IOC_CONTROL_IP_ECN, IOC_CONTROL_ECN, ecn),
    CONTROL_RECEIVED(IOC_LEVEL_IPV4, IOC_CONTROL_IPV4_TOS, IOC_CONTROL_CLASS, traffic_class),
    CONTROL_RECEIVED(IOC_LEVEL_IPV6, IOC_CONTROL_IPV6_TRAFFIC_CLASS, IOC_CONTROL_CLASS,
                     traffic_class),
    CONTROL_SENT(IOC_LEVEL_IPV4, IOC_CONTROL_IP_DONT_FRAGMENT, IOC_CONTROL_WHOLE, dont_fragment),
    CONTROL_SENT(IOC_LEVEL_IPV6, IOC_CONTROL_IP_DONT_FRAGMENT, IOC_CONTROL_WHOLE, dont_fragment),
    CONTROL_SENT(IOC_LEVEL_UDP, IOC_CONTROL_UDP_SEND_SIZE, IOC_CONTROL_SEGMENTS, segment_bytes),
    CONTROL_RECEIVED(IOC_LEVEL_UDP, IOC_CONTROL_UDP_COALESCED, IOC_CONTROL_SEGMENTS, segment_bytes),
};

/* WSACMSGHDR: a length as wide as a pointer, then these. */
typedef struct control_kind {
    int32_t level;
    int32_t type;
} control_kind;

static size_t control__align(size_t bytes, size_t word_bytes)
{
    return (bytes + word_bytes - 1) / word_bytes * word_bytes;
}

static size_t control__head_bytes(size_t word_bytes)
{
    return word_bytes + sizeof(control_kind);
}

/* ---- Writing ---- */

/* The length is that of the head and the data, without what fills up the last word. */
static void control__put(const ioc_control *control, const control_row *row, size_t word_bytes,
                         unsigned char *data)
{
    size_t head_bytes = control__head_bytes(word_bytes);
    uint64_t length = head_bytes + row->bytes;
    control_kind kind = {row->level, row->type};
    memcpy(data, &length, word_bytes); /* in the order of all machines that run Windows */
    memcpy(data + word_bytes, &kind, sizeof kind);
    memcpy(data + head_bytes, (const unsigned char *)control + row->at, row->bytes);
}

size_t ioc_control_write(const ioc_control *control, int32_t level, size_t word_bytes, void *data,
                         size_t size)
{
    size_t written = 0;
    for (size_t i = 0; i < IOC_COUNT_OF(control_rows); i++) {
        const control_row *row = &control_rows[i];
        size_t bytes = control__align(control__head_bytes(word_bytes) + row->bytes, word_bytes);
        bool is_due = row->is_sent && (control->parts & row->part) != 0 &&
                      (row->level == level || row->level == IOC_LEVEL_UDP);
        if (is_due && written + bytes <= size) {
            control__put(control, row, word_bytes, (unsigned char *)data + written);
        }
        written += is_due ? bytes : 0;
    }
    return written;
}

/* ---- Reading ---- */

static void control__take(ioc_control *control, control_kind kind, const unsigned char *data,
                          size_t size)
{
    for (size_t i = 0; i < IOC_COUNT_OF(control_rows); i++) {
        const control_row *row = &control_rows[i];
        if (row->is_received && row->level == kind.level && row->type == kind.type &&
            row->bytes <= size) {
            memcpy((unsigned char *)control + row->at, data, row->bytes);
            control->parts |= row->part;
        }
    }
}

void ioc_control_read(ioc_control *control, size_t word_bytes, const void *data, size_t size)
{
    size_t head_bytes = control__head_bytes(word_bytes);
    const unsigned char *at = data;
    memset(control, 0, sizeof *control);
    while (size >= head_bytes) {
        uint64_t length = 0;
        control_kind kind;
        memcpy(&length, at, word_bytes);
        memcpy(&kind, at + word_bytes, sizeof kind);
        if (length < head_bytes || length > size) {
            return;
        }
        control__take(control, kind, at + head_bytes, (size_t)length - head_bytes);
        size_t step = control__align((size_t)length, word_bytes);
        if (step > size) {
            return;
        }
        at += step;
        size -= step;
    }
}
