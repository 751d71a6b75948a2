// The widest float vectors that the target CPU has, in the vector extension of GCC and Clang.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__) || defined(__F16C__)
#include <immintrin.h>
#endif

#include "ggml.h"

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;  // SSE, NEON
#endif

typedef float Floats __attribute__((vector_size(LANES * 4), aligned(4)));
typedef int32_t Ints __attribute__((vector_size(LANES * 4), aligned(4)));

static inline Floats load(const float * from) { return *reinterpret_cast<const Floats *>(from); }
static inline void store(float * to, Floats values) { *reinterpret_cast<Floats *>(to) = values; }
static inline Floats all(float value) { return value - Floats{}; }

// LANES half-precision numbers, widened.
static inline Floats load_halves(const ggml_fp16_t * from) {
#if defined(__AVX512F__)
    return (Floats) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) from));
#elif defined(__F16C__)
    return (Floats) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) from));
#else
    float wide[LANES];
    ggml_fp16_to_fp32_row(from, wide, LANES);
    return load(wide);
#endif
}

static inline float sum(Floats values) {
    float total = 0;
    for (int i = 0; i < LANES; i++) total += values[i];
    return total;
}

static inline float largest(Floats values) {
    float most = values[0];
    for (int i = 1; i < LANES; i++) most = values[i] > most ? values[i] : most;
    return most;
}

// e to the power of each lane, to about 1e-7 of its value. The argument is split into n * log(2)
// and a rest, for which a polynomial serves; constants as in Cephes' expf (netlib.org/cephes).
static inline Floats exponential(Floats x) {
    x = x > all(88.0f) ? all(88.0f) : x;
    x = x < all(-87.0f) ? all(-87.0f) : x;
    const Floats rounder = all(12582912.0f);  // 1.5 * 2**23: adding it leaves an integer
    const Floats shifted = x * all(1.44269504f) + rounder;
    const Floats n = shifted - rounder;
    const Floats rest = x - n * all(0.693359375f) - n * all(-2.12194440e-4f);
    Floats p = all(1.9875691500e-4f);
    p = p * rest + all(1.3981999507e-3f);
    p = p * rest + all(8.3334519073e-3f);
    p = p * rest + all(4.1665795894e-2f);
    p = p * rest + all(1.6666665459e-1f);
    p = p * rest + all(5.0000001201e-1f);
    p = p * (rest * rest) + rest + all(1.0f);
    const Ints power = ((Ints) shifted << 23) + (Ints{} + 0x3f800000);
    return p * (Floats) power;
}

// Lanes of two vectors: lane i of the result is lane pick(i) of a, or pick(i) - LANES of b.
template <class Pick, int... I>
static inline Floats shuffled(Floats a, Floats b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, Pick::lane(I)...);
#else
    return __builtin_shuffle(a, b, Ints{Pick::lane(I)...});
#endif
}

template <int S> struct EvenBlocks {
    static constexpr int lane(int i) { return i & S ? LANES + i - S : i; }
};
template <int S> struct OddBlocks {
    static constexpr int lane(int i) { return i & S ? LANES + i : i + S; }
};

template <int S> static inline void transpose_step(Floats (&rows)[LANES]) {
    const auto lanes = std::make_integer_sequence<int, LANES>();
    for (int i = 0; i < LANES; i++) {
        if (i & S) continue;
        const Floats a = rows[i], b = rows[i + S];
        rows[i] = shuffled<EvenBlocks<S>>(a, b, lanes);
        rows[i + S] = shuffled<OddBlocks<S>>(a, b, lanes);
    }
}

// Transpose a square of floats in registers, by swapping blocks of 1, 2, 4, ... lanes.
static inline void transpose(Floats (&rows)[LANES]) {
    transpose_step<1>(rows);
    transpose_step<2>(rows);
    if constexpr (LANES > 4) transpose_step<4>(rows);
    if constexpr (LANES > 8) transpose_step<8>(rows);
}
