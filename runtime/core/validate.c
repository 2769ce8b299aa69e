/* The checks of a run's tensors. All of them come before anything is computed, and each names the tensor. */
#include "internal.h"

TEGULA_RT uint32_t tegula_rt_dtype_bits(int32_t dtype) {
  static const uint8_t bits[] = {0,  32,  8,  8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64,
                                 64, 128, 16, 8, 8,  8,  8,  4,  4, 4, 8,  2,  2};
  return dtype < 0 || dtype >= (int32_t)sizeof bits ? 0 : bits[dtype];
}

TEGULA_RT size_t tegula_rt_dtype_align(int32_t dtype) {
  uint32_t bits = tegula_rt_dtype_bits(dtype);
  return bits <= 8 ? 1 : bits >= 64 ? 8 : bits / 8; /* complex numbers align as their parts, 8 at most */
}

TEGULA_RT bool tegula_rt_tensor_bytes(int32_t dtype, int32_t rank, const int64_t *shape, size_t *bytes) {
  uint64_t count = 1, bits = 0;
  bool isEmpty = false;
  for (int32_t i = 0; i < rank; ++i) {
    if (shape[i] < 0)
      return false;
    isEmpty |= shape[i] == 0;
  }
  *bytes = 0;
  if (isEmpty)
    return true;
  for (int32_t i = 0; i < rank; ++i)
    if (__builtin_mul_overflow(count, (uint64_t)shape[i], &count))
      return false;
  if (__builtin_mul_overflow(count, (uint64_t)tegula_rt_dtype_bits(dtype), &bits) || bits > UINT64_MAX - 7)
    return false;
  if ((bits + 7) / 8 > SIZE_MAX / 2)
    return false;
  *bytes = (size_t)((bits + 7) / 8);
  return true;
}

/* Starts the message "input 'x': ". */
static rt_text complain(tegula_instance *instance, const char *kind, const tegula_tensor_info *info) {
  rt_text text = tegula_rt_text(instance->message, sizeof instance->message);
  tegula_rt_put(&text, kind);
  tegula_rt_put(&text, " '");
  tegula_rt_put(&text, info->name);
  tegula_rt_put(&text, "': ");
  return text;
}

static tegula_status wrong_words(tegula_instance *instance, const char *kind, const tegula_tensor_info *info,
                                 const char *words) {
  rt_text text = complain(instance, kind, info);
  tegula_rt_put(&text, words);
  return TEGULA_INVALID_ARGUMENT;
}

static tegula_status wrong_dtype(tegula_instance *instance, const char *kind, const tegula_tensor_info *info,
                                 int32_t got) {
  rt_text text = complain(instance, kind, info);
  tegula_rt_put(&text, "expected ");
  tegula_rt_put(&text, tegula_rt_dtype_name(info->dtype));
  tegula_rt_put(&text, " elements, got ");
  tegula_rt_put(&text, tegula_rt_dtype_name(got));
  return TEGULA_INVALID_ARGUMENT;
}

static tegula_status wrong_shape(tegula_instance *instance, const tegula_tensor_info *info,
                                 const tegula_tensor *tensor) {
  rt_text text = complain(instance, "input", info);
  tegula_rt_put(&text, "expected shape ");
  tegula_rt_put_shape(&text, info->rank, info->shape);
  tegula_rt_put(&text, ", got ");
  if (tensor->rank < 0 || tensor->rank > TEGULA_MAX_RANK) {
    tegula_rt_put(&text, "rank ");
    tegula_rt_put_number(&text, tensor->rank);
  } else {
    tegula_rt_put_shape(&text, tensor->rank, tensor->shape);
  }
  return TEGULA_INVALID_ARGUMENT;
}

static tegula_status wrong_bytes(tegula_instance *instance, const char *kind, const tegula_tensor_info *info,
                                 size_t expected, size_t got) {
  rt_text text = complain(instance, kind, info);
  tegula_rt_put(&text, "expected ");
  tegula_rt_put_number(&text, (int64_t)expected);
  tegula_rt_put(&text, " bytes, got ");
  tegula_rt_put_number(&text, (int64_t)got);
  return TEGULA_INVALID_ARGUMENT;
}

static tegula_status wrong_alignment(tegula_instance *instance, const char *kind, const tegula_tensor_info *info) {
  rt_text text = complain(instance, kind, info);
  tegula_rt_put(&text, "data must be aligned to ");
  tegula_rt_put_number(&text, (int64_t)tegula_rt_dtype_align(info->dtype));
  tegula_rt_put(&text, " bytes");
  return TEGULA_INVALID_ARGUMENT;
}

static bool is_misaligned(const void *data, int32_t dtype) {
  return ((uintptr_t)data & (tegula_rt_dtype_align(dtype) - 1)) != 0;
}

static tegula_status check_input(tegula_instance *instance, const tegula_tensor_info *info,
                                 const tegula_tensor *tensor) {
  size_t bytes;
  if (tensor->dtype != info->dtype)
    return wrong_dtype(instance, "input", info, tensor->dtype);
  if (tensor->rank != info->rank)
    return wrong_shape(instance, info, tensor);
  for (int32_t i = 0; i < info->rank; ++i)
    if (info->shape[i] < 0 ? tensor->shape[i] < 0 : tensor->shape[i] != info->shape[i])
      return wrong_shape(instance, info, tensor);
  if (!tegula_rt_tensor_bytes(info->dtype, tensor->rank, tensor->shape, &bytes))
    return wrong_words(instance, "input", info, "shape exceeds the address space");
  if (bytes != tensor->bytes)
    return wrong_bytes(instance, "input", info, bytes, tensor->bytes);
  if (bytes && !tensor->data)
    return wrong_words(instance, "input", info, "data is NULL");
  if (is_misaligned(tensor->data, info->dtype))
    return wrong_alignment(instance, "input", info);
  return TEGULA_OK;
}

static bool is_dynamic(const tegula_tensor_info *info) {
  for (int32_t i = 0; i < info->rank; ++i)
    if (info->shape[i] < 0)
      return true;
  return false;
}

static tegula_status check_output(tegula_instance *instance, const tegula_tensor_info *info, tegula_tensor *tensor,
                                  uint8_t *produced) {
  size_t bytes = 0;
  if (tensor->dtype != info->dtype && tensor->dtype != TEGULA_UNDEFINED)
    return wrong_dtype(instance, "output", info, tensor->dtype);
  if (is_misaligned(tensor->data, info->dtype))
    return wrong_alignment(instance, "output", info);
  *produced = !is_dynamic(info);
  if (!*produced) {
    if (!tensor->data && !instance->options.alloc_output)
      return wrong_words(instance, "output", info, "data is NULL and the options have no alloc_output");
    return TEGULA_OK;
  }
  tegula_rt_tensor_bytes(info->dtype, info->rank, info->shape, &bytes);
  if (tensor->bytes < bytes)
    return wrong_bytes(instance, "output", info, bytes, tensor->bytes);
  if (bytes && !tensor->data)
    return wrong_words(instance, "output", info, "data is NULL");
  return TEGULA_OK;
}

/* Whether two buffers share a byte. */
static bool overlap(const void *a, size_t aBytes, const void *b, size_t bBytes) {
  uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
  return aBytes && bBytes && (x < y ? y - x < aBytes : x - y < bBytes);
}

/* Generated code may write an output before it has read an input, so sharing would corrupt results silently. */
static tegula_status check_overlap(tegula_instance *instance, const tegula_tensor *inputs,
                                   const tegula_tensor *outputs) {
  const tegula_model *model = instance->model;
  for (uint32_t o = 0; o < model->output_count; ++o) {
    if (!outputs[o].data)
      continue;
    for (uint32_t i = 0; i < model->input_count; ++i)
      if (overlap(outputs[o].data, outputs[o].bytes, inputs[i].data, inputs[i].bytes)) {
        rt_text text = complain(instance, "output", &model->outputs[o]);
        tegula_rt_put(&text, "its memory overlaps that of input '");
        tegula_rt_put(&text, model->inputs[i].name);
        tegula_rt_put(&text, "'");
        return TEGULA_INVALID_ARGUMENT;
      }
    for (uint32_t i = 0; i < o; ++i)
      if (outputs[i].data && overlap(outputs[o].data, outputs[o].bytes, outputs[i].data, outputs[i].bytes)) {
        rt_text text = complain(instance, "output", &model->outputs[o]);
        tegula_rt_put(&text, "its memory overlaps that of output '");
        tegula_rt_put(&text, model->outputs[i].name);
        tegula_rt_put(&text, "'");
        return TEGULA_INVALID_ARGUMENT;
      }
  }
  return TEGULA_OK;
}

TEGULA_RT tegula_status tegula_rt_validate(tegula_instance *instance, const tegula_tensor *inputs,
                                           tegula_tensor *outputs) {
  const tegula_model *model = instance->model;
  for (uint32_t i = 0; i < model->input_count; ++i) {
    tegula_status status = check_input(instance, &model->inputs[i], &inputs[i]);
    if (status != TEGULA_OK)
      return status;
    instance->inputs[i] = inputs[i].data;
    instance->inputShapes[i] = inputs[i].shape;
  }
  for (uint32_t i = 0; i < model->output_count; ++i) {
    tegula_status status = check_output(instance, &model->outputs[i], &outputs[i], &instance->produced[i]);
    if (status != TEGULA_OK)
      return status;
    instance->outputs[i] = outputs[i].data;
  }
  return check_overlap(instance, inputs, outputs);
}
