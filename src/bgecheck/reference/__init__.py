"""The reference: what a model's folder holds, and the model's vectors computed from it, without torch.

What lists and reads headers needs no numpy; what computes loads it, and is imported only where vectors are compared.
"""
