"""AWS: the only importer of boto3. One seam for all calls (`session`), a tree of errors, a module a service."""
