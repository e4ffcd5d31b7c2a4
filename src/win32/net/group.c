#include "group.h"

#include "family.h"

#include <string.h>

/* What setsockopt gets. */
typedef struct group_request {
    int level;
    int join;
    int leave;
    int size;
    union {
        struct ip_mreq ipv4;
        struct ip_mreq_source ipv4_source;
        struct ipv6_mreq ipv6;
        GROUP_SOURCE_REQ source;
    };
} group_request;

static IN_ADDR group__ipv4(const struct sockaddr *address)
{
    return ((const SOCKADDR_IN *)(const void *)address)->sin_addr;
}

/* An IPv4 interface of the form 0.x.x.x stands for its number: see IP_ADD_MEMBERSHIP. */
static void group__of_ipv4(group_request *request, const ioc_group *group)
{
    request->level = IPPROTO_IP;
    request->join = IP_ADD_MEMBERSHIP;
    request->leave = IP_DROP_MEMBERSHIP;
    request->size = (int)sizeof request->ipv4;
    request->ipv4.imr_multiaddr = group__ipv4(group->address);
    request->ipv4.imr_interface.s_addr = htonl(group->interface_index);
}

static void group__of_ipv4_source(group_request *request, const ioc_group *group)
{
    request->level = IPPROTO_IP;
    request->join = IP_ADD_SOURCE_MEMBERSHIP;
    request->leave = IP_DROP_SOURCE_MEMBERSHIP;
    request->size = (int)sizeof request->ipv4_source;
    request->ipv4_source.imr_multiaddr = group__ipv4(group->address);
    request->ipv4_source.imr_sourceaddr = group__ipv4(group->source);
    request->ipv4_source.imr_interface.s_addr = htonl(group->interface_index);
}

static void group__of_ipv6(group_request *request, const ioc_group *group)
{
    request->level = IPPROTO_IPV6;
    request->join = IPV6_ADD_MEMBERSHIP;
    request->leave = IPV6_DROP_MEMBERSHIP;
    request->size = (int)sizeof request->ipv6;
    request->ipv6.ipv6mr_multiaddr =
        ((const SOCKADDR_IN6 *)(const void *)group->address)->sin6_addr;
    request->ipv6.ipv6mr_interface = group->interface_index;
}

static void group__of_ipv6_source(group_request *request, const ioc_group *group)
{
    request->level = IPPROTO_IPV6;
    request->join = MCAST_JOIN_SOURCE_GROUP;
    request->leave = MCAST_LEAVE_SOURCE_GROUP;
    request->size = (int)sizeof request->source;
    request->source.gsr_interface = group->interface_index;
    memcpy(&request->source.gsr_group, group->address, sizeof(SOCKADDR_IN6));
    memcpy(&request->source.gsr_source, group->source, sizeof(SOCKADDR_IN6));
}

/* By family, and by whether one sender is named. */
static void (*const group_requests[IOC_FAMILIES][2])(group_request *request,
                                                     const ioc_group *group) = {
    [IOC_IPV4] = {group__of_ipv4, group__of_ipv4_source},
    [IOC_IPV6] = {group__of_ipv6, group__of_ipv6_source},
};

static bool group__is_of(const struct sockaddr *address, size_t length, const ioc_family *family)
{
    return length >= (size_t)family->address_size && address->sa_family == family->number;
}

int ioc_group_join(ioc_port *base, ioc_handle *core_handle, const ioc_group *group, bool leaves)
{
    ioc_win_port *port = ioc_win_port_of(base);
    const ioc_win_handle *handle = ioc_win_handle_of(core_handle);
    const ioc_family *family = handle->family;
    bool has_source = group->source != NULL;
    group_request request;
    if (!group__is_of(group->address, group->length, family) ||
        (has_source && !group__is_of(group->source, group->source_length, family))) {
        return IOCP_EINVAL;
    }
    memset(&request, 0, sizeof request);
    group_requests[ioc_family_place(family)][has_source](&request, group);
    int status =
        port->sys->setsockopt(handle->socket, request.level, leaves ? request.leave : request.join,
                              (const char *)&request.ipv4, request.size);
    return status == 0 ? IOCP_OK : ioc_port_fail_winsock(port);
}
