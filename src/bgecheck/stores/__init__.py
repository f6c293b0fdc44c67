"""Vector stores: Chroma, Milvus, Qdrant and PostgreSQL with pgvector, read by their own libraries and never written.

Each library runs in a process of its own, within limits; of a store that is a folder or file a copy is opened.
"""
