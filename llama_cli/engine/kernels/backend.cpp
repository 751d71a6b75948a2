// A ggml backend for what embedding spends its time on: matrix products with the weights, attention
// over texts laid end to end, GELU and layer norms. llama.cpp's scheduler gives it the operations
// that it says it supports, and everything else to its own CPU backend; tensors stay where they are.
//
// One thread computes; use several contexts for several cores. Built by build.py.

#include <new>

#include "ggml-backend-impl.h"
#include "ggml-backend.h"
#include "ggml.h"

#include "attention.h"
#include "products.h"
#include "rows.h"
#include "tensors.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

constexpr const char * NAME = "EMBED";

struct Scratch {
    ProductScratch product;
    AttentionScratch attention;
};

// --- Computing a graph -------------------------------------------------------------------------

class Nodes {
  public:
    Nodes(ggml_cgraph * graph) : graph_(graph) {}
    bool done() const { return at_ >= ggml_graph_n_nodes(graph_); }
    ggml_tensor * take() { return ggml_graph_node(graph_, at_++); }

    // Take the next node too if it is that operation, done in place on the one before.
    ggml_tensor * take_if(ggml_op op, const ggml_tensor * operand) {
        if (done()) return nullptr;
        ggml_tensor * next = ggml_graph_node(graph_, at_);
        if (next->op != op || !takes_over(next, operand)) return nullptr;
        if (!(next->flags & GGML_TENSOR_FLAG_COMPUTE)) return nullptr;
        at_++;
        return next;
    }
    ggml_tensor * take_if_row(ggml_op op, const ggml_tensor * operand) {
        if (done()) return nullptr;
        const ggml_tensor * next = ggml_graph_node(graph_, at_);
        const bool fits = next->op == op && is_row_for(next->src[1], operand);
        return fits ? take_if(op, operand) : nullptr;
    }

  private:
    ggml_cgraph * graph_;
    int at_ = 0;
};

void compute_product(ggml_tensor * node, Nodes & nodes, ProductScratch & scratch) {
    const ggml_tensor *weights = node->src[0], *x = node->src[1];
    Epilogue epilogue;
    const ggml_tensor * last = node;
    if (const ggml_tensor * add = nodes.take_if_row(GGML_OP_ADD, node)) {
        epilogue.bias = floats(add->src[1]);
        last = add;
    }
    if (nodes.take_if(GGML_OP_UNARY, last)) epilogue.gelu = true;  // no other is supported
    multiply(weights, x, floats(node), epilogue, scratch);
}

void compute_norm(ggml_tensor * node, Nodes & nodes) {
    const ggml_tensor * scale = nodes.take_if_row(GGML_OP_MUL, node);
    const ggml_tensor * shift = scale ? nodes.take_if_row(GGML_OP_ADD, scale) : nullptr;
    normalize(node->src[0], parameter(node, 0), scale ? floats(scale->src[1]) : nullptr,
              shift ? floats(shift->src[1]) : nullptr, node);
}

void compute_all(ggml_cgraph * graph, Scratch & scratch) {
    for (Nodes nodes(graph); !nodes.done();) {
        ggml_tensor * node = nodes.take();
        if (!(node->flags & GGML_TENSOR_FLAG_COMPUTE)) continue;
        switch (node->op) {
            case GGML_OP_MUL_MAT: compute_product(node, nodes, scratch.product); break;
            case GGML_OP_FLASH_ATTN_EXT: attention(node, scratch.attention); break;
            case GGML_OP_NORM: compute_norm(node, nodes); break;
            case GGML_OP_UNARY: apply_gelu(node); break;
            case GGML_OP_ADD: combine_rows(node, [](float a, float b) { return a + b; }); break;
            case GGML_OP_MUL: combine_rows(node, [](float a, float b) { return a * b; }); break;
            default: break;  // views of other tensors
        }
    }
}

ggml_status compute(ggml_backend_t backend, ggml_cgraph * graph) {
    try {
        compute_all(graph, *static_cast<Scratch *>(backend->context));
        return GGML_STATUS_SUCCESS;
    } catch (const std::bad_alloc &) {  // llama.cpp is not made for exceptions
        return GGML_STATUS_ALLOC_FAILED;
    }
}

// --- What is supported -------------------------------------------------------------------------

bool supports_product(const ggml_tensor * op) {
    const ggml_tensor *weights = op->src[0], *x = op->src[1];
    return ggml_is_contiguous(weights) && ggml_is_matrix(weights) && ggml_is_matrix(x) &&
           is_dense_floats(x) && is_dense_floats(op) &&
           (weights->type == GGML_TYPE_F32 || ggml_get_type_traits(weights->type)->to_float);
}

bool supports_attention(const ggml_tensor * op) {
    const ggml_tensor *q = op->src[0], *k = op->src[1], *v = op->src[2], *mask = op->src[3];
    const auto readable = [](const ggml_tensor * t) {
        return t->ne[3] == 1 && t->nb[0] == ggml_type_size(t->type) &&
               (t->type == GGML_TYPE_F32 || t->type == GGML_TYPE_F16);
    };
    const bool capped = parameter(op, 2) != 0, has_sinks = op->src[4] != nullptr;
    return !capped && !has_sinks && q->type == GGML_TYPE_F32 && readable(q) && readable(k) &&
           readable(v) && is_dense_floats(op) && k->ne[2] == v->ne[2] &&
           (!mask || (mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 && mask->ne[3] == 1 &&
                      mask->nb[0] == sizeof(ggml_fp16_t)));
}

bool supports(ggml_backend_dev_t, const ggml_tensor * op) {
    const ggml_tensor *a = op->src[0], *b = op->src[1];
    switch (op->op) {
        case GGML_OP_NONE:
        case GGML_OP_RESHAPE:
        case GGML_OP_VIEW:
        case GGML_OP_PERMUTE:
        case GGML_OP_TRANSPOSE: return true;
        case GGML_OP_MUL_MAT: return supports_product(op);
        case GGML_OP_FLASH_ATTN_EXT: return supports_attention(op);
        case GGML_OP_NORM: return is_dense_floats(a) && is_dense_floats(op);
        case GGML_OP_UNARY:
            return ggml_get_unary_op(op) == GGML_UNARY_OP_GELU && is_dense_floats(a) &&
                   is_dense_floats(op);
        case GGML_OP_ADD:
        case GGML_OP_MUL:
            return is_dense_floats(a) && is_dense_floats(op) && is_dense_floats(b) &&
                   (is_row_for(b, a) || ggml_are_same_shape(a, b));
        default: return false;
    }
}

// --- ggml's interface --------------------------------------------------------------------------

const char * backend_name(ggml_backend_t) { return NAME; }

void free_backend(ggml_backend_t backend) {
    delete static_cast<Scratch *>(backend->context);
    delete backend;
}

ggml_guid_t guid() {
    static ggml_guid id = {0x6c, 0x6c, 0x61, 0x6d, 0x61, 0x2d, 0x63, 0x6c,
                           0x69, 0x2d, 0x65, 0x6d, 0x62, 0x65, 0x64, 0x01};
    return &id;
}

ggml_backend_t make_backend(ggml_backend_dev_t device, const char *) {
    ggml_backend_i functions = {};
    functions.get_name = backend_name;
    functions.free = free_backend;
    functions.graph_compute = compute;
    return new ggml_backend{guid(), functions, device, new Scratch};
}

const char * device_name(ggml_backend_dev_t) { return NAME; }
const char * device_description(ggml_backend_dev_t) { return "kernels for embedding"; }
void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) { *free = *total = 0; }
enum ggml_backend_dev_type device_type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_ACCEL; }

void device_properties(ggml_backend_dev_t device, ggml_backend_dev_props * properties) {
    *properties = {};
    properties->name = device_name(device);
    properties->description = device_description(device);
    properties->type = device_type(device);
}

ggml_backend_buffer_type_t device_buffers(ggml_backend_dev_t) {
    return ggml_backend_cpu_buffer_type();
}

bool supports_buffers(ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
    return ggml_backend_buft_is_host(type);
}

const char * registry_name(ggml_backend_reg_t) { return NAME; }
size_t device_count(ggml_backend_reg_t) { return 1; }

ggml_backend_dev_t get_device(ggml_backend_reg_t registry, size_t) {
    static ggml_backend_device device = [registry] {
        ggml_backend_device made = {};
        made.iface.get_name = device_name;
        made.iface.get_description = device_description;
        made.iface.get_memory = device_memory;
        made.iface.get_type = device_type;
        made.iface.get_props = device_properties;
        made.iface.init_backend = make_backend;
        made.iface.get_buffer_type = device_buffers;
        made.iface.supports_op = supports;
        made.iface.supports_buft = supports_buffers;
        made.reg = registry;
        return made;
    }();
    return &device;
}

}  // namespace

EXPORTED ggml_backend_reg_t ggml_backend_init() {
    static ggml_backend_reg registry = [] {
        ggml_backend_reg made = {};
        made.api_version = GGML_BACKEND_API_VERSION;
        made.iface.get_name = registry_name;
        made.iface.get_device_count = device_count;
        made.iface.get_device = get_device;
        return made;
    }();
    return &registry;
}

// One product of float matrices: out[rows][outputs] = x[rows][depth] times the transpose of
// weights[outputs][depth].
EXPORTED void embed_kernels_multiply(const float * weights, const float * x, float * out,
                                     int64_t rows, int64_t depth, int64_t outputs) {
    const auto matrix = [depth](const float * values, int64_t count) {
        ggml_tensor made = {};
        made.type = GGML_TYPE_F32;
        made.data = const_cast<float *>(values);
        const size_t stride = depth * sizeof(float);
        const int64_t sizes[] = {depth, count, 1, 1};
        const size_t strides[] = {sizeof(float), stride, stride * count, stride * count};
        std::copy_n(sizes, 4, made.ne);
        std::copy_n(strides, 4, made.nb);
        return made;
    };
    const ggml_tensor w = matrix(weights, outputs), activations = matrix(x, rows);
    ProductScratch scratch;
    multiply(&w, &activations, out, {}, scratch);
}
