"""Files that are not on this machine: ``s3://``, ``gs://``, ``hf://``, ``https://``, ``http://``.

`resolve.find_files` finds what a URL names, `reader.RemoteFile` reads it, `upload.upload` writes
it, `download.download` has whole files of the Hub. httpx2 and huggingface_hub are imported when a
server is asked, and not before.
"""
