# Helper functions of the build. Sources are found by pattern: adding a file never edits CMake.

# tegula_library(NAME SOURCES... LINK libs... DEPENDS targets...): a static library of the compiler, with the precompiled headers.
function(tegula_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_precompile_headers(${name} REUSE_FROM TegulaPrecompiled)
endfunction()

# tegula_tablegen(TARGET TD-FILE OUTPUT... ): pairs of output name and mlir-tblgen options, e.g. "NnOps.h.inc|-gen-op-decls".
function(tegula_tablegen target td folder)
  set(outputs)
  file(GLOB deps CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.td)
  foreach(pair ${ARGN})
    string(REPLACE "|" ";" parts ${pair})
    list(POP_FRONT parts name)
    set(out ${CMAKE_BINARY_DIR}/generated/tegula/${folder}/${name})
    add_custom_command(OUTPUT ${out}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated/tegula/${folder}
      COMMAND ${MLIR_TABLEGEN_EXE} ${parts} -I ${CMAKE_BINARY_DIR}/include -I ${MLIR_INCLUDE_DIRS} ${CMAKE_CURRENT_SOURCE_DIR}/${td} -o ${out}
      DEPENDS ${deps} COMMENT "Tablegen ${folder}/${name}")
    list(APPEND outputs ${out})
  endforeach()
  add_custom_target(${target} DEPENDS ${outputs})
endfunction()
