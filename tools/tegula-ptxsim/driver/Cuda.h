//===- Cuda.h - the part of CUDA's driver interface that is emulated ----------===//
//
// Types as CUDA's binary interface has them (sizes and orders count, names of fields are ours). Users build without
// CUDA's own header, so this one stands alone.
//
//===----------------------------------------------------------------------===//
#ifndef TEGULA_TOOLS_PTXSIM_DRIVER_CUDA_H
#define TEGULA_TOOLS_PTXSIM_DRIVER_CUDA_H

#include <cstddef>
#include <cstdint>

/// Everything else is hidden: a program may hold a second LLVM.
#define CUDA_API extern "C" __attribute__((visibility("default")))

enum CUresult : int {
#define CUDA_CODE(NAME, NUMBER, TEXT) NAME = NUMBER,
#include "Errors.def"
};

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUlibrary = struct CUlib_st *;
using CUkernel = struct CUkern_st *;
using CUevent = struct CUevent_st *;
using CUstream = struct CUstream_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphNode = struct CUgraphNode_st *;
using CUgraphExec = struct CUgraphExec_st *;
using CUmemoryPool = struct CUmemPoolHandle_st *;
using CUlinkState = struct CUlinkState_st *;
using CUhostFn = void (*)(void *data);
using CUstreamCallback = void (*)(CUstream stream, CUresult status, void *data);
using CUoccupancyB2DSize = size_t (*)(int blockSize);

/// Handles that are no pointers: the two default streams.
inline const CUstream legacyStream = reinterpret_cast<CUstream>(uintptr_t(1));
inline const CUstream perThreadStream = reinterpret_cast<CUstream>(uintptr_t(2));

struct CUuuid {
  char bytes[16];
};

enum { CU_STREAM_NON_BLOCKING = 1 };
enum { CU_EVENT_BLOCKING_SYNC = 1, CU_EVENT_DISABLE_TIMING = 2, CU_EVENT_INTERPROCESS = 4 };
enum { CU_MEMHOSTALLOC_PORTABLE = 1, CU_MEMHOSTALLOC_DEVICEMAP = 2, CU_MEMHOSTALLOC_WRITECOMBINED = 4 };

enum CUstreamCaptureStatus : int { CaptureNone = 0, CaptureActive = 1, CaptureInvalidated = 2 };
enum CUstreamCaptureMode : int { CaptureGlobal = 0, CaptureThreadLocal = 1, CaptureRelaxed = 2 };

enum CUmemorytype : int { MemoryHost = 1, MemoryDevice = 2, MemoryArray = 3, MemoryUnified = 4 };

enum CUjit_option : int {
  JitMaxRegisters = 0,
  JitWallTime = 2,
  JitInfoLog = 3,
  JitInfoLogBytes = 4,
  JitErrorLog = 5,
  JitErrorLogBytes = 6,
};
enum CUjitInputType : int { JitCubin = 0, JitPtx = 1, JitFatBinary = 2 };

enum CUfunction_attribute : int {
  FunctionMaxThreads = 0,
  FunctionSharedBytes = 1,
  FunctionConstBytes = 2,
  FunctionLocalBytes = 3,
  FunctionRegisters = 4,
  FunctionPtxVersion = 5,
  FunctionBinaryVersion = 6,
  FunctionCacheModeCa = 7,
  FunctionMaxDynamicShared = 8,
  FunctionCarveout = 9,
  FunctionClusterMustBeSet = 10,
  FunctionClusterWidth = 11,
  FunctionClusterHeight = 12,
  FunctionClusterDepth = 13,
  FunctionNonPortableCluster = 14,
  FunctionClusterPolicy = 15,
};

enum CUlimit : int {
  LimitStack = 0,
  LimitPrintf = 1,
  LimitHeap = 2,
  LimitSyncDepth = 3,
  LimitPendingLaunches = 4,
  LimitL2Granularity = 5,
  LimitPersistingL2 = 6,
  LimitCount = 7,
};

enum CUgraphNodeType : int {
  NodeKernel = 0,
  NodeMemcpy = 1,
  NodeMemset = 2,
  NodeHost = 3,
  NodeGraph = 4,
  NodeEmpty = 5,
};

enum CUlaunchAttributeID : int {
  LaunchIgnore = 0,
  LaunchCooperative = 2,
  LaunchClusterDimension = 4,
  LaunchProgrammaticEvent = 7,
  LaunchCompletionEvent = 12,
  LaunchUpdatableNode = 13,
};
struct CUlaunchAttribute {
  CUlaunchAttributeID id;
  char pad[4];
  union {
    char bytes[64];
    int cooperative;
    unsigned cluster[3];
    unsigned long long align;
  } value;
};
struct CUlaunchConfig {
  unsigned grid[3], block[3], sharedBytes;
  CUstream stream;
  CUlaunchAttribute *attributes;
  unsigned attributeCount;
};

struct CUDA_KERNEL_NODE_PARAMS_v1 {
  CUfunction function;
  unsigned grid[3], block[3], sharedBytes;
  void **parameters, **extra;
};
struct CUDA_KERNEL_NODE_PARAMS_v2 {
  CUfunction function;
  unsigned grid[3], block[3], sharedBytes;
  void **parameters, **extra;
  CUkernel kernel;
  CUcontext context;
};
struct CUDA_MEMSET_NODE_PARAMS {
  CUdeviceptr address;
  size_t pitch;
  unsigned value, elementBytes;
  size_t width, height;
};
struct CUDA_HOST_NODE_PARAMS {
  CUhostFn function;
  void *data;
};
struct CUDA_GRAPH_INSTANTIATE_PARAMS {
  uint64_t flags;
  CUstream uploadStream;
  CUgraphNode errorNode;
  int result;
};
struct CUgraphEdgeData {
  unsigned char bytes[8];
};
struct CUgraphExecUpdateResultInfo {
  int result;
  CUgraphNode errorNode, errorFromNode;
};

/// One side of a copy of two dimensions.
struct CopySide2D {
  size_t xBytes, y;
  CUmemorytype type;
  void *host;
  CUdeviceptr device;
  void *array;
  size_t pitch;
};
struct CUDA_MEMCPY2D {
  CopySide2D source, target;
  size_t widthBytes, height;
};
/// `other` is reserved, or the side's context in a copy between devices.
struct CopySide3D {
  size_t xBytes, y, z, level;
  CUmemorytype type;
  void *host;
  CUdeviceptr device;
  void *array, *other;
  size_t pitch, height;
};
struct CUDA_MEMCPY3D {
  CopySide3D source, target;
  size_t widthBytes, height, depth;
};

struct CUmemLocation {
  int type, id;
};
struct CUmemPoolProps {
  int allocationType, handleTypes;
  CUmemLocation location;
  void *security;
  size_t maxBytes;
  unsigned short usage;
  unsigned char reserved[54];
};
struct CUmemAccessDesc {
  CUmemLocation location;
  int flags;
};
enum CUmemPool_attribute : int { PoolReleaseThreshold = 4, PoolReserved = 5, PoolUsed = 7, PoolUsedHigh = 8 };

struct CUctxCreateParams {
  void *affinity;
  int affinityCount;
  void *graphics;
};

#endif
