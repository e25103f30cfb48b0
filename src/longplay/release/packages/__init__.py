"""Packages in other archives' formats: facts about one object in, files out.

BagIt (RFC 8493), OCFL 1.1, PREMIS 3 and METS. The writers know neither ledger nor store: what they
are told of an object is an `Item`, and its bytes are a stream that they prove while they copy it.
"""
