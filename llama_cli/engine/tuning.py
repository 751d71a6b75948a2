"""How many contexts a run uses, with how many threads each, and how many tokens go into a batch.

The work of a token in a batch of ``n`` is taken as ``1 + fixed / n + growing * n``, in units of its
matrix products. What a batch costs however small it is (reading, unpacking, starting) is worth
``fixed`` tokens; ``growing`` is what each token costs the others: walking the mask of the whole
batch, or pushing activations out of the cache. The constants were fitted to the rates of
all-MiniLM-L6-v2 at 128 to 2,048 tokens a batch; docs/benchmarks/README.md has them.
"""

from __future__ import annotations

from dataclasses import dataclass

# Batches are multiples of this, and contexts never larger than the most unless a text is.
_STEP = 128
_MOST_ON_CPU = 1024
_MOST_ON_GPU = 4096

# While a GPU computes one batch the host fills the masks of others. Eight contexts were faster than
# four by a fifth in decoding alone, and slower in the whole engine (docs/gpu.md).
_CONTEXTS_ON_GPU = 4

# Texts in one decode; llama.cpp has no room for more sequences. Every number of texts is a power of
# two that divides this, and this every context's size: the process aborts when a context's batch is
# not a multiple of its sequences.
MAX_TEXTS = 256

# Recurrent models keep a state for each text that may be in a decode, whether it is or not. In all
# contexts together they may take so much.
_STATES_BYTES = 512 << 20

# Models beyond this size fill the cores with the products of one text, and several contexts of them
# would take much memory. They run on llama.cpp's own kernels, which several threads can share.
SMALL_MODEL_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run uses its device.

    Attributes:
        contexts: contexts on each device, which decode side by side.
        threads: CPU threads of each context.
        batch_tokens: tokens that a batch may have; a longer text has one of its own.
        batch_texts: texts that it may have.
    """

    contexts: int
    threads: int
    batch_tokens: int
    batch_texts: int = MAX_TEXTS


def make_plan(
    threads: int,
    model_bytes: int,
    width: int,
    *,
    on_gpu: bool,
    own_kernels: bool,
    state_bytes: int = 0,
) -> Plan:
    """The plan for a model and a device.

    Contexts of one thread each beat one context of many by 1.4 to 2.3 for small models, whose
    products are too short to be worth dividing.

    Args:
        threads: CPU threads in all.
        model_bytes: size of the model's weights.
        width: width of the model's hidden layers, in floats.
        on_gpu: whether the model is on a GPU.
        own_kernels: whether `llama_cli.engine.kernels.backend` are used.
        state_bytes: of a recurrent model's state of one text; 0 for other models.
    """
    tokens = best_batch_tokens(width, on_gpu=on_gpu, own_kernels=own_kernels)
    contexts = 1
    if model_bytes <= SMALL_MODEL_BYTES:
        contexts = min(_CONTEXTS_ON_GPU, threads) if on_gpu else threads
    if not state_bytes:
        return Plan(contexts, max(1, threads // contexts), tokens)
    contexts = max(1, min(contexts, _STATES_BYTES // state_bytes))
    fitting = max(1, min(MAX_TEXTS, _STATES_BYTES // (contexts * state_bytes)))
    return Plan(contexts, max(1, threads // contexts), tokens, 1 << fitting.bit_length() - 1)


def best_batch_tokens(width: int, *, on_gpu: bool, own_kernels: bool) -> int:
    """Tokens a batch for which a token's work is least."""
    if on_gpu:
        # A start of some 350 tokens' work, and the mask of the whole batch, made on the host:
        # measured with the default model only.
        fixed, growing, most = 350.0, 0.5 / width, _MOST_ON_GPU
    elif own_kernels:
        # Activations leave the cache the sooner, the wider they are.
        fixed, growing, most = 20.0, 1.6e-7 * width, _MOST_ON_CPU
    else:
        # Attention over the whole batch: n pairs for each token, against width products.
        fixed, growing, most = 60.0, 0.34 / width, _MOST_ON_CPU
    sizes = range(_STEP, most + 1, _STEP)
    return min(sizes, key=lambda tokens: fixed / tokens + growing * tokens)
