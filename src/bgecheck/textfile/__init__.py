"""Files of texts and of vectors: texts in whatever form and encoding they are kept, vectors as programs take them."""
