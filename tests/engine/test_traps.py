"""Each way in which llama.cpp gives plausible but wrong vectors, or takes the process down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from llama_cli.engine import tuning
from llama_cli.engine.embedder import LlamaEmbedder
from llama_cli.engine.library import llama_cpp
from llama_cli.engine.model import Model
from llama_cli.engine.native_tokenizer import NativeTokenizer
from llama_cli.engine.options import ClosingToken
from llama_cli.engine.tokenizer import Tokenizer
from llama_cli.engine.vocabulary import complete_frame
from llama_cli.errors import (
    EngineError,
    LlamaCliError,
    ModelError,
    TextTooLongError,
    UsageError,
)
from tests.conftest import CPU, cosines, embed_all, open_embedder
from tests.tiny_models import rewrite, write_bert, write_causal, write_lfm2, write_t5

SPM_EOS = 2
LONG = "water time " * 200


def tokens(path: Path, text: str, max_length: int = 64, closes: ClosingToken = "auto") -> list[int]:
    with Model(path, CPU) as model:
        return Tokenizer(model, max_length, closes=closes).tokenize(text.encode()).ids.tolist()


class TestCutting:
    @pytest.mark.parametrize("kind", ["tiny_bert", "tiny_causal"])
    def test_the_closing_token_stays(self, kind: str, request: pytest.FixtureRequest) -> None:
        path = request.getfixturevalue(kind)
        whole, cut = tokens(path, "water time"), tokens(path, LONG, max_length=16)
        assert len(cut) == 16
        assert cut[-1] == whole[-1]
        assert cut[:-1] == tokens(path, LONG)[:15]

    def test_a_text_of_exactly_the_limit_is_not_cut(self, tiny_bert: Path) -> None:
        with open_embedder(tiny_bert, max_length=12) as embedder:
            result = embed_all(embedder, ["water " * 10, "water " * 11])
        assert result.lengths == [12, 12]
        assert result.truncated == 1

    def test_error_instead_of_cutting_names_the_line(self, tiny_bert: Path) -> None:
        with (
            open_embedder(tiny_bert, on_long="error") as embedder,
            pytest.raises(TextTooLongError, match="line 3: .* more than 64 tokens"),
        ):
            embed_all(embedder, ["a", "b", LONG])

    def test_limit_beyond_the_trained_context_is_refused(self, tiny_bert: Path) -> None:
        with (
            pytest.raises(UsageError, match="`max_length=65`: .* at most 64 tokens"),
            open_embedder(tiny_bert, max_length=65),
        ):
            pass

    def test_limit_without_room_for_text_is_refused(self, tiny_bert: Path) -> None:
        with (
            pytest.raises(UsageError, match="`max_length=2`: this model needs at least 3"),
            open_embedder(tiny_bert, max_length=2),
        ):
            pass

    def test_only_the_head_of_a_huge_text_is_tokenized(self, tiny_causal: Path) -> None:
        with open_embedder(tiny_causal, max_length=100) as embedder:
            result = embed_all(embedder, [LONG, LONG * 5000])
        assert cosines(result.vectors[:1], result.vectors[1:]).item() > 0.999999


class TestClosingToken:
    def test_added_for_a_known_architecture(self, tmp_path: Path) -> None:
        write_causal(tmp_path / "with.gguf", add_eos=True)
        write_causal(tmp_path / "without.gguf", add_eos=None)
        assert tokens(tmp_path / "without.gguf", "a b") == tokens(tmp_path / "with.gguf", "a b")

    def test_encoders_get_both_ends_whatever_the_file_says(self, tmp_path: Path) -> None:
        write_bert(tmp_path / "with.gguf")
        write_bert(tmp_path / "without.gguf", add_special=False)
        framed = tokens(tmp_path / "without.gguf", "water time")
        assert framed == tokens(tmp_path / "with.gguf", "water time")
        assert (framed[0], framed[-1]) == (101, 102)

    def test_a_causal_model_without_an_opening_token_gets_none(self, tmp_path: Path) -> None:
        write_causal(tmp_path / "with.gguf")
        write_causal(tmp_path / "without.gguf", add_bos=False)
        assert tokens(tmp_path / "with.gguf", "a b")[1:] == tokens(tmp_path / "without.gguf", "a b")

    def test_qwen_closes_with_its_document_separator(self, tmp_path: Path) -> None:
        write_causal(tmp_path / "plain.gguf", arch="qwen3", add_eos=None)
        fields = GGUFReader(tmp_path / "plain.gguf").fields
        pieces = [*fields["tokenizer.ggml.tokens"].contents()[:-1], "<|endoftext|>"]
        path = tmp_path / "qwen.gguf"
        rewrite(tmp_path / "plain.gguf", path, changes={"tokenizer.ggml.tokens": pieces})
        assert tokens(path, "a b")[-1] == len(pieces) - 1

    def test_refused_where_it_is_not_known(self, tmp_path: Path) -> None:
        path = tmp_path / "open.gguf"
        write_t5(tmp_path / "closed.gguf", arch="t5encoder", pooling=1)
        rewrite(tmp_path / "closed.gguf", path, changes={"tokenizer.ggml.add_eos_token": False})
        with pytest.raises(ModelError, match="not known for the architecture t5encoder") as caught:
            tokens(path, "a b")
        assert caught.value.exit_code == 3
        assert "`closing_token=yes` or `closing_token=no`" in (caught.value.hint or "")
        closed = tokens(tmp_path / "closed.gguf", "a b")
        assert tokens(path, "a b", closes="yes") == closed
        assert tokens(path, "a b", closes="no") == closed[:-1]

    @pytest.mark.parametrize("arch", ["lfm2", "llama-embed", "qwen2vl"])
    def test_some_architectures_have_none(self, tmp_path: Path, arch: str) -> None:
        plain = write_causal(tmp_path / "plain.gguf", add_eos=None)
        changes = {"general.architecture": arch}
        path = rewrite(plain, tmp_path / "x.gguf", changes=changes)
        asked = rewrite(
            plain, tmp_path / "y.gguf", changes=changes | {"tokenizer.ggml.add_eos_token": True}
        )
        with Model(path, CPU, vocabulary_only=True) as model:
            native = NativeTokenizer(model)
            assert len(complete_frame(model, native).closing) == 0
            assert complete_frame(model, native, "yes").closing.tolist() == [SPM_EOS]
        with Model(asked, CPU, vocabulary_only=True) as model:
            native = NativeTokenizer(model)
            assert complete_frame(model, native).closing.tolist() == [SPM_EOS]
            assert len(complete_frame(model, native, "no").closing) == 0


class TestPooling:
    @pytest.mark.parametrize("pooling", [None, 0])
    def test_none_is_refused_unless_chosen(self, tmp_path: Path, pooling: int | None) -> None:
        path = tmp_path / "none.gguf"
        write_bert(path, pooling=pooling)
        with pytest.raises(ModelError, match="does not say how to pool"), open_embedder(path):
            pass
        with open_embedder(path, pooling="mean") as embedder:
            assert embed_all(embedder, ["a b"]).valid.all()

    def test_a_reranker_is_refused_even_when_pooling_is_chosen(self, tmp_path: Path) -> None:
        path = tmp_path / "rank.gguf"
        write_bert(path, pooling=4)
        with pytest.raises(ModelError, match="reranker"), open_embedder(path, pooling="mean"):
            pass

    def test_the_file_decides_and_the_option_overrides(self, tmp_path: Path) -> None:
        write_bert(tmp_path / "cls.gguf", pooling=2)
        texts = ["water and time"]
        with open_embedder(tmp_path / "cls.gguf") as embedder:
            as_file_says = embed_all(embedder, texts).vectors
        with open_embedder(tmp_path / "cls.gguf", pooling="cls") as embedder:
            chosen = embed_all(embedder, texts).vectors
        with open_embedder(tmp_path / "cls.gguf", pooling="mean") as embedder:
            other = embed_all(embedder, texts).vectors
        assert cosines(as_file_says, chosen).item() > 0.999999
        assert cosines(as_file_says, other).item() < 0.999


class TestCausalModels:
    def test_memory_of_the_last_batch_is_cleared(self, tiny_causal: Path) -> None:
        with open_embedder(tiny_causal, threads=1) as embedder:
            first = embed_all(embedder, ["water and time"])
            embed_all(embedder, [LONG, "x y z"])
            again = embed_all(embedder, ["water and time"])
        assert np.array_equal(first.vectors, again.vectors)

    def test_attention_stays_causal(self, tiny_causal: Path) -> None:
        """The first token of a causal model cannot see what follows it."""
        with open_embedder(tiny_causal, pooling="cls") as embedder:
            vectors = embed_all(embedder, ["water and time", "a quite different text"]).vectors
        assert cosines(vectors[:1], vectors[1:]).item() > 0.999999

    @pytest.mark.parametrize("pooling", ["mean", "last"])
    def test_texts_far_beyond_a_batch_are_pooled_whole(
        self, tiny_causal: Path, pooling: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A context that grew for a text gives what one gives that was large from the start."""
        with open_embedder(tiny_causal, pooling=pooling, threads=1) as embedder:
            grown = embed_all(embedder, ["short", "water time " * 900])
            assert grown.lengths[1] > 1024
            shorter = embed_all(embedder, ["water time " * 100])
        monkeypatch.setattr("llama_cli.engine.tuning.best_batch_tokens", lambda *_, **__: 4096)
        with open_embedder(tiny_causal, pooling=pooling, threads=1) as embedder:
            direct = embed_all(embedder, ["water time " * 900])
        assert cosines(grown.vectors[1:], direct.vectors).item() > 0.999999
        assert cosines(grown.vectors[1:], shorter.vectors).item() < 0.99999


class TestRecurrentModels:
    def test_states_fit_the_memory_that_they_may_take(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A context has one for each text of a batch, there or not: then batches are of few."""
        path = write_lfm2(tmp_path / "x.gguf")
        texts = ["a b", "water time", "light " * 20, "a"] * 5
        with open_embedder(path, threads=2) as embedder:
            assert embedder._plan.batch_texts == 256
            alone = np.concatenate([embed_all(embedder, [text]).vectors for text in texts])
        with Model(path, CPU) as model:
            state = model.state_bytes
        assert state == 4 * 4 * 2 * 32  # bytes of a float, layers, window less one, width
        monkeypatch.setattr(tuning, "_STATES_BYTES", 5 * state)
        with open_embedder(path, threads=2) as embedder:
            assert (embedder._plan.contexts, embedder._plan.batch_texts) == (2, 2)
            together = embed_all(embedder, texts).vectors
        assert cosines(together, alone).min() > 0.999999

    def test_fewer_contexts_where_one_state_is_large(self) -> None:
        plan = tuning.make_plan(8, 1 << 24, 64, on_gpu=False, own_kernels=True, state_bytes=6 << 20)
        assert (plan.contexts, plan.threads, plan.batch_texts) == (8, 1, 8)
        plan = tuning.make_plan(
            8, 1 << 24, 64, on_gpu=False, own_kernels=True, state_bytes=200 << 20
        )
        assert (plan.contexts, plan.threads, plan.batch_texts) == (2, 4, 1)


class TestText:
    @pytest.mark.parametrize("text", ["[CLS]", "[SEP]", "</s>", "<s>", "[MASK]"])
    @pytest.mark.parametrize("kind", ["tiny_bert", "tiny_causal"])
    def test_special_tokens_written_out_are_plain_text(
        self, kind: str, text: str, request: pytest.FixtureRequest
    ) -> None:
        path = request.getfixturevalue(kind)
        empty = tokens(path, "")
        written = tokens(path, text)
        assert len(written) >= len(empty) + 3
        assert not set(written[1:-1]) & set(empty)

    def test_no_content_is_embedded_as_the_special_tokens(
        self, default_embedder: LlamaEmbedder
    ) -> None:
        result = embed_all(default_embedder, ["\u200b", "\x01", ""])
        assert result.lengths == [2, 2, 2]
        assert result.valid.all()

    def test_nul_does_not_end_the_text(self, default_embedder: LlamaEmbedder) -> None:
        result = embed_all(default_embedder, ["one\x00 two", "one two"])
        assert result.lengths == [4, 4]
        assert cosines(result.vectors[:1], result.vectors[1:]).item() > 0.999999


class TestNotFinite:
    @pytest.fixture
    def poisoned(self, tmp_path: Path) -> Path:
        """A model in which one word's embedding is NaN."""
        path = tmp_path / "nan.gguf"
        write_bert(path)
        poison = tokens(path, "water")[1]
        reader = GGUFReader(path, "r+")
        tensor = next(t for t in reader.tensors if t.name == "token_embd.weight")
        tensor.data[poison] = np.nan
        reader.data.flush()
        return path

    def test_only_the_row_itself_loses_its_vector(self, poisoned: Path, tiny_bert: Path) -> None:
        texts = ["hello", "water", "time", "the water runs", "and"]
        with open_embedder(poisoned) as embedder:
            result = embed_all(embedder, texts)
        with open_embedder(tiny_bert) as embedder:
            healthy = embed_all(embedder, texts)
        assert result.valid.tolist() == [True, False, True, False, True]
        keep = result.valid
        assert cosines(result.vectors[keep], healthy.vectors[keep]).min() > 0.99999
        assert result.lengths == healthy.lengths
        assert not result.vectors[~keep].any()


class TestAborts:
    def test_more_texts_than_sequences(self, tiny_bert: Path) -> None:
        with open_embedder(tiny_bert) as embedder:
            assert len(embed_all(embedder, ["a"] * 1000).vectors) == 1000

    def test_texts_as_long_as_the_context_side_by_side(self, tiny_bert: Path) -> None:
        with open_embedder(tiny_bert) as embedder:
            assert embed_all(embedder, [LONG] * 50).lengths == [64] * 50

    def test_encoder_decoder_is_refused(self, tmp_path: Path) -> None:
        write_t5(tmp_path / "t5.gguf", arch="t5")
        with pytest.raises(ModelError, match="encoder-decoder"):
            Model(tmp_path / "t5.gguf", CPU)

    def test_an_encoder_of_t5_embeds(self, tmp_path: Path) -> None:
        write_t5(tmp_path / "enc.gguf", arch="t5encoder", pooling=1)
        with open_embedder(tmp_path / "enc.gguf") as embedder:
            together = embed_all(embedder, ["water and time", "a b"])
            alone = embed_all(embedder, ["a b"])
        assert cosines(together.vectors[1:], alone.vectors).item() > 0.99999

    @pytest.mark.parametrize("size", [0, 3, 100, 5000, 60_000])
    def test_a_truncated_file_is_a_clean_error(
        self, tiny_bert: Path, tmp_path: Path, size: int
    ) -> None:
        path = tmp_path / "short.gguf"
        path.write_bytes(tiny_bert.read_bytes()[:size])
        with pytest.raises(ModelError, match="cannot load the model"):
            Model(path, CPU)


class TestDecodeFailures:
    """llama.cpp reports these by number; no machine here runs out of memory on demand."""

    @pytest.mark.parametrize(
        ("code", "error", "exit_code"),
        [(-2, ModelError, 3), (-1, EngineError, 1), (1, EngineError, 1)],
    )
    def test_a_refused_batch_is_an_error(
        self,
        tiny_bert: Path,
        monkeypatch: pytest.MonkeyPatch,
        code: int,
        error: type[LlamaCliError],
        exit_code: int,
    ) -> None:
        with open_embedder(tiny_bert) as embedder:
            monkeypatch.setattr(llama_cpp(), "llama_decode", lambda *_: code)
            with pytest.raises(error) as caught:
                embed_all(embedder, ["water"])
        assert caught.value.exit_code == exit_code


class TestUnsaidCase:
    @pytest.mark.parametrize("lowercase", [True, False])
    def test_a_vocabulary_that_says_nothing_is_warned_about_and_judged(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, lowercase: bool
    ) -> None:
        words = ["water", "time"] if lowercase else ["Water", "water", "time"]
        write_bert(tmp_path / "unsaid.gguf", lowercase=None, words=words)
        unsaid = tokens(tmp_path / "unsaid.gguf", "Water")
        assert "does not say whether its vocabulary is lower-cased" in caplog.text
        caplog.clear()
        write_bert(tmp_path / "said.gguf", lowercase=lowercase, words=words)
        assert unsaid == tokens(tmp_path / "said.gguf", "Water")
        assert len(unsaid) == 3
        assert "lower-cased" not in caplog.text
