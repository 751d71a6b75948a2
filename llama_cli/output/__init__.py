"""Results in, one Parquet file out. Nothing here knows the engine or the command line."""

from llama_cli.output.arrow import convert_to_arrow_batch
from llama_cli.output.schema import output_schema
from llama_cli.output.writer import ParquetWriter

__all__ = ["ParquetWriter", "convert_to_arrow_batch", "output_schema"]
