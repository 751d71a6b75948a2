// Matrix products of activations (rows of floats, one a token) and weights (rows of any type).
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "ggml.h"
#include "tensors.h"
#include "vectors.h"

// A micro-kernel computes ROWS tokens times WIDTH outputs in registers.
#if defined(__AVX512F__)
constexpr int ROWS = 12, VECTORS = 2;
#elif defined(__ARM_NEON)
constexpr int ROWS = 8, VECTORS = 2;
#else
constexpr int ROWS = 6, VECTORS = 2;  // of 16 registers
#endif
constexpr int WIDTH = VECTORS * LANES;

// What happens to a product before it is stored.
struct Epilogue {
    const float * bias = nullptr;  // one float for each output
    bool gelu = false;
};

// x / (1 + exp(-2u)) is x * (1 + tanh(u)) / 2, the form of GELU that ggml computes.
static inline Floats gelu(Floats x) {
    const Floats u = x * all(0.79788456080286536f) * (all(1.0f) + all(0.044715f) * x * x);
    return x / (all(1.0f) + exponential(all(-2.0f) * u));
}

using Kernel = void (*)(int64_t, const float *, int64_t, const float *, float *, int64_t, int,
                        const Epilogue &);

// R rows of x (depth floats each, x_stride apart) times a panel (depth x WIDTH) into out.
template <int R>
static void multiply(int64_t depth, const float * x, int64_t x_stride, const float * panel,
                     float * out, int64_t out_stride, int outputs, const Epilogue & epilogue) {
    Floats sums[R][VECTORS] = {};
    for (int64_t k = 0; k < depth; k++) {
        Floats weights[VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; j++) weights[j] = load(panel + k * WIDTH + j * LANES);
#pragma GCC unroll 16
        for (int i = 0; i < R; i++) {
            const Floats value = all(x[i * x_stride + k]);
#pragma GCC unroll 4
            for (int j = 0; j < VECTORS; j++) sums[i][j] += value * weights[j];
        }
    }
    float bias[WIDTH] = {};
    if (epilogue.bias) memcpy(bias, epilogue.bias, outputs * sizeof(float));
#pragma GCC unroll 16
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
        for (int j = 0; j < VECTORS; j++) {
            sums[i][j] += load(bias + j * LANES);
            if (epilogue.gelu) sums[i][j] = gelu(sums[i][j]);
            if (outputs == WIDTH) store(out + i * out_stride + j * LANES, sums[i][j]);
        }
    }
    if (outputs < WIDTH) {
        for (int i = 0; i < R; i++) memcpy(out + i * out_stride, sums[i], outputs * sizeof(float));
    }
}

template <int... I>
static constexpr std::array<Kernel, sizeof...(I)> kernels_of(std::integer_sequence<int, I...>) {
    return {multiply<I + 1>...};
}
static constexpr auto KERNELS = kernels_of(std::make_integer_sequence<int, ROWS>());

// All rows of x times one panel of weights; outputs (at most WIDTH) of it are stored.
static void multiply_panel(int64_t rows, int64_t depth, const float * x, int64_t x_stride,
                           const float * panel, float * out, int64_t out_stride, int outputs,
                           const Epilogue & epilogue = {}) {
    for (int64_t row = 0; row < rows; row += ROWS) {
        const int some = std::min<int64_t>(ROWS, rows - row);
        KERNELS[some - 1](depth, x + row * x_stride, x_stride, panel, out + row * out_stride,
                          out_stride, outputs, epilogue);
    }
}

// The epilogue of a row that is stored already.
static void finish_row(float * row, int64_t n, const Epilogue & epilogue) {
    if (epilogue.bias) {
        for (int64_t i = 0; i < n; i++) row[i] += epilogue.bias[i];
    }
    int64_t i = 0;
    for (; epilogue.gelu && i + LANES <= n; i += LANES) store(row + i, gelu(load(row + i)));
    if (epilogue.gelu && i < n) {
        Floats last = {};
        memcpy(&last, row + i, (n - i) * sizeof(float));
        last = gelu(last);
        memcpy(row + i, &last, (n - i) * sizeof(float));
    }
}

// A row of any ggml type as floats: in place if it is one of floats, else converted to scratch.
static const float * as_floats(const char * row, ggml_type type, int64_t n, float * scratch) {
    if (type == GGML_TYPE_F32) return reinterpret_cast<const float *>(row);
    int64_t done = 0;
    if (type == GGML_TYPE_F16) {
        const auto * halves = reinterpret_cast<const ggml_fp16_t *>(row);
        for (; done + LANES <= n; done += LANES) store(scratch + done, load_halves(halves + done));
        ggml_fp16_to_fp32_row(halves + done, scratch + done, n - done);
    } else {
        ggml_get_type_traits(type)->to_float(row, scratch, n);
    }
    return scratch;
}

// Lay up to WIDTH rows out as a panel: depth x WIDTH, missing rows as zeros.
static void pack_panel(const char * rows, size_t stride, ggml_type type, int64_t depth, int count,
                       float * panel, std::vector<float> & scratch) {
    scratch.resize(LANES * depth);
    for (int first = 0; first < WIDTH; first += LANES) {
        const float * source[LANES];
        for (int i = 0; i < LANES; i++) {
            float * converted = scratch.data() + i * depth;
            if (first + i < count) {
                source[i] = as_floats(rows + (first + i) * stride, type, depth, converted);
            } else {
                std::fill_n(converted, depth, 0.0f);
                source[i] = converted;
            }
        }
        int64_t k = 0;
        for (; k + LANES <= depth; k += LANES) {
            Floats square[LANES];
            for (int i = 0; i < LANES; i++) square[i] = load(source[i] + k);
            transpose(square);
            for (int i = 0; i < LANES; i++) store(panel + (k + i) * WIDTH + first, square[i]);
        }
        for (; k < depth; k++) {
            for (int i = 0; i < LANES; i++) panel[k * WIDTH + first + i] = source[i][k];
        }
    }
}

struct ProductScratch {
    std::vector<float> panel, conversion;
};

// GGML_OP_MUL_MAT: weights [depth, outputs], x [depth, rows].
static void multiply(const ggml_tensor * weights, const ggml_tensor * x, float * out,
                     const Epilogue & epilogue, ProductScratch & scratch) {
    const int64_t depth = weights->ne[0], outputs = weights->ne[1], rows = x->ne[1];
    scratch.panel.resize(depth * WIDTH);
    for (int64_t first = 0; first < outputs; first += WIDTH) {
        const int some = std::min<int64_t>(WIDTH, outputs - first);
        pack_panel((const char *) weights->data + first * weights->nb[1], weights->nb[1],
                   weights->type, depth, some, scratch.panel.data(), scratch.conversion);
        Epilogue here = epilogue;
        if (here.bias) here.bias += first;
        multiply_panel(rows, depth, floats(x), depth, scratch.panel.data(), out + first, outputs,
                       some, here);
    }
}
