# Golden tests: one executable golden_<system> a file of golden_runner/, with the parts in the folder of that name; ctest
# label "golden". Cases come from $AZIMUTH_GOLDEN, or tests/golden where it is not set.
file(GLOB runners CONFIGURE_DEPENDS golden_runner/*.cpp)
foreach(runner ${runners})
  get_filename_component(stem ${runner} NAME_WE)
  file(GLOB parts CONFIGURE_DEPENDS golden_runner/${stem}/*.cpp)
  add_executable(golden_${stem} ${runner} ${parts})
  target_link_libraries(golden_${stem} PRIVATE az_test_support ${AZ_LIBRARIES} az::json)
  add_test(NAME golden_${stem} COMMAND golden_${stem})
  set_tests_properties(golden_${stem} PROPERTIES LABELS golden ENVIRONMENT "AZIMUTH_SOURCE=${CMAKE_SOURCE_DIR}")
endforeach()
