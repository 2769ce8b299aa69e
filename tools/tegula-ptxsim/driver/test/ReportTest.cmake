# cmake -DTEST=... -DLIBRARY=... -DREPORT=... -P ReportTest.cmake: what the report says of a program that leaks and reads
# bytes that were never written.
file(REMOVE ${REPORT})
set(ENV{PTXSIM_REPORT} ${REPORT})
execute_process(COMMAND ${TEST} ${LIBRARY} leaks RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the program failed: ${status}")
endif()
file(READ ${REPORT} report)
foreach(path_value "kernels;fill;launches=2" "leaks;allocations=1" "leaks;bytes=640" "host_reads_of_uninitialised_bytes=384"
    "work_never_waited_for=1")
  string(REGEX MATCH "^(.*)=(.*)$" match "${path_value}")
  set(value ${CMAKE_MATCH_2})
  string(JSON got GET "${report}" ${CMAKE_MATCH_1})
  if(NOT got STREQUAL value)
    message(FATAL_ERROR "${path_value}, but the report says ${got}: ${report}")
  endif()
endforeach()
