# IOCPLOOP_SANITIZE=address,undefined or thread, for native builds with clang or gcc.

add_library(iocploop_sanitizers INTERFACE)

if(IOCPLOOP_SANITIZE)
    set(sanitizer_options
        -fsanitize=${IOCPLOOP_SANITIZE}
        -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    # -O1: without it a million operations under a sanitizer take minutes.
    target_compile_options(iocploop_sanitizers INTERFACE ${sanitizer_options} -O1)
    target_link_options(iocploop_sanitizers INTERFACE ${sanitizer_options})
endif()
