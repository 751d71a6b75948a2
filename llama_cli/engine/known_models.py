"""What is known of models beyond what their files say: prompts, and what is truncated.

Each entry of the table is as the sources named in it say, and no other way. Cards on the Hub are
https://huggingface.co/ and the model's name. Prompts are to the letter, with the space or line end
that separates them from the text. Models finetuned from these are not these.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from llama_cli.engine.options import EmbedderOptions, Task
from llama_cli.errors import UsageError

log = logging.getLogger(__name__)

# What follows a model's name in those of its files: the type of weights, the part, the tool.
_ENDINGS = re.compile(
    r"(?:[-.](?:gguf|ggml|model|qat|unquantized|imat(?:rix)?|i1|ud|bf16|fp?16|fp?32|[0-9]{5}-of-[0-9]{5}"
    r"|(?:i?q|tq)[0-9](?:-(?:[0-9]|k|nl|xxs|xs|s|m|l|xl))*))+$"
)


@dataclass(frozen=True, slots=True)
class Matryoshka:
    """How the vectors of a model that was trained for it may be truncated.

    Attributes:
        widths: those that its documentation names, the full one aside; empty where it takes any.
        least: the narrowest of those it takes, where it takes any.
        layer_norm: whether vectors are layer-normalized before that.
    """

    widths: tuple[int, ...] = ()
    least: int = 0
    layer_norm: bool = False

    def covers(self, width: int) -> bool:
        """Whether its documentation names this width."""
        return width in self.widths if self.widths else width >= self.least

    def __str__(self) -> str:
        if not self.widths:
            return f"any width from {self.least}"
        *wider, narrowest = map(str, self.widths)
        return f"{', '.join(wider)} or {narrowest}" if wider else narrowest


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model, or a family of them, with what its documentation says.

    Attributes:
        name: what it is called.
        owner: who has it on the Hugging Face Hub.
        pattern: a regular expression for its names as `plain_name` gives them.
        document: what goes before texts that are to be found.
        query: what goes before questions.
        matryoshka: how its vectors may be truncated; None where nothing is said of that.
        max_length: tokens at which its authors truncate, where that is less than it could read.
        has_dense_layers: whether dense layers follow its pooling.
        sources: where all this is written.
    """

    name: str
    owner: str
    pattern: str
    document: str = ""
    query: str = ""
    matryoshka: Matryoshka | None = None
    max_length: int | None = None
    has_dense_layers: bool = False
    sources: tuple[str, ...] = ()

    @property
    def wants_prompt(self) -> bool:
        """Whether no text of any kind is to go without a prompt."""
        return bool(self.document and self.query)

    def is_called(self, name: str) -> bool:
        """Whether it goes by this name, which may have its owner's before it."""
        owner = plain_name(self.owner)
        return re.fullmatch(f"(?:{owner}-)?(?:{self.pattern})", plain_name(name)) is not None

    def prompt(self, task: Task) -> str:
        """What goes before each text."""
        return self.document if task == "document" else self.query


def plain_name(name: str) -> str:
    """A model's name as all its spellings have it in common: ``Bge M3_F16`` is ``bge-m3``."""
    last = name.strip().rpartition("/")[2].lower()
    return _ENDINGS.sub("", re.sub(r"[\s_]+", "-", last))


_HUB = "https://huggingface.co"
_MTEB = (
    "https://github.com/embeddings-benchmark/mteb/blob/main/mteb/models/model_implementations/{}.py"
)
_BGE = "https://github.com/FlagOpen/FlagEmbedding/blob/master/research/baai_general_embedding/README.md"
_BGE_LIST = "https://github.com/FlagOpen/FlagEmbedding/blob/master/README.md#model-list"
_GRANITE = "https://github.com/ibm-granite/granite-embedding-models"

_SEARCH = "Represent this sentence for searching relevant passages: "
# The documentation's own example of an instruction. Others are given as the prompt.
_INSTRUCTION = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
)

KNOWN_MODELS = (
    KnownModel(
        name="nomic-embed-text-v1",
        owner="nomic-ai",
        pattern=r"nomic-embed-text-v1",
        document="search_document: ",
        query="search_query: ",
        sources=(f"{_HUB}/nomic-ai/nomic-embed-text-v1", _MTEB.format("nomic_models")),
    ),
    KnownModel(
        name="nomic-embed-text-v1.5",
        owner="nomic-ai",
        pattern=r"nomic-embed-text-v1\.5",
        document="search_document: ",
        query="search_query: ",
        matryoshka=Matryoshka(least=64, layer_norm=True),
        sources=(
            f"{_HUB}/nomic-ai/nomic-embed-text-v1.5",
            "https://home.nomic.ai/blog/posts/nomic-embed-matryoshka",
            f"{_HUB}/blog/matryoshka",  # layer_norm before truncation
        ),
    ),
    KnownModel(
        name="nomic-embed-text-v2-moe",
        owner="nomic-ai",
        pattern=r"nomic-embed-text-v2-moe",
        document="search_document: ",
        query="search_query: ",
        matryoshka=Matryoshka(least=256),
        sources=(f"{_HUB}/nomic-ai/nomic-embed-text-v2-moe",),
    ),
    KnownModel(
        name="e5-small, -base, -large and their v2",
        owner="intfloat",
        pattern=r"e5-(?:small|base|large)(?:-v2)?",
        document="passage: ",
        query="query: ",
        sources=(f"{_HUB}/intfloat/e5-base-v2",),
    ),
    KnownModel(
        name="multilingual-e5-small, -base, -large",
        owner="intfloat",
        pattern=r"multilingual-e5-(?:small|base|large)",
        document="passage: ",
        query="query: ",
        sources=(f"{_HUB}/intfloat/multilingual-e5-large",),
    ),
    KnownModel(
        name="multilingual-e5-large-instruct",
        owner="intfloat",
        pattern=r"multilingual-e5-large-instruct",
        query=f"{_INSTRUCTION}Query: ",
        sources=(
            f"{_HUB}/intfloat/multilingual-e5-large-instruct",
            _MTEB.format("e5_instruct"),
        ),
    ),
    KnownModel(
        name="e5-mistral-7b-instruct",
        owner="intfloat",
        pattern=r"e5-mistral-7b-instruct",
        query=f"{_INSTRUCTION}Query: ",
        sources=(f"{_HUB}/intfloat/e5-mistral-7b-instruct", _MTEB.format("e5_instruct")),
    ),
    KnownModel(
        name="bge-small-en, -base-en, -large-en and their v1.5",
        owner="BAAI",
        pattern=r"bge-(?:small|base|large)-en(?:-v1\.5)?",
        query=_SEARCH,
        sources=(_BGE, _BGE_LIST),
    ),
    KnownModel(
        name="bge-small-zh, -base-zh, -large-zh and their v1.5",
        owner="BAAI",
        pattern=r"bge-(?:small|base|large)-zh(?:-v1\.5)?",
        query="为这个句子生成表示以用于检索相关文章：",
        sources=(_BGE, _BGE_LIST),
    ),
    KnownModel(
        name="bge-m3",
        owner="BAAI",
        pattern=r"bge-m3",
        sources=(
            "https://github.com/FlagOpen/FlagEmbedding/blob/master/research/BGE_M3/README.md",
        ),
    ),
    KnownModel(
        name="Qwen3-Embedding-0.6B, -4B, -8B",
        owner="Qwen",
        pattern=r"qwen3-embedding-(?:0\.6b|4b|8b)",
        query=f"{_INSTRUCTION}Query:",
        matryoshka=Matryoshka(least=32),
        sources=(f"{_HUB}/Qwen/Qwen3-Embedding-0.6B", _MTEB.format("qwen3_models")),
    ),
    KnownModel(
        name="embeddinggemma-300m",
        owner="google",
        pattern=r"embedding-?gemma-300m",
        document="title: none | text: ",
        query="task: search result | query: ",
        matryoshka=Matryoshka(widths=(512, 256, 128)),
        has_dense_layers=True,
        sources=(
            "https://ai.google.dev/gemma/docs/embeddinggemma/model_card",
            "https://github.com/huggingface/transformers/blob/main/src/transformers/models/gemma3/"
            "convert_gemma3_weights.py",
        ),
    ),
    KnownModel(
        name="mxbai-embed-large-v1",
        owner="mixedbread-ai",
        pattern=r"mxbai-embed-large-v1",
        query=_SEARCH,
        matryoshka=Matryoshka(widths=(512,)),
        sources=(
            f"{_HUB}/mixedbread-ai/mxbai-embed-large-v1",
            "https://mixedbread.ai/docs/embeddings/mxbai-embed-large-v1",
        ),
    ),
    KnownModel(
        name="snowflake-arctic-embed-xs, -s, -m, -m-long, -l",
        owner="Snowflake",
        pattern=r"snowflake-arctic-embed-(?:xs|s|m|m-long|l)",
        query=_SEARCH,
        sources=("https://github.com/Snowflake-Labs/arctic-embed",),
    ),
    KnownModel(
        name="snowflake-arctic-embed-m-v1.5",
        owner="Snowflake",
        pattern=r"snowflake-arctic-embed-m-v1\.5",
        query=_SEARCH,
        matryoshka=Matryoshka(widths=(256,)),
        sources=(
            f"{_HUB}/Snowflake/snowflake-arctic-embed-m-v1.5",
            _MTEB.format("arctic_models"),
        ),
    ),
    KnownModel(
        name="snowflake-arctic-embed-m-v2.0, -l-v2.0",
        owner="Snowflake",
        pattern=r"snowflake-arctic-embed-[ml]-v2\.0",
        query="query: ",
        matryoshka=Matryoshka(widths=(256,)),
        sources=(f"{_HUB}/Snowflake/snowflake-arctic-embed-l-v2.0",),
    ),
    KnownModel(
        name="granite-embedding-30m-english, -125m-english, -107m-multilingual, "
        "-278m-multilingual, -97m-multilingual-r2",
        owner="ibm-granite",
        pattern=r"granite-embedding-(?:(?:30|125)m-english|(?:107|278)m-multilingual"
        r"|97m-multilingual-r2)",
        sources=(_GRANITE, f"{_GRANITE}/blob/main/code/multilingual_r2_examples.ipynb"),
    ),
    KnownModel(
        name="granite-embedding-311m-multilingual-r2",
        owner="ibm-granite",
        pattern=r"granite-embedding-311m-multilingual-r2",
        matryoshka=Matryoshka(widths=(512, 384, 256, 128)),
        sources=(f"{_GRANITE}/blob/main/code/multilingual_r2_examples.ipynb",),
    ),
    KnownModel(
        name="jina-embeddings-v4-text-retrieval, -text-code",
        owner="jinaai",
        pattern=r"jina-embeddings-v4-text-(?:retrieval|code)",
        document="Passage: ",
        query="Query: ",
        sources=(f"{_HUB}/jinaai/jina-embeddings-v4-text-code-GGUF",),
    ),
    KnownModel(
        name="all-MiniLM-L6-v2",
        owner="sentence-transformers",
        pattern=r"all-minilm-l6-v2",
        max_length=256,
        sources=(f"{_HUB}/sentence-transformers/all-MiniLM-L6-v2",),
    ),
    KnownModel(
        name="all-MiniLM-L12-v2, paraphrase-MiniLM-L3-v2, -L6-v2, -L12-v2, "
        "paraphrase-multilingual-MiniLM-L12-v2",
        owner="sentence-transformers",
        pattern=r"all-minilm-l12-v2|paraphrase-minilm-l(?:3|6|12)-v2"
        r"|paraphrase-multilingual-minilm-l12-v2",
        max_length=128,
        sources=(  # and the file sentence_bert_config.json of each
            f"{_HUB}/sentence-transformers/all-MiniLM-L12-v2",
            f"{_HUB}/sentence-transformers/paraphrase-MiniLM-L6-v2",
            f"{_HUB}/sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
        ),
    ),
)


def find_known(*names: str) -> KnownModel | None:
    """The model that goes by one of these names, the first of them first; None if it is unknown."""
    for name in names:
        for model in KNOWN_MODELS:
            if model.is_called(name):
                return model
    return None


def resolve_prompt(name: str, known: KnownModel | None, options: EmbedderOptions) -> str:
    """The prompt that goes before each text; warns where one is missing.

    Args:
        name: the model's, for messages.
        known: what is known of it.
        options: of the run.

    Raises:
        UsageError: a task was named, and the model's prompts are not known.
    """
    if options.task is None:
        if options.prompt is None and known is not None and known.wants_prompt:
            log.warning(
                "%s wants a prompt before each text: `task=document` for texts to be found, "
                "`task=query` for questions; without it the vectors fit less well",
                name,
            )
        return options.prompt or ""
    if known is None:
        raise UsageError(
            f"`task={options.task}`: the prompts of {name} are not known",
            hint="give the one that the model's own documentation says with `prompt=TEXT`",
            option="task",
        )
    return known.prompt(options.task)


def warn_of_truncation(name: str, known: KnownModel | None, width: int) -> None:
    """Warn where the model was not trained for vectors truncated to ``width``."""
    if known is None or known.matryoshka is None:
        log.warning(
            "`dims=%d`: %s is not known to be trained for truncated vectors (Matryoshka); "
            "they may fit much less well",
            width,
            name,
        )
    elif not known.matryoshka.covers(width):
        log.warning(
            "`dims=%d`: %s is documented for vectors truncated to %s; others may fit less well",
            width,
            name,
            known.matryoshka,
        )
