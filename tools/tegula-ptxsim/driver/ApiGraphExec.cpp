//===- ApiGraphExec.cpp - graphs: instantiation, launch, update ---------------===//

#include "Driver.h"

using namespace ptxsim;

using Works = std::vector<std::shared_ptr<Work>>;

CUDA_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *handle, CUgraph graphHandle, unsigned long long flags) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<Graph> graph = call->graphs.find(graphHandle);
  if (!handle || !graph || flags > 15)
    return CUDA_ERROR_INVALID_VALUE;
  if (flags & 4) // launched by the device
    return CUDA_ERROR_NOT_SUPPORTED;
  auto exec = std::make_shared<GraphExec>();
  exec->flags = flags;
  exec->graph = cloneGraph(*graph, exec->of);
  if (!exec->graph)
    return CUDA_ERROR_INVALID_VALUE;
  *handle = reinterpret_cast<CUgraphExec>(call->execs.add(exec));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphInstantiateWithParams(CUgraphExec *handle, CUgraph graph,
                                               CUDA_GRAPH_INSTANTIATE_PARAMS *parameters) {
  if (!parameters)
    return CUDA_ERROR_INVALID_VALUE;
  CUresult status = cuGraphInstantiateWithFlags(handle, graph, parameters->flags);
  parameters->errorNode = nullptr;
  parameters->result = status == CUDA_SUCCESS ? 0 : 1;
  return status;
}

/// The forms before CUDA 12, with a log.
CUDA_API CUresult cuGraphInstantiate_v2(CUgraphExec *handle, CUgraph graph, CUgraphNode *errorNode, char *log,
                                        size_t bytes) {
  CUresult status = cuGraphInstantiateWithFlags(handle, graph, 0);
  if (errorNode)
    *errorNode = nullptr;
  if (log && bytes)
    *log = 0;
  return status;
}

CUDA_API CUresult cuGraphInstantiate(CUgraphExec *handle, CUgraph graph, CUgraphNode *errorNode, char *log,
                                     size_t bytes) {
  return cuGraphInstantiate_v2(handle, graph, errorNode, log, bytes);
}

static std::shared_ptr<GraphExec> findExec(Call &call, CUgraphExec handle) { return call->execs.find(handle); }

CUDA_API CUresult cuGraphExecGetFlags(CUgraphExec handle, uint64_t *flags) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<GraphExec> exec = findExec(call, handle);
  if (!exec || !flags)
    return CUDA_ERROR_INVALID_VALUE;
  *flags = exec->flags;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphExecDestroy(CUgraphExec handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  return call->execs.erase(handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/// Each node becomes work of its own, so that nodes without an edge between them run in any order. The last work of
/// all.
static std::shared_ptr<Work> runGraph(Call &call, const std::shared_ptr<Context> &context, const Graph &graph,
                                      std::shared_ptr<Work> entry) {
  std::map<const GraphNode *, std::shared_ptr<Work>> of;
  Works all = {entry};
  for (const std::shared_ptr<GraphNode> &node : graph.nodes) {
    Works after = {entry};
    for (GraphNode *before : node->after)
      after.push_back(of[before]);
    std::shared_ptr<Work> work;
    if (node->task.kind == TaskKind::Child)
      work = runGraph(call, context, *node->task.child, enqueueFree(call, context, Task(), after));
    else
      work = enqueueFree(call, context, node->task, after);
    of[node.get()] = work;
    all.push_back(work);
  }
  return enqueueFree(call, context, Task(), all);
}

CUDA_API CUresult cuGraphLaunch(CUgraphExec handle, CUstream streamHandle) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<GraphExec> exec = findExec(call, handle);
  std::shared_ptr<Stream> stream = findStream(call, streamHandle);
  if (!exec)
    return CUDA_ERROR_INVALID_VALUE;
  if (!stream)
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) {
    std::map<const GraphNode *, GraphNode *> of;
    Task task;
    task.kind = TaskKind::Child;
    task.child = cloneGraph(*exec->graph, of);
    return issue(call, *stream, std::move(task));
  }
  if (stream->isLegacy)
    if (CUresult status = refuseImplicit(call))
      return status;
  std::shared_ptr<Work> entry = enqueue(call, *stream, Task(), {exec->lastRun});
  exec->lastRun = stream->tail = runGraph(call, stream->context, *exec->graph, entry);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphUpload(CUgraphExec handle, CUstream streamHandle) {
  Call call;
  if (!call)
    return call.status;
  if (!findStream(call, streamHandle))
    return CUDA_ERROR_INVALID_HANDLE;
  return findExec(call, handle) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/// The node of `handle` in an instantiated graph, if it is of `kind`.
static GraphNode *findNode(Call &call, CUgraphExec handle, CUgraphNode node, TaskKind kind) {
  std::shared_ptr<GraphExec> exec = findExec(call, handle);
  if (!exec)
    return nullptr;
  auto it = exec->of.find(reinterpret_cast<const GraphNode *>(node));
  return it != exec->of.end() && it->second->task.kind == kind ? it->second : nullptr;
}

CUDA_API CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode handle,
                                                    const CUDA_KERNEL_NODE_PARAMS_v2 *kernel) {
  Call call;
  if (!call)
    return call.status;
  GraphNode *node = findNode(call, exec, handle, TaskKind::Kernel);
  if (!node || !kernel)
    return CUDA_ERROR_INVALID_VALUE;
  Task task;
  CUfunction function = kernel->function ? kernel->function : reinterpret_cast<CUfunction>(kernel->kernel);
  if (CUresult status = makeLaunch(call, function, kernel->grid, kernel->block, kernel->sharedBytes, kernel->parameters,
                                   kernel->extra, task))
    return status;
  node->task = std::move(task);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node,
                                                 const CUDA_KERNEL_NODE_PARAMS_v1 *kernel) {
  if (!kernel)
    return CUDA_ERROR_INVALID_VALUE;
  CUDA_KERNEL_NODE_PARAMS_v2 longer{};
  longer.function = kernel->function;
  for (int i = 0; i != 3; ++i) {
    longer.grid[i] = kernel->grid[i];
    longer.block[i] = kernel->block[i];
  }
  longer.sharedBytes = kernel->sharedBytes;
  longer.parameters = kernel->parameters;
  longer.extra = kernel->extra;
  return cuGraphExecKernelNodeSetParams_v2(exec, node, &longer);
}

CUDA_API CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode handle, const CUDA_MEMCPY3D *copy,
                                                 CUcontext) {
  Call call;
  if (!call)
    return call.status;
  GraphNode *node = findNode(call, exec, handle, TaskKind::Copy);
  if (!node || !copy)
    return CUDA_ERROR_INVALID_VALUE;
  Task task;
  CUresult status = makeCopy(call, *copy, task);
  if (status == CUDA_SUCCESS)
    node->task = std::move(task);
  return status;
}

CUDA_API CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode handle,
                                                 const CUDA_MEMSET_NODE_PARAMS *fill, CUcontext) {
  Call call;
  if (!call)
    return call.status;
  GraphNode *node = findNode(call, exec, handle, TaskKind::Fill);
  if (!node || !fill || (fill->elementBytes != 1 && fill->elementBytes != 2 && fill->elementBytes != 4))
    return CUDA_ERROR_INVALID_VALUE;
  Task task;
  CUresult status =
      makeFill(call, {fill->address, fill->pitch, fill->value, fill->elementBytes, fill->width, fill->height}, task);
  if (status == CUDA_SUCCESS)
    node->task = std::move(task);
  return status;
}

CUDA_API CUresult cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode handle,
                                               const CUDA_HOST_NODE_PARAMS *host) {
  Call call;
  if (!call)
    return call.status;
  GraphNode *node = findNode(call, exec, handle, TaskKind::Host);
  if (!node || !host || !host->function)
    return CUDA_ERROR_INVALID_VALUE;
  node->task.hostFunction = host->function;
  node->task.data = host->data;
  return CUDA_SUCCESS;
}

static size_t positionOf(const Graph &graph, const GraphNode *node) {
  size_t position = 0;
  while (position != graph.nodes.size() && graph.nodes[position].get() != node)
    ++position;
  return position;
}

/// Whether two graphs, both in the order of cloneGraph, are the same but for what their nodes work on.
static bool isAlike(const Graph &a, const Graph &b) {
  if (a.nodes.size() != b.nodes.size())
    return false;
  for (size_t i = 0; i != a.nodes.size(); ++i) {
    const GraphNode &first = *a.nodes[i], &second = *b.nodes[i];
    if (first.task.kind != second.task.kind || first.after.size() != second.after.size())
      return false;
    for (size_t k = 0; k != first.after.size(); ++k)
      if (positionOf(a, first.after[k]) != positionOf(b, second.after[k]))
        return false;
  }
  return true;
}

CUDA_API CUresult cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph graphHandle, CUgraphExecUpdateResultInfo *info) {
  Call call;
  if (!call)
    return call.status;
  std::shared_ptr<GraphExec> exec = findExec(call, handle);
  std::shared_ptr<Graph> graph = call->graphs.find(graphHandle);
  if (!exec || !graph || !info)
    return CUDA_ERROR_INVALID_VALUE;
  std::map<const GraphNode *, GraphNode *> of;
  std::shared_ptr<Graph> clone = cloneGraph(*graph, of);
  *info = {0, nullptr, nullptr};
  if (!clone || !isAlike(*exec->graph, *clone)) {
    info->result = 2; // the topology has changed
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  for (size_t i = 0; i != clone->nodes.size(); ++i)
    exec->graph->nodes[i]->task = clone->nodes[i]->task;
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphExecUpdate(CUgraphExec handle, CUgraph graph, CUgraphNode *errorNode, int *result) {
  CUgraphExecUpdateResultInfo info = {1, nullptr, nullptr};
  CUresult status = cuGraphExecUpdate_v2(handle, graph, &info);
  if (errorNode)
    *errorNode = info.errorNode;
  if (result)
    *result = info.result;
  return status;
}
