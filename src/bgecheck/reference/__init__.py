"""The reference: a model's vectors computed here, from its own folder, without torch.

Imported only where a vector is to be compared; it loads numpy.
"""
