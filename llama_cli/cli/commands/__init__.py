"""The work of each command, imported when it runs; `llama_cli.cli.app` says what it takes."""
