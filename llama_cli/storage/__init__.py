"""Files that are not on this machine: ``s3://``, ``gs://``, ``hf://``, ``https://``, ``http://``.

`find_files` opens what a URL names, `RemoteFile` reads it, `Uploads` has outputs. Arrow's file
systems, httpx2 and huggingface_hub are imported when a URL is used, and not before.
"""
