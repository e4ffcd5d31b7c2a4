# What a consumer gets: the header, the libraries, a CMake package and a pkg-config file.

include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/iocploop)

foreach(target iocploop iocploop_static)
    if(TARGET ${target})
        install(TARGETS ${target} EXPORT iocploop-targets)
    endif()
endforeach()
install(FILES include/iocploop.h TYPE INCLUDE)
if(MSVC AND TARGET iocploop)
    install(FILES $<TARGET_PDB_FILE:iocploop> TYPE BIN OPTIONAL)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/LICENSE)
    install(FILES LICENSE TYPE DOC)
endif()

install(EXPORT iocploop-targets NAMESPACE iocploop:: DESTINATION ${package_dir})
configure_package_config_file(cmake/iocploop-config.cmake.in iocploop-config.cmake
    INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor release may change the interface.
write_basic_package_version_file(iocploop-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/iocploop-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/iocploop-config-version.cmake
    DESTINATION ${package_dir})

# Only the static library hands its needs on to the consumer.
list(TRANSFORM IOCPLOOP_SYSTEM_LIBRARIES PREPEND "-l" OUTPUT_VARIABLE system_libraries)
list(JOIN system_libraries " " system_libraries)
if(TARGET iocploop)
    set(pc_libs_private "Libs.private: ${system_libraries}")
    set(pc_libs "-liocploop")
else()
    set(pc_libs_private "")
    set(pc_libs "-liocploop ${system_libraries}")
endif()
# Relative, so that the folder can be moved.
file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(cmake/iocploop.pc.in iocploop.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/iocploop.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
