"""Files that are not on this machine: ``s3://``, ``gs://``, ``hf://``, ``https://``, ``http://``.

`resolve.find_files` finds what a URL names, as objects that can be opened (`reader.RemoteObject`);
`upload.upload` writes a file to a URL, `download.download` has whole files of the Hub. httpx2 and
huggingface_hub are imported when a server is asked, and not before.
"""
