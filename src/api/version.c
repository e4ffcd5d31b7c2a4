#include "api.h"

#define VERSION_TEXT_(x) #x
#define VERSION_TEXT(x)  VERSION_TEXT_(x)

uint32_t IOCP_CALL iocp_version(void)
{
    return IOCP_VERSION;
}

const char *IOCP_CALL iocp_version_string(void)
{
    return VERSION_TEXT(IOCP_VERSION_MAJOR) "." VERSION_TEXT(IOCP_VERSION_MINOR) "." VERSION_TEXT(
        IOCP_VERSION_PATCH);
}

uint32_t IOCP_CALL iocp_capabilities(void)
{
    return ioc_backend_default()->capabilities();
}
