# Install rules: libraries, headers, the CMake package, the pkg-config file, documents. All of it relocatable.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/kakeyaturbo" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
# The documents keep their folders, so that the links between them work.
set(_kakeya_doc_dir "${CMAKE_INSTALL_DATADIR}/doc/kakeyaturbo")
foreach(_kakeya_document IN ITEMS README.md CHANGELOG.md LICENSE docs/C_API.md docs/ABI.md docs/FORMAT.md)
  get_filename_component(_kakeya_folder "${_kakeya_document}" DIRECTORY)
  install(FILES "${PROJECT_SOURCE_DIR}/${_kakeya_document}" DESTINATION "${_kakeya_doc_dir}/${_kakeya_folder}")
endforeach()

if(KAKEYA_BUILD_SHARED)
  if(KAKEYA_IMPORT_FILE)
    install(PROGRAMS "${KAKEYA_LIBRARY_DIR}/${KAKEYA_SHARED_FILE}" DESTINATION "${CMAKE_INSTALL_BINDIR}")
    install(FILES "${KAKEYA_LIBRARY_DIR}/${KAKEYA_IMPORT_FILE}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  else()
    list(TRANSFORM KAKEYA_SHARED_LINKS PREPEND "${KAKEYA_LIBRARY_DIR}/" OUTPUT_VARIABLE _kakeya_links)
    install(FILES "${KAKEYA_LIBRARY_DIR}/${KAKEYA_SHARED_FILE}" ${_kakeya_links}
      DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  endif()
endif()
if(KAKEYA_BUILD_STATIC)
  install(FILES "${KAKEYA_LIBRARY_DIR}/${KAKEYA_CARGO_STATIC}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()

set(_kakeya_config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/kakeyaturbo")
configure_package_config_file(cmake/kakeyaturbo-config.cmake.in kakeyaturbo-config.cmake
  INSTALL_DESTINATION "${_kakeya_config_dir}"
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_BINDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(kakeyaturbo-config-version.cmake COMPATIBILITY ${KAKEYA_COMPATIBILITY})
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/kakeyaturbo-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/kakeyaturbo-config-version.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/kakeyaturbo-targets.cmake"
  DESTINATION "${_kakeya_config_dir}")

# The .pc file says where everything is relative to itself. With a static library alone, every user needs the system
# libraries; beside a shared one, only those who ask for --static.
file(STRINGS "${PROJECT_SOURCE_DIR}/Cargo.toml" _kakeya_description REGEX "^description = \"" LIMIT_COUNT 1)
string(REGEX REPLACE "^description = \"(.*)\"$" "\\1" KAKEYA_DESCRIPTION "${_kakeya_description}")
set(_kakeya_pc_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH KAKEYA_PC_PREFIX "${_kakeya_pc_dir}" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" KAKEYA_PC_PREFIX "${KAKEYA_PC_PREFIX}")
file(RELATIVE_PATH KAKEYA_PC_INCLUDEDIR "${_kakeya_pc_dir}" "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
list(TRANSFORM KAKEYA_SYSTEM_LIBRARIES PREPEND "-l" OUTPUT_VARIABLE KAKEYA_PC_LIBS_PRIVATE)
list(JOIN KAKEYA_PC_LIBS_PRIVATE " " KAKEYA_PC_LIBS_PRIVATE)
set(KAKEYA_PC_LIBS "-L\${libdir} -lkakeyaturbo")
if(NOT KAKEYA_BUILD_SHARED)
  string(APPEND KAKEYA_PC_LIBS " ${KAKEYA_PC_LIBS_PRIVATE}")
  set(KAKEYA_PC_LIBS_PRIVATE "")
endif()
configure_file(cmake/kakeyaturbo.pc.in kakeyaturbo.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/kakeyaturbo.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
