"""Sound in and out: finding, decoding, cutting, deforming."""
