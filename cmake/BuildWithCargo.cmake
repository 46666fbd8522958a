# The target kakeyaturbo-cargo: runs cargo, which alone knows what is out of date, and puts the libraries under their
# installed names into KAKEYA_LIBRARY_DIR.
#
# CMake drives cargo; nothing that cargo runs calls this build. Files are copied only when they changed, so that what
# links to them is not linked again for nothing.

find_program(KAKEYA_CARGO NAMES "$ENV{CARGO}" cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" REQUIRED
  DOC "cargo; the environment variable CARGO goes first")

# cargo puts its files elsewhere when a target is named, in its own configuration too: so name one always.
set(_kakeya_triple "${KAKEYA_RUST_TARGET}")
if(NOT _kakeya_triple)
  if(CMAKE_CROSSCOMPILING)
    message(FATAL_ERROR "Set KAKEYA_RUST_TARGET to the Rust triple of ${CMAKE_SYSTEM_NAME} ${CMAKE_SYSTEM_PROCESSOR}")
  endif()
  execute_process(COMMAND "${KAKEYA_CARGO}" --version --verbose WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    OUTPUT_VARIABLE _kakeya_cargo_version COMMAND_ERROR_IS_FATAL ANY)
  if(NOT _kakeya_cargo_version MATCHES "host: ([^\r\n]+)")
    message(FATAL_ERROR "${KAKEYA_CARGO} --version --verbose does not name its host")
  endif()
  set(_kakeya_triple "${CMAKE_MATCH_1}")
endif()

set(KAKEYA_LIBRARY_DIR "${PROJECT_BINARY_DIR}/lib")
set(_kakeya_cargo_target_dir "${PROJECT_BINARY_DIR}/cargo")
set(_kakeya_cargo_out "${_kakeya_cargo_target_dir}/${_kakeya_triple}/release")
separate_arguments(_kakeya_cargo_flags NATIVE_COMMAND "${KAKEYA_CARGO_FLAGS}")

# Messages of caught defects name source files: by their place in the project or the registry, not on this machine.
# Flags from the environment go first; then this is the user's to see to.
if(DEFINED ENV{CARGO_HOME})
  set(_kakeya_cargo_home "$ENV{CARGO_HOME}")
else()
  set(_kakeya_cargo_home "$ENV{HOME}/.cargo")
endif()
set(_kakeya_remap "'--remap-path-prefix=${PROJECT_SOURCE_DIR}=kakeyaturbo', '--remap-path-prefix=${_kakeya_cargo_home}=cargo'")

set(_kakeya_copies "")
set(_kakeya_products "")
if(KAKEYA_BUILD_SHARED)
  list(APPEND _kakeya_copies "${KAKEYA_CARGO_SHARED}:${KAKEYA_SHARED_FILE}")
  if(KAKEYA_IMPORT_FILE)
    list(APPEND _kakeya_copies "${KAKEYA_IMPORT_FILE}:${KAKEYA_IMPORT_FILE}")
  endif()
  # The links may be made before the file is there.
  file(MAKE_DIRECTORY "${KAKEYA_LIBRARY_DIR}")
  set(_kakeya_link_to "${KAKEYA_SHARED_FILE}")
  foreach(_kakeya_link IN LISTS KAKEYA_SHARED_LINKS)
    file(CREATE_LINK "${_kakeya_link_to}" "${KAKEYA_LIBRARY_DIR}/${_kakeya_link}" SYMBOLIC)
    set(_kakeya_link_to "${_kakeya_link}")
  endforeach()
endif()
if(KAKEYA_BUILD_STATIC)
  list(APPEND _kakeya_copies "${KAKEYA_CARGO_STATIC}:${KAKEYA_CARGO_STATIC}")
endif()

set(_kakeya_copy_commands "")
foreach(_kakeya_copy IN LISTS _kakeya_copies)
  string(REPLACE ":" ";" _kakeya_copy "${_kakeya_copy}")
  list(GET _kakeya_copy 0 _kakeya_from)
  list(GET _kakeya_copy 1 _kakeya_to)
  list(APPEND _kakeya_products "${KAKEYA_LIBRARY_DIR}/${_kakeya_to}")
  list(APPEND _kakeya_copy_commands COMMAND "${CMAKE_COMMAND}" -E copy_if_different
    "${_kakeya_cargo_out}/${_kakeya_from}" "${KAKEYA_LIBRARY_DIR}/${_kakeya_to}")
endforeach()

add_custom_target(kakeyaturbo-cargo ALL
  COMMAND "${KAKEYA_CARGO}" build --release --locked --lib -p kakeyaturbo
    --config "build.rustflags=[${_kakeya_remap}]"
    --target "${_kakeya_triple}" --target-dir "${_kakeya_cargo_target_dir}" ${_kakeya_cargo_flags}
  ${_kakeya_copy_commands}
  BYPRODUCTS ${_kakeya_products}
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMENT "Building kakeyaturbo with cargo"
  USES_TERMINAL VERBATIM)
