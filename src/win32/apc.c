#include "apc.h"

/* Functions of any kind may be cast to it, and it to them, without a compiler's warning. */
typedef void (*apc_function)(void);

PAPCFUNC ioc_apc_of_wake(void)
{
    return (PAPCFUNC)(apc_function)LocalFree;
}

PTIMERAPCROUTINE ioc_apc_of_timer(void)
{
    return (PTIMERAPCROUTINE)(apc_function)MulDiv;
}
