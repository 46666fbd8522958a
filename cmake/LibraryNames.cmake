# What the libraries are called, as cargo names them and as they are installed.
#
# Until 1.0 every minor version may break the ABI, so the minor number is part of the soname (build.rs sets it):
#   libkakeyaturbo.so -> libkakeyaturbo.so.0.1 -> libkakeyaturbo.so.0.1.0

if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(KAKEYA_SOVERSION "0.${PROJECT_VERSION_MINOR}")
  set(KAKEYA_COMPATIBILITY SameMinorVersion)
else()
  set(KAKEYA_SOVERSION "${PROJECT_VERSION_MAJOR}")
  set(KAKEYA_COMPATIBILITY SameMajorVersion)
endif()

# KAKEYA_CARGO_SHARED, KAKEYA_CARGO_STATIC: file names in cargo's target directory.
# KAKEYA_SHARED_FILE: the real file. KAKEYA_SHARED_LINKS: links to it, what the loader looks for and what the linker
# looks for. KAKEYA_IMPORT_FILE: Windows only. KAKEYA_SYSTEM_LIBRARIES: what a program that links the static library
# needs beside it, as `cargo rustc --release --lib -- --print native-static-libs` lists them.
set(KAKEYA_IMPORT_FILE "")
if(WIN32)
  set(KAKEYA_CARGO_SHARED "kakeyaturbo.dll")
  set(KAKEYA_SHARED_FILE "kakeyaturbo.dll")
  set(KAKEYA_SHARED_LINKS "")
  if(MSVC)
    set(KAKEYA_IMPORT_FILE "kakeyaturbo.dll.lib")
    set(KAKEYA_CARGO_STATIC "kakeyaturbo.lib")
    set(KAKEYA_SYSTEM_LIBRARIES kernel32 ntdll userenv ws2_32 dbghelp)
  else()
    set(KAKEYA_IMPORT_FILE "libkakeyaturbo.dll.a")
    set(KAKEYA_CARGO_STATIC "libkakeyaturbo.a")
    set(KAKEYA_SYSTEM_LIBRARIES kernel32 ntdll userenv ws2_32 dbghelp gcc_eh)
  endif()
elseif(APPLE)
  set(KAKEYA_CARGO_SHARED "libkakeyaturbo.dylib")
  set(KAKEYA_CARGO_STATIC "libkakeyaturbo.a")
  set(KAKEYA_SHARED_FILE "libkakeyaturbo.${PROJECT_VERSION}.dylib")
  set(KAKEYA_SHARED_LINKS "libkakeyaturbo.${KAKEYA_SOVERSION}.dylib" "libkakeyaturbo.dylib")
  set(KAKEYA_SYSTEM_LIBRARIES System c m)
else()
  set(KAKEYA_CARGO_SHARED "libkakeyaturbo.so")
  set(KAKEYA_CARGO_STATIC "libkakeyaturbo.a")
  set(KAKEYA_SHARED_FILE "libkakeyaturbo.so.${PROJECT_VERSION}")
  set(KAKEYA_SHARED_LINKS "libkakeyaturbo.so.${KAKEYA_SOVERSION}" "libkakeyaturbo.so")
  set(KAKEYA_SYSTEM_LIBRARIES gcc_s util rt pthread m dl c)
endif()
