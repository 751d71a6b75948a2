// Operations that go over each token's row of floats.
#pragma once

#include <cmath>

#include "products.h"
#include "tensors.h"
#include "vectors.h"

static void apply_gelu(ggml_tensor * out) {
    if (out->data != out->src[0]->data) memcpy(out->data, out->src[0]->data, ggml_nbytes(out));
    finish_row(floats(out), ggml_nelements(out), {nullptr, true});
}

// Combine each row with that of another tensor, or with its only one.
template <class Combine> static void combine_rows(ggml_tensor * out, Combine combine) {
    const ggml_tensor *a = out->src[0], *b = out->src[1];
    const int64_t n = out->ne[0], rows = ggml_nrows(out);
    const int64_t step = ggml_nrows(b) == 1 ? 0 : n;
    for (int64_t row = 0; row < rows; row++) {
        const float *x = floats(a) + row * n, *y = floats(b) + row * step;
        float * to = floats(out) + row * n;
        for (int64_t i = 0; i < n; i++) to[i] = combine(x[i], y[i]);
    }
}

// A sum in as many parts as vectors have lanes, which also is more exact than one after another.
template <class Term> static float sum_of(int64_t n, Term term) {
    float parts[LANES] = {}, total = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int j = 0; j < LANES; j++) parts[j] += term(i + j);
    }
    for (; i < n; i++) total += term(i);
    for (float part : parts) total += part;
    return total;
}

// Mean 0 and variance 1 for each row of in; then times scale, plus shift, where there are any.
static void normalize(const ggml_tensor * in, float epsilon, const float * scale,
                      const float * shift, ggml_tensor * out) {
    const int64_t n = in->ne[0], rows = ggml_nrows(in);
    for (int64_t row = 0; row < rows; row++) {
        const float * x = floats(in) + row * n;
        float * to = floats(out) + row * n;
        const float mean = sum_of(n, [&](int64_t i) { return x[i]; }) / n;
        for (int64_t i = 0; i < n; i++) to[i] = x[i] - mean;
        const float variance = sum_of(n, [&](int64_t i) { return to[i] * to[i]; }) / n;
        const float factor = 1.0f / std::sqrt(variance + epsilon);
        if (scale && shift) {
            for (int64_t i = 0; i < n; i++) to[i] = to[i] * factor * scale[i] + shift[i];
        } else {
            for (int64_t i = 0; i < n; i++) to[i] *= scale ? factor * scale[i] : factor;
        }
    }
}
