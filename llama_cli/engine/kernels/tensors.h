// Small questions about ggml's tensors.
#pragma once

#include <cstring>

#include "ggml.h"

static inline float parameter(const ggml_tensor * op, int index) {
    float value;
    memcpy(&value, reinterpret_cast<const char *>(op->op_params) + 4 * index, sizeof value);
    return value;
}

static inline float * floats(ggml_tensor * tensor) { return static_cast<float *>(tensor->data); }
static inline const float * floats(const ggml_tensor * tensor) {
    return static_cast<const float *>(tensor->data);
}

static inline bool is_dense_floats(const ggml_tensor * tensor) {
    return tensor->type == GGML_TYPE_F32 && ggml_is_contiguous(tensor);
}

// One row that is applied to each row of another tensor.
static inline bool is_row_for(const ggml_tensor * row, const ggml_tensor * tensor) {
    return is_dense_floats(row) && ggml_nrows(row) == 1 && row->ne[0] == tensor->ne[0];
}

// Whether an operation overwrites its first operand, which then nobody else can want: the two may
// be computed as one.
static inline bool takes_over(const ggml_tensor * op, const ggml_tensor * operand) {
    return op->src[0] == operand && op->data == operand->data && ggml_are_same_shape(op, operand);
}
