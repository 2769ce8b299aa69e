//===- Check.h - a test's way to the driver -----------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_DRIVER_TEST_CHECK_H
#define TEGULA_TOOLS_PTXSIM_DRIVER_TEST_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long Device; ///< an address of the device
typedef int (*Entry)();

/// The entry point; ends the test if there is none.
Entry entryOf(const char *name);
void *findEntry(const char *name);
/// Counts and prints what is not as expected.
void check(long long got, long long expected, const char *text, const char *file, int line);
extern int failures;

#define CU(NAME) entryOf(#NAME)
#define EXPECT(GOT, EXPECTED) check((long long)(GOT), (long long)(EXPECTED), #GOT, __FILE__, __LINE__)
#define OK(CALL) EXPECT(CALL, 0)

/// Kernels fill(p, n, v), saxpy(x, y, n, a) and wide (64 KiB of shared memory on demand), for sm_70.
extern const char *const kernels;
/// A context on device 0, current.
void *openContext(void);
void *loadKernel(const char *name);
/// Adds a launch of fill to `stream`.
int fill(void *function, Device p, unsigned n, float v, void *stream);
int saxpy(void *function, Device x, Device y, unsigned n, float a, void *stream);
Device allocate(size_t bytes);

/// Cases of StreamTest.c.
void testOrder(void);
void testPinned(void);
void testCallbacks(void);
void testEvents(void);
void testDefaultStreams(void);
void testThreads(void);
void testCapture(void);
void testViolations(void);
void testGraphs(void);
void testHelper(void);

#endif
