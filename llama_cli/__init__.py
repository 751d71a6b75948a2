"""Lines of text in, a Parquet file of embeddings out."""

__version__ = "0.1.0"
