# What the programs of this repository have in common: cpp-examples, tools/llama and bench. Each of these folders is a
# project of its own that sees kakeyaturbo as an installed package. Include this after project().

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT MSVC)
  add_compile_options(-Wall -Wextra)
endif()

# If the library is built by the same project, its targets exist already.
if(NOT TARGET kakeyaturbo::kakeyaturbo)
  find_package(kakeyaturbo CONFIG REQUIRED)
endif()
find_package(CLI11 CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(Threads REQUIRED)

# kakeya_program(<name> [library...]): the program in <name>.cpp, which may use the helpers in tools/cpp, linked to the
# library and to what else it needs.
function(kakeya_program name)
  add_executable(${name} ${name}.cpp)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../tools/cpp)
  target_link_libraries(${name} PRIVATE kakeyaturbo::kakeyaturbo ${ARGN})
endfunction()
