# Included by the project in the tree that tools/mutants.sh makes: each file of C sees mutants.h, and
# the library has mutants.c. Defects are not what the warnings are for.

set(mutants_dir ${CMAKE_CURRENT_LIST_DIR})

function(mutants_join_library)
    target_sources(iocploop_objects PRIVATE ${mutants_dir}/mutants.c)
endfunction()

add_compile_options("$<$<COMPILE_LANGUAGE:C>:SHELL:-include ${mutants_dir}/mutants.h>" -w -O1)
cmake_language(DEFER CALL mutants_join_library)
