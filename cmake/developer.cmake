# Targets for the people who work on iocploop: format, format-check, tidy.

file(GLOB_RECURSE c_files CONFIGURE_DEPENDS
    include/*.h src/*.[ch] test/*.[ch] bench/*.[ch] examples/*.[ch] tools/*.[ch])

# The outcome depends on the release, and 14 is the one that this project is formatted with.
find_program(CLANG_FORMAT NAMES clang-format-14 clang-format)
if(CLANG_FORMAT)
    add_custom_target(format-check
        COMMAND ${CLANG_FORMAT} --dry-run --Werror --ferror-limit=1 ${c_files}
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
    add_custom_target(format
        COMMAND ${CLANG_FORMAT} -i ${c_files}
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
endif()

# Looks at what this build compiles: the core natively, the backend in a MinGW build.
find_program(RUN_CLANG_TIDY NAMES run-clang-tidy-14 run-clang-tidy)
if(RUN_CLANG_TIDY)
    add_custom_target(tidy
        COMMAND ${RUN_CLANG_TIDY} -quiet -p ${CMAKE_BINARY_DIR} -j 2
            -extra-arg=-Wno-unknown-warning-option
            "${PROJECT_SOURCE_DIR}/(src|bench|examples|test)/.*"
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
endif()
