// Attention over a batch of texts laid end to end, each of which sees only itself.
//
// The mask of such a batch is a chain of blocks on the diagonal. Each block is computed by itself,
// so that the cost follows the length of the texts and not the size of the batch.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ggml.h"
#include "products.h"
#include "tensors.h"

constexpr uint64_t FOUR_BLOCKED = 0xfc00fc00fc00fc00;  // minus infinity in half precision, 4 times

struct AttentionScratch {
    std::vector<float> keys, values, scores, row, conversion;
};

// Consecutive queries [start, end) that see no keys but [first, last).
struct Block {
    int64_t start, end, first, last;
    bool plain;  // every query sees every key, and the mask adds nothing
};

struct Sight {
    int64_t first, last;
    bool plain;
};

static inline uint64_t four(const ggml_fp16_t * from) {
    uint64_t bits;
    memcpy(&bits, from, sizeof bits);
    return bits;
}

// Which keys one query sees, from its row of the mask.
static Sight sight_of(const ggml_fp16_t * mask, int64_t keys) {
    constexpr ggml_fp16_t BLOCKED = FOUR_BLOCKED & 0xffff;
    int64_t first = 0, last = keys;
    while (first + 4 <= keys && four(mask + first) == FOUR_BLOCKED) first += 4;
    while (first < keys && mask[first] == BLOCKED) first++;
    while (last - 4 >= first && four(mask + last - 4) == FOUR_BLOCKED) last -= 4;
    while (last > first && mask[last - 1] == BLOCKED) last--;
    ggml_fp16_t any = 0;
    for (int64_t i = first; i < last; i++) any |= mask[i];
    return {first, last, any == 0};
}

static void clear(ggml_tensor * out, const Block & block) {
    for (int64_t query = block.start; query < block.end; query++) {
        memset((char *) out->data + query * out->nb[2], 0, out->nb[2]);
    }
}

static const ggml_fp16_t * mask_row(const ggml_tensor * mask, int64_t query) {
    return reinterpret_cast<const ggml_fp16_t *>((const char *) mask->data + query * mask->nb[1]);
}

constexpr int64_t AT_ONCE = 4 * ROWS;  // queries whose scores are in the cache together

// The block that begins at a query: those after it that see the same first key, or, where a window
// slides over the keys, a few whose windows overlap.
static Block block_at(const ggml_tensor * mask, int64_t start, int64_t queries, int64_t keys) {
    if (!mask) return {start, queries, 0, keys, true};
    const Sight head = sight_of(mask_row(mask, start), keys);
    Block block{start, start + 1, head.first, head.last, head.plain};
    for (; block.end < queries; block.end++) {
        const Sight next = sight_of(mask_row(mask, block.end), keys);
        const bool overlaps = next.first > block.first && next.first < block.last;
        if (next.first != block.first && !(overlaps && block.end - start < AT_ONCE)) break;
        block.plain = block.plain && next.plain && next.first == block.first &&
                      next.last == block.last;
        block.last = std::max(block.last, next.last);
    }
    return block;
}

// ALiBi's slope of a head, as in the paper (arxiv.org/abs/2108.12409) and in ggml; else 1.
static float slope_of(float max_bias, int64_t head, int64_t heads) {
    if (max_bias <= 0) return 1;
    const int64_t power_of_two = int64_t{1} << static_cast<int>(std::floor(std::log2(heads)));
    const bool regular = head < power_of_two;
    const float base = std::pow(2.0f, -(regular ? max_bias : max_bias / 2) / power_of_two);
    return std::pow(base, regular ? head + 1 : 2 * (head - power_of_two) + 1);
}

// Turn scores into weights that sum to 1; width is a multiple of LANES and at least n.
static void soft_max(float * scores, int64_t n, int64_t width, float scale,
                     const ggml_fp16_t * mask, float slope) {
    int64_t done = 0;
    for (; done + LANES <= n; done += LANES) {
        Floats some = load(scores + done) * all(scale);
        if (mask) some += all(slope) * load_halves(mask + done);
        store(scores + done, some);
    }
    for (; done < n; done++) {
        scores[done] *= scale;
        if (mask) scores[done] += slope * ggml_fp16_to_fp32(mask[done]);
    }
    std::fill(scores + n, scores + width, -INFINITY);
    Floats tops = load(scores);
    for (int64_t i = LANES; i < width; i += LANES) {
        const Floats some = load(scores + i);
        tops = some > tops ? some : tops;
    }
    const Floats top = all(largest(tops));
    Floats totals = {};
    for (int64_t i = 0; i < width; i += LANES) {
        const Floats some = load(scores + i);
        const Floats weight = some == all(-INFINITY) ? Floats{} : exponential(some - top);
        store(scores + i, weight);
        totals += weight;
    }
    const Floats share = all(1.0f / sum(totals));
    for (int64_t i = 0; i < width; i += LANES) store(scores + i, load(scores + i) * share);
}

static int64_t panels_of(int64_t columns) { return (columns + WIDTH - 1) / WIDTH; }

// The keys of one head as panels of head size x WIDTH.
static void pack_keys(const ggml_tensor * k, const Block & block, int64_t head,
                      AttentionScratch & scratch) {
    const int64_t size = k->ne[0], n = block.last - block.first;
    const char * rows = (const char *) k->data + block.first * k->nb[1] + head * k->nb[2];
    scratch.keys.resize(panels_of(n) * WIDTH * size);
    for (int64_t p = 0; p < panels_of(n); p++) {
        pack_panel(rows + p * WIDTH * k->nb[1], k->nb[1], k->type, size,
                   std::min<int64_t>(WIDTH, n - p * WIDTH), &scratch.keys[p * WIDTH * size],
                   scratch.conversion);
    }
}

// The values of one head as panels of keys x WIDTH.
static void pack_values(const ggml_tensor * v, const Block & block, int64_t head,
                        AttentionScratch & scratch) {
    const int64_t size = v->ne[0], n = block.last - block.first;
    const char * rows = (const char *) v->data + block.first * v->nb[1] + head * v->nb[2];
    scratch.values.assign(panels_of(size) * n * WIDTH, 0.0f);
    scratch.row.resize(size);
    for (int64_t i = 0; i < n; i++) {
        const float * row = as_floats(rows + i * v->nb[1], v->type, size, scratch.row.data());
        for (int64_t p = 0; p < panels_of(size); p++) {
            const int64_t some = std::min<int64_t>(WIDTH, size - p * WIDTH);
            std::copy_n(row + p * WIDTH, some, &scratch.values[(p * n + i) * WIDTH]);
        }
    }
}

struct Head {
    int64_t index;
    float scale, slope;
};

static void attend(ggml_tensor * out, const Block & block, const Head & head,
                   AttentionScratch & scratch) {
    const ggml_tensor *q = out->src[0], *mask = block.plain ? nullptr : out->src[3];
    const int64_t size = q->ne[0], value_size = out->src[2]->ne[0];
    const int64_t n = block.last - block.first, width = panels_of(n) * WIDTH;
    scratch.scores.resize(AT_ONCE * width);
    float * scores = scratch.scores.data();
    for (int64_t query = block.start; query < block.end; query += AT_ONCE) {
        const int64_t rows = std::min(AT_ONCE, block.end - query);
        const char * queries = (const char *) q->data + query * q->nb[1] + head.index * q->nb[2];
        for (int64_t p = 0; p < panels_of(n); p++) {
            multiply_panel(rows, size, (const float *) queries, q->nb[1] / sizeof(float),
                           &scratch.keys[p * WIDTH * size], scores + p * WIDTH, width, WIDTH);
        }
        for (int64_t i = 0; i < rows; i++) {
            soft_max(scores + i * width, n, width, head.scale,
                     mask ? mask_row(mask, query + i) + block.first : nullptr, head.slope);
        }
        char * to = (char *) out->data + head.index * out->nb[1] + query * out->nb[2];
        for (int64_t p = 0; p < panels_of(value_size); p++) {
            multiply_panel(rows, n, scores, width, &scratch.values[p * n * WIDTH],
                           (float *) to + p * WIDTH, out->nb[2] / sizeof(float),
                           std::min<int64_t>(WIDTH, value_size - p * WIDTH));
        }
    }
}

// GGML_OP_FLASH_ATTN_EXT: q [size, queries, heads], k and v [size, keys, heads / n], mask
// [keys, queries]; out [size, heads, queries].
static void attention(ggml_tensor * out, AttentionScratch & scratch) {
    const ggml_tensor *q = out->src[0], *k = out->src[1], *v = out->src[2];
    const int64_t queries = q->ne[1], heads = q->ne[2], shared_by = heads / k->ne[2];
    const float scale = parameter(out, 0), max_bias = parameter(out, 1);
    for (int64_t start = 0; start < queries;) {
        const Block block = block_at(out->src[3], start, queries, k->ne[1]);
        start = block.end;
        if (block.first == block.last) {  // as ggml does for a query that sees nothing
            clear(out, block);
            continue;
        }
        for (int64_t head = 0; head < heads; head++) {
            if (head % shared_by == 0) {
                pack_keys(k, block, head / shared_by, scratch);
                pack_values(v, block, head / shared_by, scratch);
            }
            attend(out, block, {head, scale, slope_of(max_bias, head, heads)}, scratch);
        }
    }
}
