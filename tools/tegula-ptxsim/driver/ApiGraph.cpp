//===- ApiGraph.cpp - graphs: building and asking -----------------------------===//

#include "Driver.h"
#include <algorithm>
#include <cstring>

using namespace ptxsim;

GraphNode *ptxsim::addNode(Call &call, Graph &graph, Task task, const std::vector<GraphNode *> &after) {
  auto node = std::make_shared<GraphNode>();
  node->task = std::move(task);
  node->after = after;
  node->owner = &graph;
  graph.nodes.push_back(node);
  return call->nodes.add(node);
}

void ptxsim::forgetGraph(Call &call, Graph &graph) {
  for (const std::shared_ptr<GraphNode> &node : graph.nodes) {
    if (node->task.child)
      forgetGraph(call, *node->task.child);
    call->nodes.erase(node.get());
  }
}

std::shared_ptr<Graph> ptxsim::cloneGraph(const Graph &graph, std::map<const GraphNode *, GraphNode *> &of) {
  auto clone = std::make_shared<Graph>();
  std::vector<std::shared_ptr<GraphNode>> left = graph.nodes;
  while (!left.empty()) {
    size_t before = left.size();
    auto take = [&](const std::shared_ptr<GraphNode> &node) {
      if (!std::all_of(node->after.begin(), node->after.end(), [&](GraphNode *other) { return of.count(other); }))
        return false;
      auto copy = std::make_shared<GraphNode>();
      copy->task = node->task;
      copy->owner = clone.get();
      for (GraphNode *other : node->after)
        copy->after.push_back(of[other]);
      of[node.get()] = copy.get();
      clone->nodes.push_back(copy);
      return true;
    };
    left.erase(std::remove_if(left.begin(), left.end(), take), left.end());
    if (left.size() == before)
      return nullptr;
  }
  return clone;
}

namespace {
/// An entry point that adds a node.
struct AddCall : Call {
  AddCall(CUgraph handle, const CUgraphNode *dependencies, size_t count, const void *answer, const void *parameters) {
    if (status != CUDA_SUCCESS)
      return;
    graph = driver->graphs.find(handle);
    if (!graph)
      status = CUDA_ERROR_INVALID_HANDLE;
    else if (!answer || !parameters || (count && !dependencies))
      status = CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; status == CUDA_SUCCESS && i != count; ++i) {
      std::shared_ptr<GraphNode> node = driver->nodes.find(dependencies[i]);
      if (!node || node->owner != graph.get())
        status = CUDA_ERROR_INVALID_VALUE;
      else
        after.push_back(node.get());
    }
  }

  CUresult add(CUgraphNode *node, Task task) {
    *node = reinterpret_cast<CUgraphNode>(addNode(*this, *graph, std::move(task), after));
    return CUDA_SUCCESS;
  }

  std::shared_ptr<Graph> graph;
  std::vector<GraphNode *> after;
};
} // namespace

CUDA_API CUresult cuGraphCreate(CUgraph *graph, unsigned flags) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  if (!graph || flags)
    return CUDA_ERROR_INVALID_VALUE;
  *graph = reinterpret_cast<CUgraph>(call->graphs.add(std::make_shared<Graph>()));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphDestroy(CUgraph handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Graph> graph = call->graphs.find(handle);
  if (!graph)
    return CUDA_ERROR_INVALID_VALUE;
  forgetGraph(call, *graph);
  call->graphs.erase(handle);
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphClone(CUgraph *handle, CUgraph original) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Graph> graph = call->graphs.find(original);
  std::map<const GraphNode *, GraphNode *> of;
  std::shared_ptr<Graph> clone = graph ? cloneGraph(*graph, of) : nullptr;
  if (!handle || !clone)
    return CUDA_ERROR_INVALID_VALUE;
  for (const std::shared_ptr<GraphNode> &node : clone->nodes)
    call->nodes.add(node);
  *handle = reinterpret_cast<CUgraph>(call->graphs.add(clone));
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphAddKernelNode_v2(CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies,
                                          size_t count, const CUDA_KERNEL_NODE_PARAMS_v2 *kernel) {
  AddCall call(graph, dependencies, count, node, kernel);
  if (!call)
    return call.status;
  Task task;
  CUfunction function = kernel->function ? kernel->function : reinterpret_cast<CUfunction>(kernel->kernel);
  if (CUresult status = makeLaunch(call, function, kernel->grid, kernel->block, kernel->sharedBytes, kernel->parameters,
                                   kernel->extra, task))
    return status;
  return call.add(node, std::move(task));
}

/// The first form's description is the start of the second's.
static CUDA_KERNEL_NODE_PARAMS_v2 lengthen(const CUDA_KERNEL_NODE_PARAMS_v1 &kernel) {
  CUDA_KERNEL_NODE_PARAMS_v2 longer{};
  longer.function = kernel.function;
  std::copy(kernel.grid, kernel.grid + 3, longer.grid);
  std::copy(kernel.block, kernel.block + 3, longer.block);
  longer.sharedBytes = kernel.sharedBytes;
  longer.parameters = kernel.parameters;
  longer.extra = kernel.extra;
  return longer;
}

CUDA_API CUresult cuGraphAddKernelNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies, size_t count,
                                       const CUDA_KERNEL_NODE_PARAMS_v1 *kernel) {
  if (!kernel)
    return CUDA_ERROR_INVALID_VALUE;
  CUDA_KERNEL_NODE_PARAMS_v2 longer = lengthen(*kernel);
  return cuGraphAddKernelNode_v2(node, graph, dependencies, count, &longer);
}

CUDA_API CUresult cuGraphAddMemcpyNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies, size_t count,
                                       const CUDA_MEMCPY3D *copy, CUcontext) {
  AddCall call(graph, dependencies, count, node, copy);
  if (!call)
    return call.status;
  Task task;
  if (CUresult status = makeCopy(call, *copy, task))
    return status;
  return call.add(node, std::move(task));
}

static Fill fillOf(const CUDA_MEMSET_NODE_PARAMS &fill) {
  return {fill.address, fill.pitch, fill.value, fill.elementBytes, fill.width, fill.height};
}

CUDA_API CUresult cuGraphAddMemsetNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies, size_t count,
                                       const CUDA_MEMSET_NODE_PARAMS *fill, CUcontext) {
  AddCall call(graph, dependencies, count, node, fill);
  if (!call)
    return call.status;
  if (fill->elementBytes != 1 && fill->elementBytes != 2 && fill->elementBytes != 4)
    return CUDA_ERROR_INVALID_VALUE;
  Task task;
  if (CUresult status = makeFill(call, fillOf(*fill), task))
    return status;
  return call.add(node, std::move(task));
}

CUDA_API CUresult cuGraphAddHostNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies, size_t count,
                                     const CUDA_HOST_NODE_PARAMS *host) {
  AddCall call(graph, dependencies, count, node, host);
  if (!call)
    return call.status;
  if (!host->function)
    return CUDA_ERROR_INVALID_VALUE;
  Task task;
  task.kind = TaskKind::Host;
  task.hostFunction = host->function;
  task.data = host->data;
  return call.add(node, std::move(task));
}

CUDA_API CUresult cuGraphAddEmptyNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies, size_t count) {
  AddCall call(graph, dependencies, count, node, node);
  return call ? call.add(node, Task()) : call.status;
}

CUDA_API CUresult cuGraphAddChildGraphNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *dependencies,
                                           size_t count, CUgraph childHandle) {
  AddCall call(graph, dependencies, count, node, childHandle);
  if (!call)
    return call.status;
  std::shared_ptr<Graph> child = call->graphs.find(childHandle);
  if (!child)
    return CUDA_ERROR_INVALID_HANDLE;
  std::map<const GraphNode *, GraphNode *> of;
  Task task;
  task.kind = TaskKind::Child;
  task.child = cloneGraph(*child, of);
  return task.child ? call.add(node, std::move(task)) : CUDA_ERROR_INVALID_VALUE;
}

/// As CUDA lists things: without a place for them their number, else as many as there is room for.
static CUresult list(const std::vector<GraphNode *> &nodes, CUgraphNode *out, size_t *count) {
  if (!count)
    return CUDA_ERROR_INVALID_VALUE;
  if (out)
    for (size_t i = 0; i != *count; ++i)
      out[i] = i < nodes.size() ? reinterpret_cast<CUgraphNode>(nodes[i]) : nullptr;
  *count = out ? std::min(*count, nodes.size()) : nodes.size();
  return CUDA_SUCCESS;
}

static CUresult listNodes(CUgraph handle, bool areRootsOnly, CUgraphNode *out, size_t *count) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Graph> graph = call->graphs.find(handle);
  if (!graph)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode *> nodes;
  for (const std::shared_ptr<GraphNode> &node : graph->nodes)
    if (!areRootsOnly || node->after.empty())
      nodes.push_back(node.get());
  return list(nodes, out, count);
}

CUDA_API CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  return listNodes(graph, false, nodes, count);
}

CUDA_API CUresult cuGraphGetRootNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  return listNodes(graph, true, nodes, count);
}

CUDA_API CUresult cuGraphGetEdges(CUgraph handle, CUgraphNode *from, CUgraphNode *to, size_t *count) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Graph> graph = call->graphs.find(handle);
  if (!graph || !count || !from != !to)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<GraphNode *> sources, targets;
  for (const std::shared_ptr<GraphNode> &node : graph->nodes)
    for (GraphNode *before : node->after) {
      sources.push_back(before);
      targets.push_back(node.get());
    }
  size_t room = *count;
  list(sources, from, &room);
  return list(targets, to, count);
}

CUDA_API CUresult cuGraphNodeGetDependencies(CUgraphNode handle, CUgraphNode *nodes, size_t *count) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<GraphNode> node = call->nodes.find(handle);
  return node ? list(node->after, nodes, count) : CUDA_ERROR_INVALID_VALUE;
}

CUDA_API CUresult cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType *type) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<GraphNode> node = call->nodes.find(handle);
  if (!node || !type)
    return CUDA_ERROR_INVALID_VALUE;
  switch (node->task.kind) {
  case TaskKind::Kernel:
    *type = NodeKernel;
    break;
  case TaskKind::Copy:
    *type = NodeMemcpy;
    break;
  case TaskKind::Fill:
    *type = NodeMemset;
    break;
  case TaskKind::Host:
    *type = NodeHost;
    break;
  case TaskKind::Child:
    *type = NodeGraph;
    break;
  default:
    *type = NodeEmpty;
  }
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphAddDependencies(CUgraph handle, const CUgraphNode *from, const CUgraphNode *to, size_t count) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<Graph> graph = call->graphs.find(handle);
  if (!graph || (count && (!from || !to)))
    return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i != count; ++i) {
    std::shared_ptr<GraphNode> first = call->nodes.find(from[i]), second = call->nodes.find(to[i]);
    if (!first || !second || first->owner != graph.get() || second->owner != graph.get() || first == second)
      return CUDA_ERROR_INVALID_VALUE;
    if (std::find(second->after.begin(), second->after.end(), first.get()) != second->after.end())
      return CUDA_ERROR_INVALID_VALUE;
    second->after.push_back(first.get());
  }
  return CUDA_SUCCESS;
}

CUDA_API CUresult cuGraphDestroyNode(CUgraphNode handle) {
  Call call(Call::Initialised);
  if (!call)
    return call.status;
  std::shared_ptr<GraphNode> node = call->nodes.find(handle);
  if (!node)
    return CUDA_ERROR_INVALID_VALUE;
  std::vector<std::shared_ptr<GraphNode>> &nodes = node->owner->nodes;
  nodes.erase(std::remove(nodes.begin(), nodes.end(), node), nodes.end());
  for (const std::shared_ptr<GraphNode> &other : nodes)
    other->after.erase(std::remove(other->after.begin(), other->after.end(), node.get()), other->after.end());
  call->nodes.erase(handle);
  return CUDA_SUCCESS;
}

/// The forms with data on edges: here all edges are plain ones.
static void clearEdges(CUgraphEdgeData *edges, size_t count) {
  for (size_t i = 0; edges && i != count; ++i)
    edges[i] = {};
}

CUDA_API CUresult cuGraphGetEdges_v2(CUgraph graph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *edges,
                                     size_t *count) {
  CUresult status = cuGraphGetEdges(graph, from, to, count);
  if (status == CUDA_SUCCESS && from)
    clearEdges(edges, *count);
  return status;
}

CUDA_API CUresult cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode *nodes, CUgraphEdgeData *edges,
                                                size_t *count) {
  CUresult status = cuGraphNodeGetDependencies(node, nodes, count);
  if (status == CUDA_SUCCESS && nodes)
    clearEdges(edges, *count);
  return status;
}

CUDA_API CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode *from, const CUgraphNode *to,
                                            const CUgraphEdgeData *edges, size_t count) {
  const CUgraphEdgeData plain{};
  for (size_t i = 0; edges && i != count; ++i)
    if (std::memcmp(&edges[i], &plain, sizeof(plain)) != 0)
      return CUDA_ERROR_NOT_SUPPORTED;
  return cuGraphAddDependencies(graph, from, to, count);
}
